"""The two ways to have a run process, used alike: a new program of its own, or a fork of the warm parent."""

import asyncio
import os
import signal
import socket
from asyncio.subprocess import PIPE, Process
from contextlib import ExitStack, suppress
from typing import IO, Protocol, Self

from remediations.runner import Launch, PreparedRun, RunHandle, WarmParent

LINE_BYTES_MAXIMUM = 8_000_000
ANSWER_SECONDS = 2.0
"""How long the warm parent may take to fork; a new process would take about one."""


class RunProcess(Protocol):
    """A run process at work."""

    @property
    def stdout(self) -> asyncio.StreamReader:
        """Its lines."""

    def terminate(self) -> None:
        """Send SIGTERM, if it is still there."""

    def kill(self) -> None:
        """Send SIGKILL, if it is still there."""

    def close_stdin(self) -> None:
        """Let go of it: it ends."""

    async def wait(self) -> None:
        """Wait until it has ended, and give back what belongs to it here."""


class OwnProcess:
    """A run process started as a new program."""

    def __init__(self, process: Process, stdout: asyncio.StreamReader) -> None:
        self._process = process
        self.stdout = stdout

    @classmethod
    async def start(cls, prepared: PreparedRun, log: IO[bytes]) -> Self:
        """Start exactly what was prepared."""
        process = await asyncio.create_subprocess_exec(
            *prepared.argv,
            env=prepared.environment,
            cwd=prepared.cwd,
            stdin=PIPE,
            stdout=PIPE,
            stderr=log,
            limit=LINE_BYTES_MAXIMUM,
        )
        return cls(process, process.stdout or asyncio.StreamReader())

    def terminate(self) -> None:
        """Send SIGTERM, if it is still there."""
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.terminate()

    def kill(self) -> None:
        """Send SIGKILL, if it is still there."""
        with suppress(ProcessLookupError):
            self._process.kill()

    def close_stdin(self) -> None:
        """Let go of it: it ends."""
        if self._process.stdin is not None:
            self._process.stdin.close()

    async def wait(self) -> None:
        """Wait until it has ended."""
        await self._process.wait()


class WarmProcess:
    """A run process forked by the warm parent, which is not our child: all goes through a descriptor of the process."""

    def __init__(self, stdin: socket.socket, handle: RunHandle, stdout: asyncio.StreamReader) -> None:
        self._stdin = stdin
        self._pidfd = handle.pidfd
        self.stdout = stdout
        self._transport: asyncio.ReadTransport | None = None

    @classmethod
    async def start(cls, parent: WarmParent, prepared: PreparedRun, log: IO[bytes]) -> Self | None:
        """Have one forked; None if the parent gives none, and then none will ever begin."""
        launch = parent.launch(prepared, log.fileno())
        if launch is None:
            return None
        with ExitStack() as unless_adopted:
            unless_adopted.callback(launch.close)
            handle = await confirmed(launch)
            if handle is None:
                return None
            unless_adopted.callback(os.close, handle.pidfd)
            process = await cls._adopt(launch, handle)
            unless_adopted.pop_all()
        return process

    @classmethod
    async def _adopt(cls, launch: Launch, handle: RunHandle) -> Self:
        """Read its stdout in the event loop. After that `wait` gives everything back."""
        process = cls(launch.stdin, handle, asyncio.StreamReader(LINE_BYTES_MAXIMUM))
        lines = os.fdopen(os.dup(launch.stdout), "rb")
        with ExitStack() as unless_read:
            unless_read.callback(lines.close)
            process._transport, _ = await asyncio.get_running_loop().connect_read_pipe(
                lambda: asyncio.StreamReaderProtocol(process.stdout), lines
            )
            unless_read.pop_all()
        os.close(launch.stdout)
        return process

    def terminate(self) -> None:
        """Send SIGTERM, if it is still there."""
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL, if it is still there."""
        self._send(signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        if self._pidfd >= 0:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)

    def close_stdin(self) -> None:
        """Let go of it: it ends."""
        self._stdin.close()

    async def wait(self) -> None:
        """Wait until it has ended, and give back what belongs to it here."""
        if self._pidfd < 0:
            return
        await readable(self._pidfd)
        os.close(self._pidfd)
        self._pidfd = -1
        self._stdin.close()
        if self._transport is not None:
            self._transport.close()


async def confirmed(launch: Launch) -> RunHandle | None:
    """Wait for the run process and let it begin; None if it does not come in time."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            await readable(launch.stdin.fileno())
    except TimeoutError:
        return None
    return launch.confirm()


def finish(future: asyncio.Future[None]) -> None:
    """The wait is over; a second word about it changes nothing."""
    if not future.done():
        future.set_result(None)


async def readable(descriptor: int) -> None:
    """Wait until the descriptor can be read."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()
    loop.add_reader(descriptor, finish, future)
    try:
        await future
    finally:
        loop.remove_reader(descriptor)
