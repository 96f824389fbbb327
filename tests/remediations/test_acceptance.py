"""Accepted digests: kept in a file, new playbooks taken once, changed ones never by themselves."""

from pathlib import Path

import msgspec
import pytest

from remediations.acceptance import accept, accept_new, breaches, read_accepted
from remediations.errors import PlaybookError
from remediations.playbooks import Playbook, Sidecar

OLD, NEW = "a" * 64, "b" * 64


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file in a folder that is not there yet."""
    return tmp_path / "state" / "accepted.yml"


def test_without_a_file_nothing_is_accepted(file: Path) -> None:
    """Whoever keeps the file decides from the first playbook on."""
    assert {} == read_accepted(file)
    assert not file.exists()


def test_accepting_one_leaves_the_others(file: Path) -> None:
    """Each playbook is accepted for itself, and stays so until it is accepted anew."""
    accept(file, {"restart": OLD, "drain": OLD})
    accept(file, {"restart": NEW})
    assert {"restart": NEW, "drain": OLD} == read_accepted(file)
    assert ["accepted.yml"] == [each.name for each in file.parent.iterdir()]


def test_a_new_playbook_is_taken_and_a_changed_one_is_not(file: Path) -> None:
    """What an engine sees for the first time counts from then on, also for its next life."""
    assert {"restart": OLD} == accept_new(file, {"restart": OLD})
    assert {"restart": OLD, "drain": NEW} == accept_new(file, {"restart": NEW, "drain": NEW})
    assert {"restart": OLD, "drain": NEW} == read_accepted(file)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("restart: abc", "restart: is 'abc', wanted text matching regex"),
        ("Restart!: " + OLD, "is {'Restart!': "),
        ("- restart", "is ['restart'], wanted a mapping"),
        ("restart: [", "line 1, column 11"),
    ],
)
def test_a_file_that_is_wrong_is_refused(file: Path, text: str, problem: str) -> None:
    """Nobody has accepted what can not be read."""
    file.parent.mkdir()
    file.write_text(text)
    with pytest.raises(PlaybookError) as caught:
        read_accepted(file)
    assert problem in str(caught.value)


def test_a_file_that_can_not_be_written_is_named(file: Path) -> None:
    """The engine says at its start that it can not keep what it accepts."""
    file.mkdir(parents=True)
    with pytest.raises(PlaybookError, match=r"accepted.yml: cannot be"):
        accept(file, {"restart": OLD})


def test_only_accepted_playbooks_are_judged_and_what_cannot_be_is_told(tmp_path: Path) -> None:
    """A playbook that may not run needs no warning; one that is no list of plays is one by itself."""
    (tmp_path / "odd.yml").write_text("odd\n")
    sidecar = Sidecar(description="", action="odd", timeout_seconds=1)
    odd = Playbook("odd", str(tmp_path / "odd.yml"), NEW, sidecar, accepted_digest=NEW)
    changed = msgspec.structs.replace(odd, name="changed", accepted_digest=OLD)
    (breach,) = breaches(tmp_path, {"odd": odd, "changed": changed})
    problem = f"cannot be judged: {tmp_path}/odd.yml: is no list of plays or tasks"
    assert f"odd breaks the contract, odd.yml:1: {problem} (judged)" == breach.words
