"""A real supervisord with real services, as processes of the user who runs the tests."""

import contextlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from remediations.runner import WarmParent
from tests.playbooks.runs import Stage
from tests.playbooks.warm import parent_for

CONFIGURATION = """\
[unix_http_server]
file = {folder}/socket
[supervisord]
nodaemon = true
logfile = {folder}/supervisord.log
pidfile = {folder}/supervisord.pid
childlogdir = {folder}
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl = unix://{folder}/socket
[program:web]
command = {python} {folder}/service.py {folder} {port}
autorestart = false
startsecs = 0
stopwaitsecs = 2
[program:other]
command = sleep 600
startsecs = 0
[program:worker]
process_name = worker_%(process_num)02d
numprocs = 4
command = {python} {folder}/worker.py {folder} %(process_num)d
autostart = false
autorestart = false
startsecs = 0
"""
# Does nothing; ends at its start while there is a file `broken-<number>`.
WORKER = """\
import pathlib, sys, time
if not pathlib.Path(sys.argv[1], f"broken-{sys.argv[2]}").exists():
    time.sleep(600)
"""
# Notes each start. Answers 503 while there is a file `sick`; takes a file `fail-once` and ends; takes a file
# `kill-supervisord`, does that and ends.
SERVICE = """\
import http.server, os, pathlib, signal, sys
folder = pathlib.Path(sys.argv[1])
with (folder / "starts").open("a") as starts:
    starts.write("start\\n")
if (folder / "fail-once").exists():
    (folder / "fail-once").unlink()
    sys.exit(1)
if (folder / "kill-supervisord").exists():
    (folder / "kill-supervisord").unlink()
    os.kill(os.getppid(), signal.SIGKILL)
    sys.exit(1)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(503 if (folder / "sick").exists() else 200)
        self.end_headers()
    def log_message(self, *arguments):
        pass
server = http.server.HTTPServer(("127.0.0.1", int(sys.argv[2])), Handler)
(folder / "serves").touch()
server.serve_forever()
"""
TRIES = 200


def free_port() -> int:
    """A port of this machine that nobody uses now."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        return port


class Supervisor:
    """A running supervisord with the services `web` and `other`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.configuration = folder / "supervisord.conf"
        self.configuration.write_text(CONFIGURATION.format(folder=folder, port=self.port, python=sys.executable))
        (folder / "service.py").write_text(SERVICE)
        (folder / "worker.py").write_text(WORKER)

    def ask(self, *words: str) -> str:
        """What supervisorctl answers."""
        program = str(Path(sys.executable).parent / "supervisorctl")
        answer = subprocess.run(
            [program, "-c", str(self.configuration), *words], capture_output=True, text=True, check=False
        )
        return answer.stdout.strip()

    def pid(self, service: str = "web") -> int:
        """Process id of a service, 0 if it does not run."""
        answer = self.ask("pid", service)
        return int(answer) if answer.isdecimal() else 0

    def starts(self) -> int:
        """How often `web` was started."""
        return (self.folder / "starts").read_text().count("start")

    def reset(self) -> None:
        """Start `web` anew, healthy, and forget what was before."""
        self.ask("stop", "web")
        for name in ("sick", "fail-once", "serves", "starts"):
            (self.folder / name).unlink(missing_ok=True)
        self.ask("start", "web")
        self.wait("serves")

    def wait(self, name: str) -> None:
        """Wait until there is a file of this name."""
        for _ in range(TRIES):
            if (self.folder / name).exists():
                return
            time.sleep(0.05)
        raise AssertionError((self.folder / "supervisord.log").read_text())


@contextlib.contextmanager
def supervisord() -> Iterator[Supervisor]:
    """A supervisord for the time of a block; its socket needs a short path."""
    folder = Path(tempfile.mkdtemp(prefix="services-"))
    supervisor = Supervisor(folder)
    program = str(Path(sys.executable).parent / "supervisord")
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen([program, "-c", str(supervisor.configuration)], stdout=output, stderr=output)
    try:
        supervisor.wait("socket")
        yield supervisor
    finally:
        process.terminate()
        process.wait(timeout=20)
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def running() -> Iterator[Supervisor]:
    """One supervisord for the tests of a module."""
    with supervisord() as supervisor:
        yield supervisor


@pytest.fixture
def supervisor(running: Supervisor) -> Supervisor:
    """The supervisord with a healthy service that was started once."""
    running.reset()
    return running


@pytest.fixture(scope="session")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmParent | None]:
    """One warm parent for runs of the shipped playbooks without collections: it saves each of them a second."""
    with parent_for("warm", Stage(tmp_path_factory.mktemp("warm")).settings) as parent:
        yield parent


@pytest.fixture
def stage(tmp_path: Path, supervisor: Supervisor, warm: WarmParent) -> Stage:
    """The shipped playbooks on one local host whose service is the supervisor's `web`."""
    return stage_of(supervisor, tmp_path, warm)


def stage_of(supervisor: Supervisor, folder: Path, warm: WarmParent) -> Stage:
    """The shipped playbooks on one local host whose service is a supervisor's `web`."""
    stage = Stage(folder)
    stage.parent = warm
    stage.variables = {
        "restart_supervisor_config": str(supervisor.configuration),
        "restart_health_url": f"http://127.0.0.1:{supervisor.port}/",
        "restart_wait_seconds": 1,
    }
    stage.inputs = {"restart_service_name": "web"}
    return stage


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port of this machine on which nothing listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]
