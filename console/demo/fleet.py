"""The demo's fleet: HTTP services as processes under supervisord, each standing for one host.

Run as a program (`python -m console.demo.fleet CONFIGURATION`) this is supervisord itself, told to stop when its
standard input ends: the fleet dies with its owner, however that dies.
"""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import xmlrpc.client
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import msgspec
from supervisor import supervisord
from supervisor.xmlrpc import SupervisorTransport

from console.demo import service
from console.demo.errors import FleetError

HOSTS = {
    "web-1": "web",
    "web-2": "web",
    "web-3": "web",
    "web-4": "web",
    "web-5": "web",
    "web-6": "web",
    "api-1": "api",
    "api-2": "api",
}
SOCKET_PATH_MAXIMUM = 100  # the kernel's limit is 108 bytes on Linux, 104 elsewhere
START_SECONDS = 30.0
STOP_SECONDS = 15.0
POLL_SECONDS = 0.1
RPC_SECONDS = 5.0
SPAWNED = re.compile(r"INFO spawned: '([^']+)' with pid (\d+)$", re.MULTILINE)

SUPERVISORD = """\
[supervisord]
nodaemon = true
silent = true
logfile = {folder}/supervisord.log
logfile_maxbytes = 0
pidfile = {folder}/supervisord.pid
childlogdir = {folder}
{user}
[unix_http_server]
file = {socket}
chmod = 0700

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface

[supervisorctl]
serverurl = unix://{socket}
"""
PROGRAM = """
[program:{host}]
command = "{python}" -P -m console.demo.service --name {host} --port {port} --seed {port}
directory = {folder}
startsecs = 1
startretries = 3
autorestart = unexpected
stopsignal = TERM
stopwaitsecs = 5
stdout_logfile = {log}
stdout_logfile_maxbytes = 10MB
stdout_logfile_backups = 1
redirect_stderr = true
"""


class Service(msgspec.Struct, frozen=True):
    """One service: the host it stands for, the host's inventory group, its port on loopback, its log file."""

    host: str
    group: str
    port: int
    log: str

    @property
    def url(self) -> str:
        """Where the service listens."""
        return f"http://{service.ADDRESS}:{self.port}"


class Plan(msgspec.Struct, frozen=True):
    """The fleet on paper: absolute paths of its folder, configuration and supervisord socket, and its services."""

    folder: str
    configuration: str
    socket: str
    services: tuple[Service, ...]

    def service(self, host: str) -> Service:
        """The service that stands for `host`; KeyError if there is none."""
        return {each.host: each for each in self.services}[host]


class ServiceProcess(msgspec.Struct, frozen=True):
    """What supervisord says of a service now: its state's name, and its process id (0 when it has none)."""

    host: str
    state: str
    pid: int


def plan_fleet(folder: Path, ports: Sequence[int]) -> Plan:
    """Plan the fleet in `folder`, a port of loopback for each of `HOSTS`.

    Raises FleetError when the folder's path is too long for a Unix socket or holds a character supervisord expands.
    """
    folder = folder.resolve()
    path = str(folder / "fleet.sock")
    if len(os.fsencode(path)) > SOCKET_PATH_MAXIMUM:
        raise FleetError(
            f"socket path {path} has {len(path)} bytes, at most {SOCKET_PATH_MAXIMUM} fit: choose a shorter folder"
        )
    if re.search(r"[%;\"\n]", path):
        raise FleetError(
            f"folder {folder} holds one of % ; \" or a line break, which supervisord's configuration can not"
        )
    services = tuple(
        Service(host, group, port, str(folder / f"{host}.log"))
        for (host, group), port in zip(HOSTS.items(), ports, strict=True)
    )
    return Plan(str(folder), str(folder / "supervisord.conf"), path, services)


def write_configuration(plan: Plan) -> None:
    """Write supervisord's configuration of the planned fleet, making its folder."""
    Path(plan.folder).mkdir(parents=True, exist_ok=True)
    # supervisord complains about root unless told that it is meant; the demo needs no root and asks for none.
    user = "user = root\n" if os.getuid() == 0 else ""
    parts = [SUPERVISORD.format(folder=plan.folder, socket=plan.socket, user=user)]
    parts += [
        PROGRAM.format(host=each.host, port=each.port, log=each.log, python=sys.executable, folder=plan.folder)
        for each in plan.services
    ]
    Path(plan.configuration).write_text("".join(parts))


