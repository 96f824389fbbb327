"""The shipped rollback playbook on releases of a unit on a real host, by ssh: r8, r9, and r10, which runs."""

import msgspec
import pytest

from remediations.runs import RunStatus, TaskOutcome
from tests.playbooks.runs import action_id
from tests.playbooks.systemd.hosts import HOST, SHOP_PORT, FleetStage, Hosts, Served

INPUTS: dict[str, str | int | bool] = {
    "rollback_service_name": "shop",
    "rollback_health_url": f"http://127.0.0.1:{SHOP_PORT}/",
    "rollback_wait_seconds": 1,
    "rollback_steady_seconds": 2,
    "rollback_become": True,
}
MARKS = "cd /opt/shop/releases; for mark in */.tidegate-undone; do [ -e $mark ] && echo $mark; done || true"


def test_rollback(stage: FleetStage, hosts: Hosts) -> None:
    """The release before serves again, also where names end in numbers; the deploy that was undone is marked."""
    before = hosts.pid()
    played = stage.run("rollback", **INPUTS, rollback_deploy="r10")
    assert played.result.status is RunStatus.SUCCESSFUL, played.result
    assert hosts.answer() == Served(200, "r9")
    assert played.result.result == {
        "rollback": {
            HOST: {
                "service": "shop",
                "before": {"release": "r10", "state": "active", "pid": before},
                "goal": "r9",
                "after": {"release": "r9", "state": "active", "pid": hosts.pid()},
            }
        }
    }
    assert hosts.ask("cat /opt/shop/releases/r10/.tidegate-undone") == action_id(stage.action)
    assert hosts.marker(stage.action) == "successful"


def test_one_step_only(stage: FleetStage, hosts: Hosts) -> None:
    """A second rollback is refused, so that a rule that fires again does not walk on; unless it names the deploy."""
    hosts.ask("touch /opt/shop/releases/r10/.tidegate-undone; ln -sfn /opt/shop/releases/r9 /opt/shop/current")
    refused = stage.run("rollback", **INPUTS)
    assert refused.result.status is RunStatus.FAILED
    assert "r10 was undone already" in refused.result.reason
    assert hosts.ask("readlink /opt/shop/current") == "/opt/shop/releases/r9"
    named = stage.run("rollback", **INPUTS, rollback_deploy="r9")
    assert named.result.status is RunStatus.SUCCESSFUL, named.result
    assert hosts.answer() == Served(200, "r8")


BAD_RELEASES: dict[str, tuple[str, dict[str, str | int | bool], str]] = {
    "does not answer": ("sick", {}, "Wait until the service answers: "),
    "does not start": ("broken", {}, "shop: "),
    "does not stay": ("broken", {"rollback_health_url": ""}, "(exit-code)"),
}


@pytest.mark.parametrize("case", BAD_RELEASES)
def test_release_before_is_bad(case: str, stage: FleetStage, hosts: Hosts) -> None:
    """If the release before does not get healthy, the one that ran serves again, and nothing is marked."""
    name, inputs, reason = BAD_RELEASES[case]
    hosts.ask(f"touch /opt/shop/releases/r9/{name}")
    played = stage.run("rollback", **INPUTS | inputs)
    assert (played.result.status, reason in played.result.reason) == (RunStatus.FAILED, True), played.result.reason
    assert played.result.reason.endswith("It was put back as it was.")
    hosts.wait_for_answer(Served(200, "r10"))
    assert hosts.ask("readlink /opt/shop/current") == "/opt/shop/releases/r10"
    assert hosts.ask(MARKS) == ""
    assert hosts.marker(stage.action) == "failed"


def test_somebody_deploys_meanwhile(stage: FleetStage, hosts: Hosts) -> None:
    """If a new deploy has taken the link, it is not taken back, and the reason says so."""
    deploy = "ln -sfn /opt/shop/releases/r8 /opt/shop/current"
    hosts.ask(f"cd /opt/shop/releases/r9; echo '{deploy}' > hook; touch sick")
    played = stage.run("rollback", **INPUTS)
    assert played.result.status is RunStatus.FAILED
    assert "IT WAS NOT PUT BACK: /opt/shop/current leads to /opt/shop/releases/r8 by now" in played.result.reason
    assert hosts.ask("readlink /opt/shop/current") == "/opt/shop/releases/r8"


def test_check_mode(stage: FleetStage, hosts: Hosts) -> None:
    """A check says which tasks would change something and which release would run, and changes nothing."""
    before = hosts.pid()
    played = stage.play(msgspec.structs.replace(stage.ask("rollback", INPUTS), check=True))
    assert played.result.status is RunStatus.SUCCESSFUL, played.result
    changed = [task.task for task in played.tasks if task.outcome is TaskOutcome.CHANGED]
    assert changed == ["Link the release before", "Restart the unit"]
    result = played.result.result["rollback"]
    assert isinstance(result, dict)
    assert result[HOST]["goal"] == "r9"
    assert (hosts.pid(), hosts.answer()) == (before, Served(200, "r10"))


REFUSED: dict[str, tuple[str, dict[str, str | int | bool], str]] = {
    "another deploy runs": ("", {"rollback_deploy": "r9"}, "r10 runs, rollback_deploy says r9"),
    "no such release": ("", {"rollback_release": "r7"}, "no release r7"),
    "a path": ("", {"rollback_release": "../../etc"}, "plain names of releases"),
    "the release that runs": ("", {"rollback_release": "r10"}, "no release r10 to go back to"),
    "no release before": ("rm -r /opt/shop/releases/r8 /opt/shop/releases/r9", {}, "no release before r10"),
    "the one before was undone": (
        "touch /opt/shop/releases/r9/.tidegate-undone",
        {"rollback_release": "r9"},
        "no release r9",
    ),
    "stopped on purpose": ("systemctl stop shop", {}, "not stopped on purpose: it is inactive"),
    "a link to elsewhere": ("ln -sfn /opt/worker /opt/shop/current", {}, "it leads to /opt/worker"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str, stage: FleetStage, hosts: Hosts) -> None:
    """Where it is not plain what to undo and where to go, nothing is changed."""
    script, inputs, reason = REFUSED[case]
    hosts.ask(script)
    before = (hosts.pid(), hosts.ask("readlink /opt/shop/current || true"))
    played = stage.run("rollback", **INPUTS | inputs)
    assert played.result.status is RunStatus.FAILED
    assert reason in played.result.reason
    assert (hosts.pid(), hosts.ask("readlink /opt/shop/current || true")) == before
