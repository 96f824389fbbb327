"""The shipped restart playbook on real units of real hosts, by ssh, as a user who becomes root."""

import msgspec
import pytest

from remediations.runs import RunStatus, Target, TaskOutcome
from tests.playbooks.runs import action_id
from tests.playbooks.systemd.hosts import HOST, OTHER, SHOP_PORT, FleetStage, Hosts, Served

HEALTHY = f"http://127.0.0.1:{SHOP_PORT}/"
INPUTS: dict[str, str | int | bool] = {
    "restart_service_name": "shop",
    "restart_service_manager": "systemd",
    "restart_health_url": HEALTHY,
    "restart_wait_seconds": 1,
    "restart_steady_seconds": 2,
    "restart_become": True,
}


def test_restart(stage: FleetStage, hosts: Hosts) -> None:
    """The unit gets a new process, the result tells both, and no other unit and no other host is touched."""
    before, worker, other = hosts.pid(), hosts.pid("worker@8101"), hosts.pid(host=OTHER)
    played = stage.run("restart", **INPUTS, restart_health_port=SHOP_PORT)
    assert played.result.status is RunStatus.SUCCESSFUL, played.result
    after = hosts.pid()
    assert played.result.result == {
        "restart": {
            HOST: {
                "service": "shop",
                "before": {"state": "active", "pid": before},
                "after": {"state": "active", "pid": after},
            }
        }
    }
    assert after not in (0, before)
    assert hosts.answer() == Served(200, "r10")
    assert (hosts.pid("worker@8101"), hosts.pid(host=OTHER)) == (worker, other)
    assert hosts.marker(stage.action) == "successful"


def test_run_twice(stage: FleetStage, hosts: Hosts) -> None:
    """A second run of the same action is refused by its marker, before its first change."""
    request = stage.ask("restart", INPUTS)
    assert stage.play(request).result.status is RunStatus.SUCCESSFUL
    pid = hosts.pid()
    second = stage.play(request)
    assert second.result.status is RunStatus.REFUSED
    assert [task for task in second.tasks if task.outcome is TaskOutcome.CHANGED] == []
    assert hosts.pid() == pid


def test_health_check_fails(stage: FleetStage, hosts: Hosts) -> None:
    """A unit that is active but does not answer 200 is a failed run; it is left running, as it was."""
    hosts.ask("touch /opt/shop/current/sick")
    played = stage.run("restart", **INPUTS)
    assert played.result.status is RunStatus.FAILED
    assert "Wait until the service answers" in played.result.reason
    assert hosts.state() == "active"
    assert hosts.marker(stage.action) == "failed"


BREAKS = {"seen by its address": HEALTHY, "seen by its process": ""}


@pytest.mark.parametrize("case", BREAKS)
def test_unit_does_not_come_back(case: str, stage: FleetStage, hosts: Hosts) -> None:
    """A unit that ends right after the restart is a failed run, and is started once more: it was running before."""
    hosts.ask("touch /opt/shop/current/broken-once")
    played = stage.run("restart", **INPUTS | {"restart_health_url": BREAKS[case]})
    assert played.result.status is RunStatus.FAILED
    assert any(task.task == "Leave the unit as it was" for task in played.tasks)
    assert hosts.pid() != 0
    result = played.result.result["restart"]
    assert isinstance(result, dict)
    assert "failed" in result[HOST]["problem"]


def test_unit_stays_down(stage: FleetStage, hosts: Hosts) -> None:
    """A unit that ends each time it is started is not said to be as it was."""
    hosts.ask("touch /opt/shop/current/broken")
    played = stage.run("restart", **INPUTS)
    assert played.result.status is RunStatus.FAILED
    assert "IT WAS NOT PUT BACK: it is failed (exit-code), it was active" in played.result.reason
    assert hosts.state() == "failed"


def test_stopped_on_purpose(stage: FleetStage, hosts: Hosts) -> None:
    """A unit that somebody stopped is not started, unless an input allows it; if that fails, it is stopped again."""
    hosts.ask("systemctl stop shop; touch /opt/shop/current/sick")
    refused = stage.run("restart", **INPUTS)
    assert refused.result.status is RunStatus.FAILED
    assert "stopped on purpose" in refused.result.reason
    allowed = stage.run("restart", **INPUTS, restart_stopped=True)
    assert "Wait until the service answers" in allowed.result.reason
    assert hosts.state() == "inactive"


def test_check_mode(stage: FleetStage, hosts: Hosts) -> None:
    """A check says what it found and that the restart would change something, and changes nothing, no marker either."""
    before = hosts.pid()
    played = stage.play(msgspec.structs.replace(stage.ask("restart", INPUTS), check=True))
    assert played.result.status is RunStatus.SUCCESSFUL, played.result
    changed = [task.task for task in played.tasks if task.outcome is TaskOutcome.CHANGED]
    assert changed == ["Restart the unit"]
    found = {"service": "shop", "before": {"state": "active", "pid": before}}
    assert played.result.result == {"restart": {HOST: found}}
    assert hosts.pid() == before
    assert hosts.ask(f"ls -d /var/lib/tidegate/markers/{action_id(stage.action)} || echo none") == "none"


WRONG: dict[str, tuple[dict[str, str | int | bool], str]] = {
    "no such unit": ({"restart_service_name": "nothing"}, "no unit nothing"),
    "two units": ({"restart_service_name": "shop worker@8101"}, "exactly one service"),
    "a pattern": ({"restart_service_name": "worker@*"}, "exactly one service"),
    "an option": ({"restart_service_name": "--now"}, "exactly one service"),
    "another manager": ({"restart_service_manager": "../systemd"}, "must be one of"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input(case: str, stage: FleetStage, hosts: Hosts) -> None:
    """Inputs that do not name one existing unit fail before any change, with words that say why."""
    inputs, reason = WRONG[case]
    before = hosts.pid()
    played = stage.run("restart", **INPUTS | inputs)
    assert played.result.status is RunStatus.FAILED
    assert reason in played.result.reason
    assert hosts.pid() == before


UNREACHABLE: dict[str, dict[str, object]] = {
    "nothing listens": {"ansible_port": 2222},
    "another host key": {
        "ansible_ssh_common_args": "-F none -o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=yes"
    },
}


@pytest.mark.parametrize("case", UNREACHABLE)
def test_unreachable(case: str, stage: FleetStage, hosts: Hosts) -> None:
    """A host that can not be reached, or is not the one we know, is unreachable; nothing was done on it."""
    before = hosts.pid()
    request = stage.ask("restart", INPUTS)
    target = Target(HOST, request.targets[0].variables | UNREACHABLE[case])
    played = stage.play(msgspec.structs.replace(request, targets=(target,)))
    assert played.result.status is RunStatus.UNREACHABLE
    assert hosts.pid() == before


def test_second_host_waits_for_the_first(stage: FleetStage, hosts: Hosts) -> None:
    """Hosts come one after the other: when the first does not get healthy, the second is not touched."""
    hosts.ask("touch /opt/shop/current/sick")
    before = hosts.pid(host=OTHER)
    played = stage.play(stage.ask("restart", INPUTS, hosts=(HOST, OTHER)))
    assert played.result.status is RunStatus.FAILED
    assert hosts.pid(host=OTHER) == before
