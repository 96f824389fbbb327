"""The shipped scale playbook on the processes of a group under a real supervisord."""

import pytest

from remediations.runs import RunStatus, TaskOutcome
from tests.playbooks.conftest import Supervisor
from tests.playbooks.runs import Played, Stage

NAMES = [f"worker:worker_{number:02d}" for number in range(4)]
INPUTS: dict[str, str | int | float | bool] = {
    "scale_service_name": "worker",
    "scale_service_manager": "supervisord",
    "scale_maximum": 10,
    "scale_wait_seconds": 1,
}


@pytest.fixture
def workers(stage: Stage, supervisor: Supervisor) -> Supervisor:
    """A supervisord that runs two of four workers."""
    stage.variables = {"scale_supervisor_config": str(supervisor.configuration)}
    for mark in supervisor.folder.glob("broken-*"):
        mark.unlink()
    supervisor.ask("stop", "worker:*")
    supervisor.ask("start", *NAMES[:2])
    return supervisor


def pids(workers: Supervisor) -> list[int]:
    """Process ids of the workers, 0 for those that do not run."""
    return [workers.pid(name) for name in NAMES]


def scale(stage: Stage, **inputs: str | float | bool) -> Played:
    """Run the playbook."""
    return stage.play(stage.request(playbook="scale.yml", inputs=INPUTS | inputs))


def test_up(stage: Stage, workers: Supervisor) -> None:
    """The missing ones are started; those that ran before are not touched."""
    before = pids(workers)
    played = scale(stage, scale_by=2)
    assert played.result.status is RunStatus.SUCCESSFUL, played.result
    after = pids(workers)
    assert after[:2] == before[:2]
    assert 0 not in after
    assert played.result.result == {
        "scale": {
            "web-1": {
                "service": "worker",
                "before": {"number": 2, "instances": NAMES[:2], "possible": 4},
                "goal": 4,
                "after": {"number": 4, "instances": NAMES},
            }
        }
    }


def test_down(stage: Stage, workers: Supervisor) -> None:
    """The last one is stopped."""
    before = pids(workers)
    played = scale(stage, scale_to=1)
    assert played.result.status is RunStatus.SUCCESSFUL, played.result
    assert pids(workers) == [before[0], 0, 0, 0]


def test_new_one_does_not_stay(stage: Stage, workers: Supervisor) -> None:
    """If one of the new ones ends, the others that the run started are stopped again."""
    before = pids(workers)
    (workers.folder / "broken-3").touch()
    played = scale(stage, scale_to=4)
    assert played.result.status is RunStatus.FAILED
    assert pids(workers) == before


def test_those_left_do_not_answer(stage: Stage, workers: Supervisor) -> None:
    """If what is left does not answer, what was stopped is started again."""
    (workers.folder / "sick").touch()
    played = scale(stage, scale_to=1, scale_health_url=f"http://127.0.0.1:{workers.port}/INSTANCE")
    assert played.result.status is RunStatus.FAILED
    assert "Wait until each instance answers" in played.result.reason
    assert [pid != 0 for pid in pids(workers)] == [True, True, False, False]


REFUSED: dict[str, tuple[dict[str, str | float | bool], str]] = {
    "more than there are": ({"scale_to": 5}, "would run 5 times, wanted 1 to 4"),
    "no such group": ({"scale_to": 3, "scale_service_name": "nothing"}, "no such group"),
    "all groups": ({"scale_to": 3, "scale_service_name": "all"}, "exactly one group"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str, stage: Stage, workers: Supervisor) -> None:
    """What does not name one group, or asks for more than it has, is refused before any change."""
    inputs, reason = REFUSED[case]
    before = pids(workers)
    played = scale(stage, **inputs)
    assert played.result.status is RunStatus.FAILED
    assert reason in played.result.reason
    changed = [task.task for task in played.tasks if task.outcome is TaskOutcome.CHANGED]
    assert [task for task in changed if "marker" not in task] == []
    assert pids(workers) == before
