"""The shipped restart playbook, on a real service under a real supervisord."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import psutil
import pytest

from console.tasks import is_worth_telling
from remediations import runner
from remediations.runner import WarmParent
from remediations.runs import MarkerState, RunStatus, Target, TaskOutcome
from tests.playbooks.conftest import Supervisor, stage_of, supervisord
from tests.playbooks.runs import LOCAL, Stage, action_id


def test_restart(stage: Stage, supervisor: Supervisor) -> None:
    """The service gets a new process, the result tells both ids, the marker success; no other service is touched."""
    before, other = supervisor.pid(), supervisor.pid("other")
    played = stage.play(stage.request())
    after = supervisor.pid()
    assert played.result.status is RunStatus.SUCCESSFUL, played.result
    assert played.result.result == {
        "restart": {
            "web-1": {
                "service": "web",
                "before": {"state": "running", "pid": before},
                "after": {"state": "running", "pid": after},
            }
        },
    }
    assert before != after != 0
    assert supervisor.starts() == 2
    assert supervisor.pid("other") == other
    assert (stage.markers / action_id(1) / "done").read_text() == "successful"
    names = [task.task for task in played.tasks if task.action == "ansible.builtin.command"]
    assert names == [
        "Take the marker",
        "Look at the service",
        "Restart the service",
        "Wait until the service runs",
        "Write the outcome into the marker",
    ]
    assert [task.number for task in played.tasks] == list(range(1, len(played.tasks) + 1))


def test_one_of_two_runs_of_an_action(stage: Stage, supervisor: Supervisor) -> None:
    """Of two runs of one action at once, one has its effect and the other is refused before its first change."""
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(stage.play, [stage.request(), stage.request()]))
    assert {played.result.status for played in both} == {RunStatus.SUCCESSFUL, RunStatus.REFUSED}
    assert supervisor.starts() == 2
    refused = next(played for played in both if played.result.status is RunStatus.REFUSED)
    assert [task for task in refused.tasks if task.outcome is TaskOutcome.CHANGED] == []


def test_health_check_fails(stage: Stage, supervisor: Supervisor) -> None:
    """A service that runs again but does not answer 200 is a failed run; the service is left running."""
    (supervisor.folder / "sick").touch()
    played = stage.play(stage.request())
    assert played.result.status is RunStatus.FAILED
    assert "Wait until the service answers" in played.result.reason
    assert supervisor.pid() != 0
    assert (stage.markers / action_id(1) / "done").read_text() == "failed"


def test_service_does_not_come_back(stage: Stage, supervisor: Supervisor) -> None:
    """A service that ends right after the restart is started once more, so that it is not left down."""
    (supervisor.folder / "fail-once").touch()
    played = stage.play(stage.request())
    assert played.result.status is RunStatus.FAILED
    assert supervisor.pid() != 0
    assert supervisor.starts() == 3
    assert any(task.task == "Start the service" for task in played.tasks)


def test_supervisord_dies_in_mid_run(tmp_path: Path, warm: WarmParent) -> None:
    """Without its manager the service can not be brought back: the run fails, and says so at the top of its voice."""
    with supervisord() as supervisor:
        other = psutil.Process(supervisor.pid("other"))
        supervisor.wait("serves")
        (supervisor.folder / "kill-supervisord").touch()
        stage = stage_of(supervisor, tmp_path, warm)
        played = stage.play(stage.request())
        other.kill()  # nobody else does
    assert played.result.status is RunStatus.FAILED
    assert "IT WAS NOT PUT BACK" in played.result.reason
    assert "refused connection" in played.result.reason
    assert (stage.markers / action_id(1) / "done").read_text() == "failed"


def test_check_mode(stage: Stage, supervisor: Supervisor) -> None:
    """A check looks and tells, and changes neither the service nor the marker."""
    before = supervisor.pid()
    played = stage.play(msgspec.structs.replace(stage.request(), check=True))
    assert played.result.status is RunStatus.SUCCESSFUL, played.result
    assert supervisor.pid() == before
    assert not stage.markers.exists()


WRONG: dict[str, tuple[dict[str, str | int | float | bool], str]] = {
    "no such service": ({"restart_service_name": "nothing"}, "no such process"),
    "all services": ({"restart_service_name": "all"}, "exactly one service"),
    "an option": ({"restart_service_name": "--help"}, "exactly one service"),
    "no service": ({}, "restart_service_name"),
    "another manager": ({"restart_service_name": "web", "restart_service_manager": "runit"}, "must be one of"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input(case: str, stage: Stage, supervisor: Supervisor) -> None:
    """Inputs that do not name one existing service fail before any change, with words that say why."""
    inputs, reason = WRONG[case]
    before = supervisor.pid()
    played = stage.play(stage.request(inputs=inputs))
    assert played.result.status is RunStatus.FAILED
    assert reason in played.result.reason
    assert (supervisor.pid(), supervisor.starts()) == (before, 1)


def test_closed_marker(stage: Stage, supervisor: Supervisor) -> None:
    """A marker that was closed while absent stays closed, and the action can not run any more."""
    request = stage.request()
    assert stage.inspect(request).state is MarkerState.ABSENT
    assert not stage.markers.exists()
    assert stage.close(request).state is MarkerState.CLOSED
    assert stage.close(request).state is MarkerState.CLOSED
    assert stage.play(request).result.status is RunStatus.REFUSED
    assert supervisor.starts() == 1


MARKERS: dict[str, tuple[str | None, MarkerState, RunStatus | None]] = {
    "begun": (None, MarkerState.BEGUN, None),
    "done-well": ("successful", MarkerState.DONE, RunStatus.SUCCESSFUL),
    "done-badly": ("failed", MarkerState.DONE, RunStatus.FAILED),
}


def test_closing_existing_markers(tmp_path: Path) -> None:
    """A marker that exists is not changed by closing it: the answer says, for each host, what it is."""
    stage = Stage(tmp_path)
    targets = []
    for host, (written, _, _) in MARKERS.items():
        marker = stage.markers / host / action_id(1)
        marker.mkdir(parents=True)
        if written:
            (marker / "done").write_text(written)
        targets.append(Target(host, LOCAL | {"tidegate_marker_folder": str(stage.markers / host)}))
    request = msgspec.structs.replace(stage.request(), targets=tuple(targets))
    played = stage.play(runner.closing(request, stage.settings))
    reports = runner.marker_reports(request, played.result)
    assert {host: (report.state, report.outcome) for host, report in reports.items()} == {
        host: (state, outcome) for host, (_, state, outcome) in MARKERS.items()
    }
    assert list(stage.markers.rglob("closed")) == []


def test_marker_that_can_not_be_read(tmp_path: Path) -> None:
    """What can not be looked at is not absent."""
    stage = Stage(tmp_path)
    stage.markers.write_text("a file where the folder of markers should be")
    report = stage.inspect(stage.request())
    assert report.state is MarkerState.UNREACHABLE
    assert report.reason


def test_unreachable(tmp_path: Path, closed_port: int) -> None:
    """A target that does not answer is unreachable, for runs and for looks at the marker."""
    stage = Stage(tmp_path)
    stage.variables = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": closed_port}
    request = stage.request(inputs={"restart_service_name": "web"})
    assert stage.play(request).result.status is RunStatus.UNREACHABLE
    assert stage.inspect(request).state is MarkerState.UNREACHABLE


def test_of_a_restart_five_tasks_are_told(stage: Stage) -> None:
    """The shipped restart by supervisord: taken, looked at, restarted, runs, answers."""
    told = [task.task for task in stage.play(stage.request()).tasks if is_worth_telling(task)]
    assert told == [
        "Take the marker",
        "Look at the service",
        "Restart the service",
        "Wait until the service runs",
        "Wait until the service answers",
    ]
