"""What holds for every shipped playbook: the marker, a target that is away, inputs of wrong types."""

from collections.abc import Iterator

import pytest

from remediations.runner import WarmParent
from remediations.runs import RunStatus, TaskOutcome
from tests.playbooks.runs import PLAYBOOKS, Played, Stage
from tests.playbooks.warm import parent_for

type Inputs = dict[str, str | int | float | bool]
OWN = ("marker_close", "marker_inspect")  # what the engine itself runs
SHIPPED = sorted(path.stem for path in PLAYBOOKS.glob("*.yml") if path.stem not in OWN and ".meta" not in path.name)
INPUTS: dict[str, Inputs] = {
    "clean": {"clean_age_days": 10},
    "drain": {"drain_server": "web-1", "drain_backend": "shop"},
    "restart": {"restart_service_name": "web"},
    "rollback": {"rollback_service_name": "web"},
    "scale": {"scale_service_name": "web", "scale_maximum": 3, "scale_to": 2},
    "undrain": {"drain_server": "web-1", "drain_backend": "shop"},
}


@pytest.fixture(scope="module")
def parent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmParent | None]:
    """One warm parent for all tests here."""
    with parent_for("warm", Stage(tmp_path_factory.mktemp("parent")).settings) as parent:
        yield parent


@pytest.fixture
def stage(tmp_path_factory: pytest.TempPathFactory, parent: WarmParent) -> Stage:
    """Runs on one local host."""
    stage = Stage(tmp_path_factory.mktemp("stage"))
    stage.parent = parent
    return stage


def changed(played: Played) -> list[str]:
    """Names of the tasks that changed something."""
    return [task.task for task in played.tasks if task.outcome is TaskOutcome.CHANGED]


def test_all_are_here() -> None:
    """A playbook that is shipped has its row in the tables of this file."""
    assert sorted(INPUTS) == SHIPPED == sorted({name for name, _ in WRONG.values()})


@pytest.mark.parametrize("name", SHIPPED)
def test_run_twice(name: str, stage: Stage) -> None:
    """An action whose marker is on the target is refused before anything is changed."""
    request = stage.request(playbook=f"{name}.yml", inputs=INPUTS[name])
    (stage.markers / request.action_id).mkdir(parents=True)
    played = stage.play(request)
    assert (played.result.status, changed(played)) == (RunStatus.REFUSED, []), played.result


@pytest.mark.parametrize("name", SHIPPED)
def test_unreachable(name: str, stage: Stage, closed_port: int) -> None:
    """A target that does not answer is unreachable, and no task but the first was tried."""
    away = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": closed_port}
    played = stage.play(stage.request(playbook=f"{name}.yml", inputs=INPUTS[name], variables=dict(away)))
    assert played.result.status is RunStatus.UNREACHABLE, played.result
    assert [task.outcome for task in played.tasks][-1] is TaskOutcome.UNREACHABLE
    assert changed(played) == []


WRONG: dict[str, tuple[str, Inputs]] = {
    "clean: no number of days": ("clean", {"clean_age_days": "old"}),
    "clean: no truth": ("clean", {"clean_truncate_open": "perhaps"}),
    "drain: no number of seconds": ("drain", {"drain_wait_seconds": "5 minutes"}),
    "drain: no such balancer": ("drain", {"drain_balancer": "envoy"}),
    "undrain: no truth": ("undrain", {"drain_force": "maybe"}),
    "restart: no such manager": ("restart", {"restart_service_manager": "runit"}),
    "restart: no port": ("restart", {"restart_health_port": "http"}),
    "rollback: no such manager": ("rollback", {"rollback_service_manager": "supervisord"}),
    "rollback: no number of seconds": ("rollback", {"rollback_wait_seconds": "long"}),
    "scale: a fraction": ("scale", {"scale_to": "2.5"}),
    "scale: no maximum": ("scale", {"scale_maximum": "many"}),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_inputs(case: str, stage: Stage) -> None:
    """An input that its specification does not allow is refused, by name, before the first task of the role."""
    name, wrong = WRONG[case]
    played = stage.play(stage.request(playbook=f"{name}.yml", inputs=INPUTS[name] | wrong))
    (named,) = wrong
    assert (played.result.status, named in played.result.reason) == (RunStatus.FAILED, True), played.result.reason
    assert "alidat" in played.result.reason
    assert [task for task in changed(played) if "marker" not in task] == []


@pytest.mark.parametrize("name", [name for name in SHIPPED if name != "clean"])
def test_nothing_named(name: str, stage: Stage) -> None:
    """Without the one input that names what to act on, nothing is done."""
    played = stage.play(stage.request(playbook=f"{name}.yml", inputs={}))
    assert (played.result.status, "missing required arguments" in played.result.reason) == (RunStatus.FAILED, True)
    assert [task for task in changed(played) if "marker" not in task] == []