class Fleet:
    """Starts, asks and stops the planned fleet."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id of supervisord, 0 before the start."""
        return self._process.pid if self._process else 0

    def start(self) -> None:
        """Start supervisord and wait until every service answers; raises FleetError if one does not in time."""
        write_configuration(self.plan)
        with (Path(self.plan.folder) / "supervisord.err").open("wb") as errors:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-P", "-m", "console.demo.fleet", self.plan.configuration],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while waiting := [each.host for each in self.plan.services if not _is_up(each)]:
            if self._process.poll() is not None or time.monotonic() > deadline or self._gave_up():
                raise FleetError(f"services {', '.join(waiting)} did not start: see the logs in {self.plan.folder}")
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """Stop every service and supervisord; does nothing when they are not running."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdin:
            self._process.stdin.close()

    def processes(self) -> dict[str, ServiceProcess]:
        """What supervisord says of every service now; raises FleetError when it does not answer."""
        return processes(self.plan)

    def spawns(self) -> dict[str, tuple[int, ...]]:
        """Process ids that supervisord has started for each service since the fleet's start, oldest first."""
        return spawns(self.plan)

    def break_down(self, host: str) -> int:
        """Wake the bug in the service of `host` and return the id of the process that has it now."""
        answer = _ask(self.plan.service(host), "POST", "/fault")
        if answer is None:
            raise FleetError(f"service {host} does not answer at {self.plan.service(host).url}/fault")
        return cast("int", answer["pid"])

    def _gave_up(self) -> bool:
        """Whether supervisord tries no longer to start some service."""
        try:
            return any(each.state == "FATAL" for each in self.processes().values())
        except FleetError:
            return False  # supervisord itself does not listen yet


def processes(plan: Plan) -> dict[str, ServiceProcess]:
    """What supervisord says of every service now; raises FleetError when it does not answer."""
    transport = SupervisorTransport(None, None, f"unix://{plan.socket}")
    with xmlrpc.client.ServerProxy("http://fleet", transport=transport) as server:
        try:
            answer = cast("list[dict[str, object]]", server.supervisor.getAllProcessInfo())
        except (OSError, http.client.HTTPException, xmlrpc.client.Error) as error:
            raise FleetError(f"supervisord does not answer at {plan.socket}: {error}") from error
    found = [ServiceProcess(str(each["name"]), str(each["statename"]), cast("int", each["pid"])) for each in answer]
    return {each.host: each for each in found}


def spawns(plan: Plan) -> dict[str, tuple[int, ...]]:
    """Process ids that supervisord logged as started, by host: its own account of every start and restart."""
    log = Path(plan.folder) / "supervisord.log"
    text = log.read_text(errors="replace") if log.exists() else ""
    started: dict[str, tuple[int, ...]] = {each.host: () for each in plan.services}
    for host, pid in SPAWNED.findall(text):
        started[host] = (*started.get(host, ()), int(pid))
    return started


def _is_up(target: Service) -> bool:
    answer = _ask(target, "GET", "/health")
    return answer is not None and answer.get("service") == target.host


def _ask(target: Service, method: str, path: str) -> dict[str, object] | None:
    connection = http.client.HTTPConnection(service.ADDRESS, target.port, timeout=RPC_SECONDS)
    try:
        connection.request(method, path)
        return cast("dict[str, object]", json.loads(connection.getresponse().read()))
    except (OSError, http.client.HTTPException, json.JSONDecodeError):
        return None
    finally:
        connection.close()


def _stop_with_owner() -> None:
    """Wait for the end of standard input, then ask supervisord (this process) to stop its services and end."""
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    """Be supervisord, for as long as the owner lives."""
    threading.Thread(target=_stop_with_owner, daemon=True).start()
    supervisord.main(["-c", sys.argv[1]])


if __name__ == "__main__":
    main()
