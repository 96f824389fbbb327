"""drain and undrain on a real nginx: nothing is lost, the owner's file stays his, what fails is undone."""

import time
from collections.abc import Iterator

import msgspec
import pytest

from remediations.runs import RunStatus
from tests.playbooks.drain.balancers import Nginx, nginx, upstream
from tests.playbooks.drain.service import Client, HeldRequest, WebServer
from tests.playbooks.drain.stage import DrainStage
from tests.playbooks.library import library

SUCCESSFUL, FAILED = RunStatus.SUCCESSFUL, RunStatus.FAILED


@pytest.fixture(scope="module")
def running(servers: dict[str, WebServer]) -> Iterator[Nginx]:
    """One nginx for the tests of this module."""
    with nginx(servers) as balancer:
        yield balancer


@pytest.fixture
def balancer(running: Nginx, servers: dict[str, WebServer]) -> Nginx:
    """Nginx with both servers in its upstream."""
    running.upstream.write_text(upstream(servers))
    running.upstream.chmod(0o664)
    running.reload()
    return running


@pytest.fixture
def stage(warm_stage: DrainStage, balancer: Nginx, servers: dict[str, WebServer]) -> DrainStage:
    """The stage for this nginx."""
    variables: dict[str, object] = {
        "drain_balancer": "nginx",
        "drain_nginx_program": balancer.path,
        "drain_nginx_config": str(balancer.configuration),
        "drain_nginx_folder": str(balancer.upstream.parent),
        "drain_nginx_pid_file": str(balancer.folder / "nginx.pid"),
    }
    warm_stage.reset(f"127.0.0.1:{servers['web-1'].port}", variables)
    return warm_stage


def down(text: str) -> str:
    """The upstream's file with web-1 marked as down."""
    return text.replace(" max_fails=0; # web-1", " max_fails=0 down; # web-1")


def test_no_request_is_lost(stage: DrainStage, balancer: Nginx, servers: dict[str, WebServer]) -> None:
    """A drain ends after the last running request and loses none; again it changes nothing; undrain puts it back."""
    before = balancer.upstream.read_text()
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
        assert (balancer.upstream.read_text(), len(stage.notes())) == (down(before), 1)
        undrained = stage.run("undrain")
        assert client.hears("web-1", "web-2")
    assert (held.answer().server, client.lost) == ("web-1", [])
    own = {"server": stage.inputs["drain_server"]}
    assert [(played.result.status, played.result.result) for played in (drained, again, undrained)] == [
        (SUCCESSFUL, {"drain": {"web-1": own | {"changed": True, "others": 1}}}),
        (SUCCESSFUL, {"drain": {"web-1": own | {"changed": False, "others": 1}}}),
        (SUCCESSFUL, {"undrain": {"web-1": own | {"changed": True}}}),
    ]
    assert (balancer.upstream.read_text(), stage.notes()) == (before, [])
    assert balancer.upstream.stat().st_mode & 0o777 == 0o664


def test_over_the_limit(stage: DrainStage, balancer: Nginx, servers: dict[str, WebServer]) -> None:
    """Requests that go on for too long end the drain as failed, and undone: new requests come again."""
    before = balancer.upstream.read_text()
    held = HeldRequest(balancer.port, servers, "web-1")
    result = stage.run("drain", drain_wait_seconds=1).result
    reason = "nginx after 1 s: 1 old worker(s) still have running requests. It was put back as it was."
    servers["web-1"].release.set()
    assert (result.status, result.reason.endswith(reason)) == (FAILED, True), result.reason
    assert (balancer.upstream.read_text(), stage.notes()) == (before, [])
    with Client(balancer.port) as client:
        assert client.hears("web-1", "web-2")
    assert (held.answer().server, client.lost) == ("web-1", [])


def test_configuration_that_is_refused(stage: DrainStage, balancer: Nginx) -> None:
    """If nginx refuses its configuration, nothing is reloaded and the upstream's file is as it was."""
    before = balancer.upstream.read_text()
    good = balancer.configuration.read_text()
    balancer.configuration.write_text(f"{good}nonsense;\n")
    result = stage.run("drain").result
    balancer.configuration.write_text(good)
    assert (result.status, "Check the configuration" in result.reason) == (FAILED, True), result.reason
    assert balancer.upstream.read_text() == before
    with Client(balancer.port) as client:
        assert client.hears("web-1", "web-2")


