"""A machine is bound to the name under which it was first met: for another name nothing is done on it. A real sshd."""

from pathlib import Path

import msgspec
import pytest

from remediations.runs import MarkerState, RunRequest, RunStatus, Target
from tests.playbooks.runs import PLAYBOOKS, Stage, action_id
from tests.playbooks.sshd import Sshd

TASKS = """\
    - name: Take the marker
      ansible.builtin.import_role:
        name: marker
    - name: Have an effect
      ansible.builtin.command:
        argv: [touch, "{folder}/{{{{ inventory_hostname }}}}"]
"""


@pytest.fixture
def stage(tmp_path: Path, sshd: Sshd) -> Stage:
    """Runs on a target that is reached by ssh."""
    stage = Stage(tmp_path, tmp_path / "playbooks")
    stage.settings = msgspec.structs.replace(stage.settings, private_key_file=str(sshd.key))
    stage.variables = sshd.variables
    stage.write_playbook("touch.yml", TASKS.format(folder=tmp_path))
    for name in ("marker_inspect.yml", "marker_close.yml"):
        (stage.playbooks / name).write_text((PLAYBOOKS / name).read_text())
    return stage


def of_host(stage: Stage, action: int, name: str, **variables: object) -> RunRequest:
    """A run for a host of this name, at the address of the sshd."""
    request = stage.request(action, "touch.yml", inputs={}, variables=variables)
    return msgspec.structs.replace(request, targets=(Target(name, request.targets[0].variables),))


def test_two_names_of_one_machine(stage: Stage, tmp_path: Path) -> None:
    """The first name has it; a run for the second does nothing and says under which name the machine was met."""
    assert stage.play(of_host(stage, 1, "shop-1")).result.status is RunStatus.SUCCESSFUL
    result = stage.play(of_host(stage, 2, "shop-2")).result
    assert result.status is RunStatus.FAILED
    assert result.reason.startswith(
        "other_target: the machine at the address of shop-2 was first met as shop-1; nothing was done"
    )
    assert (tmp_path / "shop-1").exists()
    assert not (tmp_path / "shop-2").exists()
    assert not (stage.markers / action_id(2)).exists()
    assert stage.play(of_host(stage, 3, "shop-1")).result.status is RunStatus.SUCCESSFUL


def test_what_became_of_a_run_is_not_asked_of_another_machine(stage: Stage) -> None:
    """A marker that is absent there proves nothing: it is not closed, and the run stays unknown."""
    assert stage.play(of_host(stage, 1, "shop-1")).result.status is RunStatus.SUCCESSFUL
    lost = of_host(stage, 2, "web-1")
    assert stage.close(lost).state is MarkerState.UNREACHABLE
    assert not (stage.markers / action_id(2)).exists()


def test_a_name_that_is_only_spelled_another_way(stage: Stage) -> None:
    """Names that fold to the same are one host: an inventory may be tidied without a call for a human."""
    for action, name in ((1, "Shop-1"), (2, "shop-1"), (3, "SHOP-1.")):
        assert stage.play(of_host(stage, action, name)).result.status is RunStatus.SUCCESSFUL
    assert (stage.markers / ".target").read_text() == "shop-1"


def test_a_name_that_was_taken_back(stage: Stage) -> None:
    """Who renames a host removes the file, as the reason says."""
    assert stage.play(of_host(stage, 1, "shop-1")).result.status is RunStatus.SUCCESSFUL
    (stage.markers / ".target").unlink()
    assert stage.play(of_host(stage, 2, "store-1")).result.status is RunStatus.SUCCESSFUL
    assert (stage.markers / ".target").read_text() == "store-1"


def test_the_engines_own_machine_plays_any_host(stage: Stage) -> None:
    """With a local connection a name says nothing about the machine."""
    stage.variables = {}
    for action, name in ((1, "shop-1"), (2, "shop-2")):
        assert stage.play(of_host(stage, action, name)).result.status is RunStatus.SUCCESSFUL
    assert not (stage.markers / ".target").exists()
