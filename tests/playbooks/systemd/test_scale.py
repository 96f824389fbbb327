"""The shipped scale playbook on instances of a template unit on a real host, by ssh."""

import msgspec
import pytest

from remediations.runs import RunStatus, TaskOutcome
from tests.playbooks.runs import Played
from tests.playbooks.systemd.hosts import HOST, FleetStage, Hosts

INPUTS: dict[str, str | int | bool] = {
    "scale_service_name": "worker",
    "scale_first_instance": 8101,
    "scale_maximum": 4,
    "scale_health_url": "http://127.0.0.1:INSTANCE/",
    "scale_wait_seconds": 1,
    "scale_become": True,
}
FIRST, SECOND, THIRD, FOURTH = "worker@8101", "worker@8102", "worker@8103", "worker@8104"


def changed(played: Played) -> list[str]:
    """Names of the tasks that changed something, but for the marker's."""
    tasks = [task.task for task in played.tasks if task.outcome is TaskOutcome.CHANGED]
    return [task for task in tasks if "marker" not in task]


def told(before: list[int], goal: int, after: list[int]) -> dict[str, object]:
    """The result of a run that went well."""
    return {
        "scale": {
            HOST: {
                "service": "worker",
                "before": {"number": len(before), "instances": before},
                "goal": goal,
                "after": {"number": len(after), "instances": after},
            }
        }
    }


def test_up(stage: FleetStage, hosts: Hosts) -> None:
    """One more is started, answers, and outlives a reboot if wanted; those that ran before are not touched."""
    before = (hosts.pid(FIRST), hosts.pid(SECOND))
    played = stage.run("scale", **INPUTS, scale_by=1, scale_enable=True, scale_expected=2)
    assert played.result.status is RunStatus.SUCCESSFUL, played.result
    assert played.result.result == told([8101, 8102], 3, [8101, 8102, 8103])
    assert hosts.serving() == [8101, 8102, 8103]
    assert (hosts.pid(FIRST), hosts.pid(SECOND)) == before
    assert hosts.ask(f"systemctl is-enabled {THIRD}") == "enabled"
    assert hosts.marker(stage.action) == "successful"


def test_down(stage: FleetStage, hosts: Hosts) -> None:
    """The last ones are stopped, the others are not touched."""
    before = hosts.pid(FIRST)
    played = stage.run("scale", **INPUTS, scale_to=1)
    assert played.result.status is RunStatus.SUCCESSFUL, played.result
    assert played.result.result == told([8101, 8102], 1, [8101])
    assert (hosts.serving(), hosts.pid(FIRST)) == ([8101], before)


def test_gap_is_filled(stage: FleetStage, hosts: Hosts) -> None:
    """An instance that failed is not counted; going up starts it again before a new one."""
    hosts.ask("systemctl start worker@8103; systemctl kill --signal=KILL worker@8102")
    played = stage.run("scale", **INPUTS, scale_to=3)
    assert played.result.status is RunStatus.SUCCESSFUL, played.result
    assert played.result.result == told([8101, 8103], 3, [8101, 8102, 8103])
    assert hosts.serving() == [8101, 8102, 8103]


def test_number_that_is_there(stage: FleetStage, hosts: Hosts) -> None:
    """If the wanted number runs already, the run succeeds and changes nothing."""
    before = (hosts.pid(FIRST), hosts.pid(SECOND))
    played = stage.run("scale", **INPUTS, scale_to=2)
    assert played.result.status is RunStatus.SUCCESSFUL, played.result
    assert changed(played) == []
    assert (hosts.pid(FIRST), hosts.pid(SECOND)) == before


def test_new_ones_are_sick(stage: FleetStage, hosts: Hosts) -> None:
    """If one of the new ones does not answer, all that the run started are stopped, and no other."""
    hosts.ask("touch /opt/worker/sick-8104; systemctl start worker@8105")
    before = (hosts.pid(FIRST), hosts.pid(SECOND), hosts.pid("worker@8105"))
    played = stage.run("scale", **INPUTS | {"scale_maximum": 5}, scale_to=5)
    assert played.result.status is RunStatus.FAILED
    assert "Wait until each instance answers" in played.result.reason
    assert hosts.serving() == [8101, 8102, 8105]
    assert (hosts.state(THIRD), hosts.state(FOURTH)) == ("inactive", "inactive")
    assert (hosts.pid(FIRST), hosts.pid(SECOND), hosts.pid("worker@8105")) == before
    assert hosts.marker(stage.action) == "failed"


def test_new_one_does_not_stay(stage: FleetStage, hosts: Hosts) -> None:
    """Without an address to ask, one that ends after a moment is seen too; what was started is stopped again."""
    before = (hosts.pid(FIRST), hosts.pid(SECOND))
    hosts.ask("touch /opt/worker/broken")
    played = stage.run("scale", **INPUTS | {"scale_health_url": ""}, scale_by=2)
    assert played.result.status is RunStatus.FAILED
    assert "@8103 does not stay active (exit-code)" in played.result.reason
    assert played.result.reason.endswith("It was put back as it was.")
    assert (hosts.pid(FIRST), hosts.pid(SECOND), hosts.pid(THIRD)) == (*before, 0)


def test_those_left_are_sick(stage: FleetStage, hosts: Hosts) -> None:
    """If those that are left do not answer, the ones that the run stopped are started again."""
    hosts.ask("touch /opt/worker/sick-8101")
    played = stage.run("scale", **INPUTS, scale_to=1)
    assert played.result.status is RunStatus.FAILED
    assert hosts.serving() == [8102]
    assert hosts.state(FIRST) == "active"


def test_check_mode(stage: FleetStage, hosts: Hosts) -> None:
    """A check says which task would change something and to which number, and changes nothing."""
    played = stage.play(msgspec.structs.replace(stage.ask("scale", {**INPUTS, "scale_by": 1}), check=True))
    assert played.result.status is RunStatus.SUCCESSFUL, played.result
    assert changed(played) == ["Start instances"]
    result = played.result.result["scale"]
    assert isinstance(result, dict)
    assert result[HOST]["goal"] == 3
    assert hosts.serving() == [8101, 8102]


REFUSED: dict[str, tuple[dict[str, str | int | bool], str]] = {
    "neither number nor step": ({}, "wanted one of both"),
    "another number runs": ({"scale_to": 3, "scale_expected": 3}, "runs 2 times, scale_expected says 3"),
    "over the maximum": ({"scale_by": 3}, "would run 5 times, wanted 1 to 4"),
    "under the minimum": ({"scale_to": 0}, "would run 0 times, wanted 1 to 4"),
    "no such template": ({"scale_to": 3, "scale_service_name": "nothing"}, "no template nothing@"),
    "a pattern": ({"scale_to": 3, "scale_service_name": "work*"}, "exactly one template"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str, stage: FleetStage, hosts: Hosts) -> None:
    """What is outside of the limits, or does not fit what runs, is refused before any change."""
    inputs, reason = REFUSED[case]
    before = (hosts.pid(FIRST), hosts.pid(SECOND))
    played = stage.run("scale", **INPUTS | inputs)
    assert played.result.status is RunStatus.FAILED
    assert reason in played.result.reason
    assert changed(played) == []
    assert (hosts.pid(FIRST), hosts.pid(SECOND), hosts.serving()) == (*before, [8101, 8102])
