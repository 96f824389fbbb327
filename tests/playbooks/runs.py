"""Drives real runs for tests, as the engine does: a process with pipes, one JSON line an event."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import psutil

from remediations import runner
from remediations.runs import RunRequest, RunResult, Target, TaskEvent
from tests.playbooks.warm import WarmRun, start

PLAYBOOKS = Path(__file__).resolve().parents[2] / "playbooks"
LOCAL: dict[str, object] = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
AUDIT_LOG = "5a1e0f2b"


def action_id(number: int) -> str:
    """The id of the action of this number: its last 8 digits are those of its audit log."""
    return f"{number:024x}{AUDIT_LOG}"


type RunProcess = "subprocess.Popen[bytes] | WarmRun"


class Played(msgspec.Struct, frozen=True):
    """All that came out of one run."""

    tasks: tuple[TaskEvent, ...]
    result: RunResult


class Stage:
    """Folders for runs of playbooks: the shipped ones, or those that a test writes."""

    def __init__(self, folder: Path, playbooks: Path = PLAYBOOKS) -> None:
        self.folder = folder
        self.markers = folder / "markers"
        self.playbooks = playbooks
        self.parent: runner.WarmParent | None = None
        """Forks the run processes; without one they are started anew."""
        self.variables: dict[str, object] = {}
        self.inputs: dict[str, str | int | float | bool] = {}
        self.settings = runner.RunnerSettings(
            folder=str(folder / "runs"),
            playbooks=str(playbooks),
            home=str(folder),
            marker_folder=str(self.markers),
        )

    def request(
        self,
        action: int = 1,
        playbook: str = "restart.yml",
        variables: dict[str, object] | None = None,
        inputs: dict[str, str | int | float | bool] | None = None,
        timeout_seconds: float = 120.0,
    ) -> RunRequest:
        """A request for one local target."""
        return RunRequest(
            action_id=action_id(action),
            incident_id="incident-1",
            attempt=1,
            playbook=str(self.playbooks / playbook),
            targets=(Target("web-1", LOCAL | self.variables | (variables or {})),),
            inputs=self.inputs if inputs is None else inputs,
            timeout_seconds=timeout_seconds,
        )

    def limit(self, **limits: float) -> None:
        """Run with these limits from here on."""
        changed = msgspec.structs.replace(self.settings.limits, **limits)
        self.settings = msgspec.structs.replace(self.settings, limits=changed)

    @contextmanager
    def started(self, request: RunRequest, environment: dict[str, str] | None = None) -> Iterator[RunProcess]:
        """The run process of a request; killed at the end if it is still there."""
        prepared = runner.prepare(request, self.settings)
        with started(prepared, self.parent, environment) as process:
            yield process

    def play(self, request: RunRequest, environment: dict[str, str] | None = None) -> Played:
        """Run to the end."""
        with self.started(request, environment) as process:
            return read(process)

    def inspect(self, request: RunRequest) -> runner.MarkerReport:
        """Look at the marker of a request."""
        return self._ask(runner.inspection(request, self.settings))

    def close(self, request: RunRequest) -> runner.MarkerReport:
        """Close the marker of a request."""
        return self._ask(runner.closing(request, self.settings))

    def _ask(self, question: RunRequest) -> runner.MarkerReport:
        return runner.marker_reports(question, self.play(question).result)["web-1"]

    def write_playbook(self, name: str, tasks: str) -> str:
        """A playbook with these tasks in a playbook folder of the test's own; its file name."""
        self.playbooks.mkdir(exist_ok=True)
        shutil.copytree(PLAYBOOKS / "roles" / "marker", self.playbooks / "roles" / "marker", dirs_exist_ok=True)
        (self.playbooks / name).write_text(f"- name: Test\n  hosts: all\n  gather_facts: false\n  tasks:\n{tasks}")
        return name


@contextmanager
def started(
    prepared: runner.PreparedRun,
    parent: runner.WarmParent | None = None,
    environment: dict[str, str] | None = None,
) -> Iterator[RunProcess]:
    """The run process of a prepared run; killed at the end if it is still there."""
    process = start(parent, prepared) if parent else start_anew(prepared, environment or {})
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


def start_anew(prepared: runner.PreparedRun, environment: dict[str, str]) -> "subprocess.Popen[bytes]":
    """Start a prepared run as a new program, with something more in its environment."""
    return subprocess.Popen(
        prepared.argv,
        env=prepared.environment | environment,
        cwd=prepared.cwd,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def read(process: RunProcess) -> Played:
    """All lines of a run process until its end."""
    assert process.stdout is not None
    said = [runner.decode_line(line) for line in process.stdout]
    *tasks, result = said
    assert isinstance(result, RunResult), said
    return Played(tuple(task for task in tasks if isinstance(task, TaskEvent)), result)


def processes_with(*tokens: str) -> list[int]:
    """Ids of the living processes that have one of the tokens in their command line or as their name."""
    return [
        process.info["pid"]
        for process in psutil.process_iter(["pid", "name", "cmdline", "status"])
        if process.info["status"] != psutil.STATUS_ZOMBIE
        and any(token in " ".join(process.info["cmdline"] or ()) or token == process.info["name"] for token in tokens)
    ]
