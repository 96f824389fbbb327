"""A run that hangs, after it has left processes behind in all the ways there are, and what is to be seen of it."""

import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import psutil

from remediations import runner
from remediations.runs import RunRequest, RunResult
from tests.playbooks.runs import RunProcess, Stage, action_id, processes_with
from tests.playbooks.warm import parent_for

# Three ways to escape a signal to a process group, then a task that does not end, then an effect that must not happen.
HANGING = """\
    - name: Leave a daemon behind
      ansible.builtin.command:
        argv: [/bin/sh, -c, "setsid sleep 600.{token} & (setsid setsid sleep 601.{token} &) & echo begun > {mark}"]
    - name: Hang
      ansible.builtin.command:
        argv: [/bin/sh, -c, "setsid sleep 602.{token}; sleep 603.{token}"]
    - name: Have an effect
      ansible.builtin.command:
        argv: [touch, "{effect}"]
"""
SLEEPS = (600, 601, 602)
CONTAINED = (("new", True), ("warm", True), ("warm", False))
"""How runs are contained: started anew or forked, in a PID namespace (which takes root) or by supervision alone."""
WAIT_SECONDS = 60.0
"""For what must happen, however busy the machine is; nothing is waited for longer than it takes."""
TRY_NAMESPACE = "from remediations.runner.namespace import next_child_in_namespace as n; raise SystemExit(not n())"


class Hanging:
    """A run that hangs in its second task."""

    def __init__(self, folder: Path, kind: str, *, pid_namespace: bool = True) -> None:
        self.kind = kind
        self.token = str(uuid.uuid4().int)[:12]
        self.action = uuid.uuid4().int
        self.begun = folder / "begun"
        self.effect = folder / "effect"
        self.stage = Stage(folder, folder / "playbooks")
        self.temporary = Path(tempfile.mkdtemp(prefix="scratch-"))
        environment = {"TMPDIR": str(self.temporary)}
        self.stage.settings = msgspec.structs.replace(
            self.stage.settings, environment=environment, pid_namespace=pid_namespace
        )
        tasks = HANGING.format(token=self.token, mark=self.begun, effect=self.effect)
        self.playbook = self.stage.write_playbook("hang.yml", tasks)

    def request(self, timeout_seconds: float = 300.0) -> RunRequest:
        """The request for it."""
        return self.stage.request(self.action, playbook=self.playbook, timeout_seconds=timeout_seconds)

    def hangs(self) -> bool:
        """Whether the processes that it leaves behind and the one that hangs are there."""
        return self.begun.exists() and len(self.sleeping()) >= len(SLEEPS)

    def sleeping(self) -> list[int]:
        """Its sleeps, which end with nothing but the run; the shells that start them have them in their words too."""
        found = psutil.process_iter(["pid", "cmdline"])
        words = [["sleep", f"{number}.{self.token}"] for number in SLEEPS]
        return [one.info["pid"] for one in found if one.info["cmdline"] in words]

    def alive(self) -> list[int]:
        """Everything of this run in the process table."""
        return processes_with(self.token, str(self.stage.folder), runner.process_name(action_id(self.action)))


@contextmanager
def hanging_run(folder: Path, way: str, *, pid_namespace: bool = True) -> Iterator[Hanging]:
    """A run that may be started; however it ended, it leaves no process and no temporary file."""
    run = Hanging(folder, way, pid_namespace=pid_namespace)
    with parent_for(way, run.stage.settings) as run.stage.parent:
        yield run
        wait_until(lambda: not run.alive())
    run.temporary.rmdir()


def read_to_result(process: RunProcess) -> RunResult:
    """Read the lines up to the result, and not to their end."""
    assert process.stdout is not None
    said = map(runner.decode_line, process.stdout)
    return next(line for line in said if isinstance(line, RunResult))


def wait_until(condition: Callable[[], bool], seconds: float = WAIT_SECONDS) -> None:
    """Wait for a condition, fail after so many seconds."""
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "not in time"
        time.sleep(0.02)


def is_namespace_possible() -> bool:
    """Whether this machine gives us a PID namespace."""
    return subprocess.run([sys.executable, "-c", TRY_NAMESPACE], check=False).returncode == 0
