"""drain and undrain on a real HAProxy: nothing is lost, nothing is taken over, what fails is undone."""

import time
from collections.abc import Iterator

import msgspec
import pytest

from remediations.runs import RunStatus
from tests.playbooks.drain.balancers import HAProxy, haproxy
from tests.playbooks.drain.service import Client, HeldRequest, WebServer
from tests.playbooks.drain.stage import DrainStage
from tests.playbooks.library import library

SUCCESSFUL, FAILED = RunStatus.SUCCESSFUL, RunStatus.FAILED
NOTE = "drained@haproxy@shop@web-1"


@pytest.fixture(scope="module")
def running(servers: dict[str, WebServer]) -> Iterator[HAProxy]:
    """One HAProxy for the tests of this module."""
    with haproxy(servers) as balancer:
        yield balancer


@pytest.fixture
def balancer(running: HAProxy, servers: dict[str, WebServer]) -> HAProxy:
    """HAProxy with both servers up and ready."""
    for name, server in servers.items():
        server.sick.clear()
        running.ask(f"set server shop/{name} state ready")
    for name in servers:
        running.wait(name, "UP")
    return running


@pytest.fixture
def stage(warm_stage: DrainStage, balancer: HAProxy) -> DrainStage:
    """The stage for this HAProxy."""
    warm_stage.reset("web-1", {"drain_haproxy_socket": str(balancer.socket)})
    return warm_stage


def test_no_request_is_lost(stage: DrainStage, balancer: HAProxy, servers: dict[str, WebServer]) -> None:
    """A drain ends after the last running request and loses none; again it changes nothing; undrain puts it back."""
    with Client(balancer.port) as client:
        assert client.hears("web-1", "web-2")
        held = HeldRequest(balancer.port, servers, "web-1")
        with stage.running("drain") as run:
            client.waits_for("web-2")
            arrived = len(servers["web-1"].arrivals)
            time.sleep(3)  # it waits for the request however long that takes
            assert not run.done()
            servers["web-1"].release.set()
            drained = run.result()
        again = stage.run("drain")
        assert client.hears("web-2")
        assert len(servers["web-1"].arrivals) == arrived
        assert (balancer.states(), stage.notes()) == ({"web-1": "DRAIN", "web-2": "UP"}, [NOTE])
        undrained = stage.run("undrain")
        once_more = stage.run("undrain")
        assert client.hears("web-1", "web-2")
    assert (held.answer().server, client.lost) == ("web-1", [])
    results = [(played.result.status, played.result.result) for played in (drained, again, undrained, once_more)]
    own = {"server": "web-1", "others": 1}
    assert results == [
        (SUCCESSFUL, {"drain": {"web-1": own | {"changed": True, "requests_by_persistence": 0}}}),
        (SUCCESSFUL, {"drain": {"web-1": own | {"changed": False}}}),
        (SUCCESSFUL, {"undrain": {"web-1": {"server": "web-1", "changed": True}}}),
        (SUCCESSFUL, {"undrain": {"web-1": {"server": "web-1", "changed": False}}}),
    ]
    assert (balancer.states(), stage.notes()) == ({"web-1": "UP", "web-2": "UP"}, [])


@pytest.mark.parametrize("health", ["up", "down"])
def test_over_the_limit(health: str, stage: DrainStage, balancer: HAProxy, servers: dict[str, WebServer]) -> None:
    """Requests that go on for too long end the drain as failed, and undone; also on a server that is down meanwhile."""
    held = HeldRequest(balancer.port, servers, "web-1")
    if health == "down":
        servers["web-1"].sick.set()
        balancer.wait("web-1", "DOWN")
    played = stage.run("drain", drain_wait_seconds=1)
    servers["web-1"].release.set()
    reason = "shop/web-1 after 1 s: 1 request(s) still run, its state is drain. It was put back as it was."
    assert (played.result.status, played.result.reason.endswith(reason)) == (FAILED, True), played.result.reason
    servers["web-1"].sick.clear()
    balancer.wait("web-1", "UP")
    assert stage.notes() == []
    assert held.answer().server == "web-1"


FEW: dict[str, tuple[str, int, str]] = {
    "too few": ("", 2, "1 other(s) of shop would serve, wanted at least 2."),
    "the other is down": ("down", 1, "0 other(s) of shop would serve, wanted at least 1."),
    "the other is drained": ("drain", 1, "0 other(s) of shop would serve, wanted at least 1."),
}


@pytest.mark.parametrize("case", FEW)
def test_others_would_be_too_few(
    case: str, stage: DrainStage, balancer: HAProxy, servers: dict[str, WebServer]
) -> None:
    """A drain that would leave too few is refused with the numbers, before any change."""
    other, minimum, reason = FEW[case]
    if other == "down":
        servers["web-2"].sick.set()
        balancer.wait("web-2", "DOWN")
    elif other == "drain":
        balancer.ask("set server shop/web-2 state drain")
    before = balancer.states()
    played = stage.run("drain", drain_minimum_active=minimum)
    assert (played.result.status, played.result.reason.endswith(reason)) == (FAILED, True), played.result.reason
    assert (balancer.states(), stage.notes()) == (before, [])


def test_what_an_operator_drained_stays_drained(stage: DrainStage, balancer: HAProxy) -> None:
    """A drain of what is drained changes nothing and takes nothing over; an undrain of it is refused."""
    balancer.ask("set server shop/web-1 state drain")
    assert stage.run("drain").result.status is SUCCESSFUL
    assert stage.notes() == []
    undrained = stage.run("undrain").result
    assert undrained.status is FAILED
    assert undrained.reason.endswith("web-1 was drained by somebody else; it stays drained.")
    assert balancer.states()["web-1"] == "DRAIN"


