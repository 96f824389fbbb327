"""Run processes of a warm parent, driven as those of their own are in `tests.playbooks.runs`."""

import os
import select
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from remediations.runner import Launch, PreparedRun, RunHandle, RunnerSettings, WarmParent

READY_SECONDS = 60.0
WAYS = ("new", "warm")
"""The two ways to have a run process: a new program, or a fork of a warm parent."""


class WarmRun:
    """A run process forked by a warm parent, with the parts of `subprocess.Popen` that the tests use."""

    def __init__(self, launch: Launch, handle: RunHandle) -> None:
        self._handle = handle
        self.pid = handle.pid
        self.stdin = launch.stdin
        self.stdout: BinaryIO = os.fdopen(launch.stdout, "rb")

    def send_signal(self, number: int) -> None:
        """Send a signal, if it is still there."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._handle.pidfd, number)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def wait(self) -> None:
        """Wait until it has ended."""
        assert self.has_ended(30), f"{self.pid} does not end"

    def has_ended(self, seconds: float) -> bool:
        """Whether it has ended within so many seconds."""
        return bool(select.select([self._handle.pidfd], [], [], seconds)[0])


def wait_ready(parent: WarmParent) -> WarmParent:
    """Wait until the parent takes requests."""
    limit = time.monotonic() + READY_SECONDS
    while not parent.is_ready:
        assert parent.is_alive, "the warm parent has ended"
        assert time.monotonic() < limit, "the warm parent does not get ready"
        time.sleep(0.02)
    return parent


@contextmanager
def parent_for(way: str, settings: RunnerSettings) -> Iterator[WarmParent | None]:
    """A ready warm parent if that is the way, else none."""
    if way == "new":
        yield None
        return
    with WarmParent(settings) as parent:
        yield wait_ready(parent)


def start(parent: WarmParent, prepared: PreparedRun) -> WarmRun:
    """Start a prepared run."""
    with Path(prepared.cwd, "process.log").open("wb") as log:
        launch = parent.launch(prepared, log.fileno())
    assert launch is not None, "the warm parent takes no request"
    assert select.select([launch.stdin], [], [], READY_SECONDS)[0], "no run process answers"
    handle = launch.confirm()
    assert handle is not None, "there is no run process"
    return WarmRun(launch, handle)
