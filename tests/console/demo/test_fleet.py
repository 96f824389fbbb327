"""The fleet is real: services under supervisord, a fault that slows one, a restart that cures it."""

import http.client
import os
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import psutil
import pytest

from console.demo.errors import FleetError
from console.demo.fleet import HOSTS, Fleet, Plan, Service, plan_fleet
from console.demo.service import ADDRESS
from stream.broker.embedded import free_ports

GONE_SECONDS = 15.0


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A started fleet."""
    started = Fleet(plan_fleet(tmp_path_factory.mktemp("fleet"), free_ports(len(HOSTS))))
    try:
        started.start()
        yield started
    finally:
        started.stop()


def ask(service: Service, path: str, method: str = "GET") -> tuple[int, float]:
    """Status and seconds of one request."""
    connection = http.client.HTTPConnection(ADDRESS, service.port, timeout=10)
    begun = time.monotonic()
    connection.request(method, path)
    status = connection.getresponse().status
    connection.close()
    return status, time.monotonic() - begun


def answers(service: Service, count: int) -> list[tuple[int, float]]:
    """Statuses and seconds of some requests, spread over time as a client's are."""
    found = []
    for row in range(count):
        found.append(ask(service, f"/work?row={row}"))
        time.sleep(0.05)
    return found


def supervisorctl(plan: Plan, *words: str) -> None:
    """Do what the playbook does."""
    program = Path(sysconfig.get_path("scripts")) / "supervisorctl"
    subprocess.run([program, "-c", plan.configuration, *words], check=True, capture_output=True)


def test_every_service_runs_as_a_process_of_its_own_and_answers(fleet: Fleet) -> None:
    """Eight hosts, eight processes, each with its log."""
    processes = fleet.processes()
    assert set(processes) == set(HOSTS)
    assert len({each.pid for each in processes.values()}) == len(HOSTS)
    for service in fleet.plan.services:
        assert ask(service, "/work?row=1")[0] == 200
        assert "listens on" in Path(service.log).read_text()


def test_the_fault_slows_one_service_and_only_a_restart_cures_it(fleet: Fleet) -> None:
    """Requests wait and fail in the faulty process, not in its neighbour; the new process is well."""
    sick, neighbour = fleet.plan.service("web-2"), fleet.plan.service("web-3")
    before = fleet.processes()["web-2"].pid
    assert all(status == 200 and seconds < 0.2 for status, seconds in answers(sick, 5))
    assert before == fleet.break_down("web-2")
    degraded = answers(sick, 12)
    assert max(seconds for _, seconds in degraded) > 0.2
    assert all(status == 200 and seconds < 0.2 for status, seconds in answers(neighbour, 5))
    supervisorctl(fleet.plan, "restart", "web-2")
    assert all(status == 200 and seconds < 0.2 for status, seconds in answers(sick, 12))
    assert fleet.processes()["web-2"].pid != before


def test_supervisord_accounts_for_every_start(fleet: Fleet) -> None:
    """Each start of a process is counted by its id, the first one too; the newest is the one that runs."""
    supervisorctl(fleet.plan, "restart", "api-1")
    spawned = fleet.spawns()
    assert len(spawned["api-1"]) == 2
    assert len(spawned["api-2"]) == 1
    assert spawned["api-1"][-1] == fleet.processes()["api-1"].pid


REFUSED = [
    ("unknown page", "GET", "/nothing", 404),
    ("fault by GET", "GET", "/fault", 404),
    ("no row", "GET", "/work", 200),
]


@pytest.mark.parametrize(
    ("method", "path", "status"), [each[1:] for each in REFUSED], ids=[each[0] for each in REFUSED]
)
def test_other_requests_are_answered_and_wake_no_fault(fleet: Fleet, method: str, path: str, status: int) -> None:
    """A crawler or a typing error does no harm."""
    assert ask(fleet.plan.service("web-6"), path, method)[0] == status
    assert "compaction" not in Path(fleet.plan.service("web-6").log).read_text()


FOLDERS = [
    ("too long for a socket", "x" * 120, "at most"),
    ("percent", "a%b", "holds one of"),
    ("quote", 'a"b', "holds one of"),
]


@pytest.mark.parametrize(("name", "words"), [each[1:] for each in FOLDERS], ids=[each[0] for each in FOLDERS])
def test_a_folder_that_can_not_hold_a_fleet_is_refused(name: str, words: str) -> None:
    """The message names the path and what is wrong with it, before anything is started."""
    with pytest.raises(FleetError, match=words):
        plan_fleet(Path("/tmp") / name, range(20_000, 20_008))  # noqa: S108 - nothing is made there


def test_a_port_that_is_taken_names_the_service_and_its_logs(tmp_path: Path) -> None:
    """A service that can not listen fails the start, within seconds, and leaves no process."""
    taken = free_ports(len(HOSTS))
    plan = plan_fleet(tmp_path / "f", [taken[0], *taken[:-1]])
    doomed = Fleet(plan)
    try:
        with pytest.raises(FleetError, match="did not start"):
            doomed.start()
    finally:
        doomed.stop()


OWNER = """
import sys, time
import msgspec
from pathlib import Path
from console.demo.fleet import Fleet, Plan
fleet = Fleet(msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Plan))
fleet.start()
print(fleet.pid, *(each.pid for each in fleet.processes().values()), flush=True)
time.sleep(60)
"""


def test_the_fleet_dies_with_its_owner(tmp_path: Path) -> None:
    """An owner that is killed outright takes supervisord and every service with it."""
    plan = plan_fleet(tmp_path / "f", free_ports(len(HOSTS)))
    file = tmp_path / "plan.json"
    file.write_bytes(msgspec.json.encode(plan))
    with subprocess.Popen([sys.executable, "-c", OWNER, str(file)], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        processes = [psutil.Process(int(pid)) for pid in owner.stdout.readline().split()]
        os.kill(owner.pid, signal.SIGKILL)
    _, alive = psutil.wait_procs(processes, timeout=GONE_SECONDS)
    assert len(processes) == 1 + len(HOSTS)
    assert not alive
