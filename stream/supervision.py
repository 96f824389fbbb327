"""Keeps the roles of `tidegate up` alive: restarts one that ends, ends all with their owner.

Each child's standard input is a pipe whose other end its supervisor holds: when the supervisor dies, however it dies,
the child reads the end of the pipe and stops by itself (`stop_with_owner`). A variable in its environment tells it so.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import structlog

log = structlog.get_logger()

BACKOFF_FIRST_SECONDS = 1.0
BACKOFF_MAXIMUM_SECONDS = 30.0
# A child that lived this long was well: its next end is a new trouble, restarted at once.
STEADY_SECONDS = 60.0
# Longer than the slowest clean stop of a role that waits for nothing.
STOP_SECONDS = 30.0
SUPERVISED = "TIDEGATE_SUPERVISED"


class Role(msgspec.Struct, frozen=True):
    """One child process: its name in logs and file names, what to start, and how long its clean stop may take."""

    name: str
    argv: tuple[str, ...]
    stop_seconds: float = STOP_SECONDS


class Supervisor:
    """Runs roles as child processes until told to stop.

    With a `log_folder` each child writes to `<name>.log` in it; without, to the supervisor's own standard error.
    """

    def __init__(self, roles: Sequence[Role], log_folder: Path | None = None) -> None:
        self._roles = tuple(roles)
        self._log_folder = log_folder
        self._children: dict[str, asyncio.subprocess.Process] = {}

    @property
    def pids(self) -> dict[str, int]:
        """Process ids of the children that run now, by role name."""
        return {name: child.pid for name, child in self._children.items()}

    async def run(self, stop: asyncio.Event, hurry: asyncio.Event | None = None) -> None:
        """Start every role and keep it running until `stop` is set; returns when every child has ended.

        A child that has not ended when there is a `hurry` is asked again, and then given as long as any.
        """
        keepers = [asyncio.create_task(self._keep(role)) for role in self._roles]
        try:
            await stop.wait()
        finally:
            for keeper in keepers:
                keeper.cancel()
            await asyncio.gather(*keepers, return_exceptions=True)
            hurry = hurry or asyncio.Event()
            await asyncio.gather(*(self._end(role, hurry) for role in self._roles))
            self._children.clear()

    async def _keep(self, role: Role) -> None:
        loop = asyncio.get_running_loop()
        backoff = BACKOFF_FIRST_SECONDS
        while True:
            began = loop.time()
            child = await self._start(role)
            code = await child.wait()
            self._children.pop(role.name, None)
            if loop.time() - began > STEADY_SECONDS:
                backoff = BACKOFF_FIRST_SECONDS
            log.warning("role ended, starting it again", role=role.name, exit_status=code, after_seconds=backoff)
            await asyncio.sleep(backoff)
            backoff = min(2 * backoff, BACKOFF_MAXIMUM_SECONDS)

    async def _start(self, role: Role) -> asyncio.subprocess.Process:
        with contextlib.ExitStack() as opened:
            output = None
            if self._log_folder is not None:
                self._log_folder.mkdir(parents=True, exist_ok=True)
                output = opened.enter_context((self._log_folder / f"{role.name}.log").open("ab"))
            child = await asyncio.create_subprocess_exec(
                *role.argv,
                stdin=asyncio.subprocess.PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,
                env=os.environ | {SUPERVISED: "1"},
            )
        self._children[role.name] = child
        log.info("role started", role=role.name, pid=child.pid)
        return child

    async def _end(self, role: Role, hurry: asyncio.Event) -> None:
        child = self._children.get(role.name)
        if child is None:
            return
        began = asyncio.get_running_loop().time()
        ended, hurried = asyncio.create_task(child.wait()), asyncio.create_task(hurry.wait())
        for patience, waited_for in ((role.stop_seconds, {ended, hurried}), (STOP_SECONDS, {ended})):
            with contextlib.suppress(ProcessLookupError):
                child.terminate()
            await asyncio.wait(waited_for, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            if ended.done() or not hurried.done():
                break
        hurried.cancel()
        if not ended.done():
            seconds = round(asyncio.get_running_loop().time() - began, 1)
            log.warning("role did not stop in time, killing it", role=role.name, pid=child.pid, waited_seconds=seconds)
            with contextlib.suppress(ProcessLookupError):
                child.kill()
        await ended


def stop_with_owner(stop: Callable[[], object]) -> None:
    """Call `stop` once in the running loop when the supervisor dies; nothing happens in a process that has none."""
    if SUPERVISED not in os.environ:
        return
    loop = asyncio.get_running_loop()
    descriptor = sys.stdin.fileno()

    def on_readable() -> None:
        if not os.read(descriptor, 4096):
            loop.remove_reader(descriptor)
            stop()

    loop.add_reader(descriptor, on_readable)


def stop_with_signals(stop: Callable[[], object]) -> None:
    """Call `stop` in the running loop at SIGTERM and SIGINT."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
