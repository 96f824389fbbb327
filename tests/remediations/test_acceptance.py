"""Accepted digests: kept in a file, new playbooks taken once if real Ansible reads them, changed ones never."""

import shutil
from pathlib import Path

import msgspec
import pytest

from remediations.acceptance import Judged, accept, accept_new, breaches, read_accepted
from remediations.errors import PlaybookError
from remediations.playbooks import Playbook, Sidecar
from remediations.runner import RunnerSettings

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


def runs(folder: Path, **more: str) -> RunnerSettings:
    """Settings of runs of the playbooks in this folder."""
    return RunnerSettings(folder=str(folder / "runs"), playbooks=str(folder), home=str(folder), **more)


def test_a_new_playbook_is_taken_and_a_changed_one_is_not(file: Path, tmp_path: Path) -> None:
    """What an engine sees for the first time counts from then on, also for its next life."""
    old, new = playbook(tmp_path, "restart", SOUND, OLD), playbook(tmp_path, "drain", SOUND)
    assert Judged({"restart": OLD}, {}) == accept_new(file, runs(tmp_path), {"restart": old})
    changed = msgspec.structs.replace(old, digest=NEW)
    judged = accept_new(file, runs(tmp_path), {"restart": changed, "drain": new})
    assert Judged({"restart": OLD, "drain": NEW}, {}) == judged
    assert {"restart": OLD, "drain": NEW} == read_accepted(file)


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG.keys())
def test_what_breaks_the_contract_is_never_taken_by_itself(file: Path, tmp_path: Path, text: str) -> None:
    """It is named with what it breaks, and leaves the others as they are; mended, it is taken."""
    others, name = {"drain": playbook(tmp_path, "drain", SOUND)}, "wrong"
    judged = accept_new(file, runs(tmp_path), others | {name: playbook(tmp_path, name, text)})
    assert {"drain": NEW} == judged.digests == read_accepted(file)
    assert judged.breaches[name].startswith("wrong breaks the contract, ")
    mended = accept_new(file, runs(tmp_path), others | {name: playbook(tmp_path, name, SOUND)})
    assert ({"drain": NEW, name: NEW}, {}) == (mended.digests, mended.breaches)


UNREADABLE = {
    "a module that is not there": (SOUND.replace("ansible.builtin.debug", "no_such_module"), "'no_such_module'"),
    "a collection that is not there": (
        SOUND.replace("builtin.debug", "none.debug"),
        "wanted the collection ansible.no",
    ),
    "a role that is not there": (
        SOUND.replace("ansible.builtin.debug: ", "import_role: {name: absent}"),
        "2: The role 'absent'",
    ),
}


@pytest.mark.parametrize(("text", "words"), UNREADABLE.values(), ids=UNREADABLE.keys())
def test_what_ansible_can_not_read_is_never_taken_by_itself(file: Path, tmp_path: Path, text: str, words: str) -> None:
    """It is named with the place and Ansible's words, and others are taken; mended, it is too."""
    others = {"drain": playbook(tmp_path, "drain", SOUND), "sweep": playbook(tmp_path, "sweep", SOUND)}
    judged = accept_new(file, runs(tmp_path), others | {"wrong": playbook(tmp_path, "wrong", text)})
    assert {"drain": NEW, "sweep": NEW} == judged.digests == read_accepted(file)
    assert words in judged.breaches["wrong"]
    assert "wrong.yml:" in judged.breaches["wrong"]
    mended = accept_new(file, runs(tmp_path), others | {"wrong": playbook(tmp_path, "wrong", SOUND, OLD)})
    assert (OLD, {}) == (mended.digests["wrong"], mended.breaches)


def test_ansible_is_asked_once_about_each_state_of_the_files(file: Path, tmp_path: Path) -> None:
    """The engine looks every few seconds: an answer holds until the digest is another, or a collection is there."""
    text = SOUND.replace("ansible.builtin.debug", "local.demo.note")
    wrong = {"wrong": playbook(tmp_path, "wrong", text)}
    assert "the collection local.demo" in accept_new(file, runs(tmp_path), wrong).breaches["wrong"]
    (tmp_path / "wrong.yml").write_text(SOUND)  # under the old digest: not looked at
    assert ["wrong"] == list(accept_new(file, runs(tmp_path), wrong).breaches)
    (tmp_path / "wrong.yml").write_text(text)
    module = tmp_path / "collections/ansible_collections/local/demo/plugins/modules/note.py"
    module.parent.mkdir(parents=True)
    module.write_text("#!/usr/bin/python\n")
    assert {} == accept_new(file, runs(tmp_path), wrong).breaches


def test_the_vault_opens_what_a_playbook_reads(file: Path, tmp_path: Path) -> None:
    """A check has the password that a run has; one that can not be read keeps the playbook from being taken."""
    password = tmp_path / "password"
    password.write_text("canary")
    one = {"note": playbook(tmp_path, "note", SOUND)}
    password.chmod(0o644)
    said = accept_new(file, runs(tmp_path, vault_password_file=str(password)), one).breaches["note"]
    assert "vault_password_file is" in said
    assert "canary" not in said
    password.chmod(0o600)
    assert {} == accept_new(file, runs(tmp_path, vault_password_file=str(password)), one).breaches


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
    (breach,) = breaches(runs(tmp_path), {"odd": odd, "changed": changed})
    problem = f"cannot be judged: {tmp_path}/odd.yml: is no list of plays or tasks"
    assert f"odd breaks the contract, odd.yml:1: {problem} (judged)" == breach.words
