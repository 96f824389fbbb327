"""The engine's end of a warm parent (`remediations.runner.parent`): start it, ask it for run processes, end it.

A run that can not be had from it is started in a process of its own, as without a warm parent: `launch` answers None.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from remediations.runner.settings import RunnerSettings
from remediations.runner.wire import WARM_READY, PreparedRun
from remediations.runner.workplace import built_environment, new_scratch, scratch_environment

END_SECONDS = 2.0
ANSWER_BYTES = 32
GO = b"g"
LOG = "warm-parent.log"


def is_warm_possible() -> bool:
    """Whether this system has what a warm parent needs (Linux has)."""
    return hasattr(os, "pidfd_open") and hasattr(signal, "pidfd_send_signal")


class RunHandle(msgspec.Struct, frozen=True):
    """A run process of the warm parent. `pidfd` becomes readable when it has ended; signals go through it."""

    pid: int
    pidfd: int


class Launch:
    """A run process that has been asked for: `stdin` becomes readable when it is there, then `confirm` lets it begin.

    Close `stdin` to end the run, whatever its state; `stdout` is a descriptor with the run's lines.
    """

    def __init__(self, stdin: socket.socket, stdout: int) -> None:
        self.stdin = stdin
        self.stdout = stdout

    def confirm(self) -> RunHandle | None:
        """Let the run process begin; None if there is none, and then there never will be."""
        with suppress(OSError):
            answer, descriptors, _, _ = socket.recv_fds(self.stdin, ANSWER_BYTES, 1)
            if answer and self._say_go(descriptors[0]):
                return RunHandle(int(answer), descriptors[0])
        return None

    def _say_go(self, pidfd: int) -> bool:
        try:
            return self.stdin.send(GO) == len(GO)
        except OSError:
            os.close(pidfd)
            raise

    def close(self) -> None:
        """Let go of the run: it ends, if it has begun."""
        self.stdin.close()
        os.close(self.stdout)


class WarmParent:
    """One warm parent process, with the environment that the runs of these settings have; ended by `close`."""

    def __init__(self, settings: RunnerSettings) -> None:
        folder = Path(settings.folder)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        environment = built_environment(folder, settings)
        self._scratch = new_scratch(environment["TMPDIR"])
        (folder / "ansible.cfg").touch(mode=0o600)  # without it Ansible would look for others
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control.setblocking(False)
        self._is_ready = False
        with theirs, (folder / LOG).open("wb") as log:
            self._process: subprocess.Popen[bytes] = subprocess.Popen(
                (sys.executable, "-I", "-m", "remediations.runner.parent"),
                env=environment | scratch_environment(self._scratch),
                cwd=folder,
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=log,
            )

    def __enter__(self) -> Self:
        """Close it at the end."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    @property
    def is_alive(self) -> bool:
        """Whether the process is there."""
        return self._process.poll() is None

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def is_ready(self) -> bool:
        """Whether it has imported everything and takes requests."""
        if not self._is_ready:
            with suppress(BlockingIOError, ConnectionError):
                self._is_ready = self._control.recv(len(WARM_READY)) == WARM_READY
        return self._is_ready and self.is_alive

    def launch(self, prepared: PreparedRun, log: int) -> Launch | None:
        """Ask for the run process of a prepared run, with the descriptor `log` as its stderr; never waits."""
        if not self.is_ready:
            return None
        ours, theirs = socket.socketpair()
        reading, writing = os.pipe()
        launch = Launch(ours, reading)
        try:
            orders = os.fsencode(Path(prepared.cwd, "orders.json"))
            socket.send_fds(self._control, [orders], [theirs.fileno(), writing, log])
        except OSError:  # it is gone, or so far behind that its socket is full
            launch.close()
            return None
        finally:
            theirs.close()
            os.close(writing)
        return launch

    def close(self) -> None:
        """End the process; runs go on, they belong to whoever launched them."""
        self._control.close()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._scratch, ignore_errors=True)  # if it could not do so itself