LINES: dict[str, tuple[str, str]] = {
    "too few": ("server {own};\nserver {other} down;\n", "0 other(s) of shop would serve, wanted at least 1."),
    "a backup is no other": ("server {own};\nserver {other} backup;\n", "0 other(s) of shop would serve"),
    "not there": ("server {other};\n", "has 0 lines `server {own} ...;`, wanted one."),
    "in a comment": ("# server {own};\nserver {other};\n", "has 0 lines"),
    "twice": ("server {own};\nserver {own} weight=2;\nserver {other};\n", "has 2 lines"),
}


@pytest.mark.parametrize("case", LINES)
def test_guards(case: str, stage: DrainStage, balancer: Nginx, servers: dict[str, WebServer]) -> None:
    """What would leave too few, or is not plainly one line, is refused before any change."""
    names = {"own": stage.inputs["drain_server"], "other": f"127.0.0.1:{servers['web-2'].port}"}
    text, reason = (words.format(**names) for words in LINES[case])
    balancer.upstream.write_text(text)
    result = stage.run("drain").result
    assert (result.status, reason in result.reason) == (FAILED, True), result.reason
    assert (balancer.upstream.read_text(), stage.notes()) == (text, [])


def test_what_an_operator_drained_stays_drained(stage: DrainStage, balancer: Nginx) -> None:
    """A drain of what is drained takes nothing over; an undrain of it is refused."""
    drained = down(balancer.upstream.read_text())
    balancer.upstream.write_text(drained)
    assert stage.run("drain").result.status is SUCCESSFUL
    undrained = stage.run("undrain").result
    assert undrained.status is FAILED
    assert undrained.reason.endswith("was drained by somebody else; it stays drained.")
    assert (balancer.upstream.read_text(), stage.notes()) == (drained, [])


def test_undrain_of_what_does_not_answer(stage: DrainStage, balancer: Nginx, servers: dict[str, WebServer]) -> None:
    """With an address to ask, a server that is not fit is not put back."""
    assert stage.run("drain").result.status is SUCCESSFUL
    drained = balancer.upstream.read_text()
    servers["web-1"].sick.set()
    url = f"http://127.0.0.1:{servers['web-1'].port}/health"
    result = stage.run("undrain", drain_health_url=url, drain_wait_seconds=1).result
    servers["web-1"].sick.clear()
    assert (result.status, "Check that the server answers" in result.reason) == (FAILED, True), result.reason
    assert balancer.upstream.read_text() == drained
    assert stage.run("undrain", drain_health_url=url).result.status is SUCCESSFUL
    assert balancer.upstream.read_text() != drained


def test_check_mode(stage: DrainStage, balancer: Nginx) -> None:
    """A check tells what a drain would change, and changes nothing."""
    before = balancer.upstream.read_text()
    result = stage.play(msgspec.structs.replace(stage.ask("drain"), check=True)).result
    assert result.status is SUCCESSFUL, result.reason
    own = {"server": stage.inputs["drain_server"], "changed": True, "others": 1}
    assert result.result == {"drain": {"web-1": own}}
    assert (balancer.upstream.read_text(), stage.markers.exists()) == (before, False)


HOSTILE: dict[str, dict[str, str]] = {
    "a file elsewhere": {"drain_backend": "../nginx"},
    "another directive": {"drain_server": "127.0.0.1:80; include /etc/passwd"},
    "an expression": {"drain_server": ".*"},
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_names(case: str, stage: DrainStage, balancer: Nginx) -> None:
    """Names that could be more than names reach neither a path nor a configuration."""
    before = balancer.upstream.read_text()
    stage.inputs |= HOSTILE[case]
    result = stage.run("drain").result
    assert (result.status, "name" in result.reason) == (FAILED, True), result.reason
    assert balancer.upstream.read_text() == before


def test_module_says_what_is_missing(balancer: Nginx) -> None:
    """Without a running nginx behind the file of its process id the module says so."""
    module = library("drain", "nginx_workers_info")
    file = balancer.folder / "other.pid"
    with pytest.raises(module.NoMasterError, match="can not be read"):
        module.look(file)
    file.write_text("4194305")  # over the largest process id
    with pytest.raises(module.NoMasterError, match="names process 4194305, which is not there"):
        module.look(file)


def test_reload_that_does_not_take(balancer: Nginx) -> None:
    """Workers that go on as before a reload are no success, and neither are old ones that still have requests."""
    module = library("drain", "nginx_workers_info")
    workers, _ending = module.look(balancer.folder / "nginx.pid")
    assert "the reload did not take" in module.complaint("replaced", set(workers), workers, [])
    assert module.complaint("replaced", {1, 2}, workers, [1]) == ""
    assert module.complaint("ended", {1, 2}, workers, [1]) == "1 old worker(s) still have running requests"
    assert module.complaint("ended", {1, 2}, workers, [3]) == ""