def test_what_somebody_else_is_draining(stage: DrainStage, balancer: HAProxy, servers: dict[str, WebServer]) -> None:
    """A server that is out already but still has requests is not called drained."""
    held = HeldRequest(balancer.port, servers, "web-1")
    balancer.ask("set server shop/web-1 state drain")
    result = stage.run("drain").result
    servers["web-1"].release.set()
    assert (result.status, "web-1 is taken out already, but 1 still run on it" in result.reason) == (FAILED, True)
    assert held.answer().server == "web-1"


def test_socket_that_may_only_look(stage: DrainStage, balancer: HAProxy) -> None:
    """A command that HAProxy refuses is a failure, though it is refused without an error."""
    result = stage.run("drain", drain_haproxy_socket=str(balancer.socket.with_name("user.sock"))).result
    reason = "Check that HAProxy took it: HAProxy says: Permission denied. It was put back as it was."
    assert (result.status, reason in result.reason) == (FAILED, True), result.reason
    assert (balancer.states()["web-1"], stage.notes()) == ("UP", [])


def test_maintenance(stage: DrainStage, balancer: HAProxy, servers: dict[str, WebServer]) -> None:
    """Maintenance comes after the drain; an undrain of what is not fit fails, and leaves it in maintenance."""
    assert stage.run("drain", drain_maintenance=True).result.status is SUCCESSFUL
    assert balancer.states()["web-1"] == "MAINT"
    servers["web-1"].sick.set()
    undrained = stage.run("undrain", drain_wait_seconds=1).result
    assert undrained.status is FAILED
    assert "not fit to serve, its state is ready, its status " in undrained.reason
    assert (balancer.states()["web-1"], stage.notes()) == ("MAINT", [NOTE])


def test_check_mode(stage: DrainStage, balancer: HAProxy) -> None:
    """A check tells what a drain would change, and changes nothing."""
    before = balancer.states()
    played = stage.play(msgspec.structs.replace(stage.ask("drain"), check=True))
    assert played.result.status is SUCCESSFUL, played.result
    assert played.result.result == {"drain": {"web-1": {"server": "web-1", "changed": True, "others": 1}}}
    assert (balancer.states(), stage.markers.exists()) == (before, False)


def test_host_that_is_not_in_the_run(stage: DrainStage) -> None:
    """Nothing is sent to a host that the run was not given."""
    stage.inputs["drain_balancer_host"] = "lb-2"
    result = stage.run("drain").result
    assert (result.status, "is no host of this run: 'lb-2'." in result.reason) == (FAILED, True), result.reason


@pytest.mark.parametrize("playbook", ["drain", "undrain"])
@pytest.mark.parametrize("kind", ["haproxy", "nginx"])
def test_balancer_can_not_be_reached(
    playbook: str, kind: str, stage: DrainStage, balancer: HAProxy, closed_port: int
) -> None:
    """Without the balancer nothing is done, and the reason names its host."""
    stage.balancer = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": closed_port}
    result = stage.run(playbook, drain_balancer=kind).result
    assert result.status is FAILED
    assert "The balancer's host lb-1 can not be reached.; first cause: " in result.reason
    assert "Connection refused" in result.reason
    assert (balancer.states()["web-1"], stage.notes()) == ("UP", [])


WRONG: dict[str, tuple[dict[str, object], str]] = {
    "another balancer": ({"drain_balancer": "../../../marker/tasks"}, "value of drain_balancer must be one of"),
    "no such backend": ({"drain_backend": "nothing"}, "HAProxy tells nothing of backend nothing: Can't find backend."),
    "no backend": ({}, "drain_backend and drain_server do not name a server of HAProxy: '/web-1'."),
    "a second command": ({"drain_backend": "shop;disable server shop/web-2;"}, "do not name a server of HAProxy"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_inputs(case: str, stage: DrainStage, balancer: HAProxy) -> None:
    """Inputs that do not name a server of a balancer are refused before any change, with words that say why."""
    variables, reason = WRONG[case]
    if not variables:
        del stage.variables["drain_backend"]
    result = stage.run("drain", **variables).result
    assert (result.status, reason in result.reason) == (FAILED, True), result.reason
    assert (balancer.states(), stage.notes()) == ({"web-1": "UP", "web-2": "UP"}, [])


LOOKS: dict[str, tuple[str, str, str, str]] = {
    "no such socket": ("{folder}/nothing", "shop", "web-1", "can not be asked at {folder}/nothing: [Errno 2]"),
    "not a socket": ("{folder}/haproxy.cfg", "shop", "web-1", "can not be asked at {folder}/haproxy.cfg: [Errno 111]"),
    "no such backend": ("{folder}/admin.sock", "nothing", "web-1", "tells nothing of backend nothing: Can't find"),
    "not in the backend": ("{folder}/admin.sock", "empty", "web-1", "has no server web-1; it has web-9"),
}


@pytest.mark.parametrize("case", LOOKS)
def test_module_says_what_is_missing(case: str, balancer: HAProxy) -> None:
    """The module that looks at HAProxy names what it could not find."""
    module = library("drain", "haproxy_server_info")
    folder = balancer.socket.parent
    path, backend, server, problem = LOOKS[case]
    with pytest.raises(module.UnreadableError) as caught:
        module.look(path.format(folder=folder), backend, server)
    assert problem.format(folder=folder) in str(caught.value)
