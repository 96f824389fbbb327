"""Accepted digests: kept in a file, new playbooks taken once, changed ones never by themselves."""

import shutil
from pathlib import Path

import msgspec
import pytest

from remediations.acceptance import Judged, accept, accept_new, breaches, read_accepted
from remediations.errors import PlaybookError
from remediations.playbooks import Playbook, Sidecar

SHIPPED = Path(__file__).resolve().parents[2] / "playbooks"
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


SOUND = """\
- {name: Note, hosts: all, gather_facts: false, serial: 1, any_errors_fatal: true, max_fail_percentage: 0, tasks: [
  {name: Take, ansible.builtin.import_role: {name: marker}}, {name: Do, block: [{name: Log, ansible.builtin.debug: }, {
  name: Done, ansible.builtin.import_role: {name: marker, tasks_from: done}, vars: {marker_outcome: successful}}],
  rescue: [{name: No, ansible.builtin.import_role: {name: marker, tasks_from: done}, vars: {marker_outcome: failed}}]}]}
"""
WRONG = {
    "YAML that is none": "- name: [x\n",
    "no marker": SOUND.replace("name: marker}}, {name: Do", "name: other}}, {name: Do"),
    "no bound": SOUND.replace("serial: 1, ", ""),
    "no list of plays": "odd\n",
}


def playbook(folder: Path, name: str, text: str, digest: str = NEW) -> Playbook:
    """A playbook of this text beside the shipped marker."""
    if not (folder / "roles").exists():
        shutil.copytree(SHIPPED / "roles" / "marker", folder / "roles" / "marker")
    (folder / f"{name}.yml").write_text(text)
    sidecar = Sidecar(description="", action="note", timeout_seconds=1)
    return Playbook(name, str(folder / f"{name}.yml"), digest, sidecar)


def test_a_new_playbook_is_taken_and_a_changed_one_is_not(file: Path, tmp_path: Path) -> None:
    """What an engine sees for the first time counts from then on, also for its next life."""
    old, new = playbook(tmp_path, "restart", SOUND, OLD), playbook(tmp_path, "drain", SOUND)
    assert Judged({"restart": OLD}, {}) == accept_new(file, tmp_path, {"restart": old})
    changed = msgspec.structs.replace(old, digest=NEW)
    judged = accept_new(file, tmp_path, {"restart": changed, "drain": new})
    assert Judged({"restart": OLD, "drain": NEW}, {}) == judged
    assert {"restart": OLD, "drain": NEW} == read_accepted(file)


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG.keys())
def test_what_breaks_the_contract_is_never_taken_by_itself(file: Path, tmp_path: Path, text: str) -> None:
    """It is named with what it breaks, and leaves the others as they are; mended, it is taken."""
    others, name = {"drain": playbook(tmp_path, "drain", SOUND)}, "wrong"
    judged = accept_new(file, tmp_path, others | {name: playbook(tmp_path, name, text)})
    assert {"drain": NEW} == judged.digests == read_accepted(file)
    assert judged.breaches[name].startswith("wrong breaks the contract, ")
    mended = accept_new(file, tmp_path, others | {name: playbook(tmp_path, name, SOUND)})
    assert ({"drain": NEW, name: NEW}, {}) == (mended.digests, mended.breaches)


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
