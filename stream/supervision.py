"""Keeps the roles of `tidegate up` alive: restarts one that ends, ends all with their owner.

Each child's standard input is a pipe whose other end its supervisor holds: when the supervisor dies, however it dies,
the child reads the end of the pipe and stops by itself (owner.py). A variable in its environment tells it so. What is
wrong with the things that all roles need is told to them through the same pipe.
"""

import asyncio
import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec
import structlog

from stream.broker.endings import how_ended
from stream.owner import SUPERVISED, Tidings

log = structlog.get_logger()

BACKOFF_FIRST_SECONDS = 1.0
BACKOFF_MAXIMUM_SECONDS = 30.0
# A child that lived this long was well: its next end is a new trouble, restarted at once.
STEADY_SECONDS = 60.0
# Longer than the slowest clean stop of a role that waits for nothing.
STOP_SECONDS = 30.0


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
        self._roles = {role.name: role for role in roles}
        self._log_folder = log_folder
        self._children: dict[str, asyncio.subprocess.Process] = {}
        self._tidings = Tidings()

    @property
    def pids(self) -> dict[str, int]:
        """Process ids of the children that run now, by role name."""
        return {name: child.pid for name, child in self._children.items()}

    def tell(self, kind: str, words: str, state_free_bytes: int | None = None) -> None:
        """Tell every child, now and later, that something it needs is in trouble; empty `words`: it is well again."""
        before = self._tidings
        troubles = {other: each for other, each in before.troubles.items() if other != kind}
        if words:
            troubles[kind] = words
        free = before.state_free_bytes if state_free_bytes is None else state_free_bytes
        self._tidings = Tidings(troubles, free)
        if self._tidings != before:
            for child in self._children.values():
                self._pass_on(child)

    def change(self, roles: Sequence[Role]) -> None:
        """Go on with roles of the same names that are started in another way: what runs is ended and started so."""
        self._roles = {role.name: role for role in roles}
        for child in self._children.values():
            with contextlib.suppress(ProcessLookupError):
                child.terminate()

    async def run(self, stop: asyncio.Event, hurry: asyncio.Event | None = None) -> None:
        """Start every role and keep it running until `stop` is set; returns when every child has ended.

        A child that has not ended when there is a `hurry` is asked again, and then given as long as any.
        """
        keepers = [asyncio.create_task(self._keep(name)) for name in self._roles]
        try:
            await stop.wait()
        finally:
            for keeper in keepers:
                keeper.cancel()
            await asyncio.gather(*keepers, return_exceptions=True)
            hurry = hurry or asyncio.Event()
            await asyncio.gather(*(self._end(role, hurry) for role in self._roles.values()))
            self._children.clear()

    async def _keep(self, name: str) -> None:
        loop = asyncio.get_running_loop()
        backoff = BACKOFF_FIRST_SECONDS
        while True:
            began = loop.time()
            why, code = await self._live(self._roles[name])
            if loop.time() - began > STEADY_SECONDS:
                backoff = BACKOFF_FIRST_SECONDS
            log.warning("role ended, starting it again", role=name, exit_status=code, why=why, after_seconds=backoff)
            await asyncio.sleep(backoff)
            backoff = min(2 * backoff, BACKOFF_MAXIMUM_SECONDS)

    async def _live(self, role: Role) -> tuple[str, int | None]:
        """Start a child and wait for its end: why it ended, and its exit status if it was there at all."""
        try:
            child = await self._start(role)
        except OSError as error:  # no process, memory or disk to be had, now
            return f"could not be started: {error}", None
        if role != self._roles[role.name]:  # changed while it was being started
            with contextlib.suppress(ProcessLookupError):
                child.terminate()
        code = await child.wait()
        self._children.pop(role.name, None)
        return how_ended(code), code

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
        self._pass_on(child)
        log.info("role started", role=role.name, pid=child.pid)
        return child

    def _pass_on(self, child: asyncio.subprocess.Process) -> None:
        """Write the tidings; a child that does not read them is ended, or ends by itself."""
        if child.stdin is not None and not child.stdin.is_closing():
            child.stdin.write(msgspec.json.encode(self._tidings) + b"\n")

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
        log.info("role stopped", role=role.name, exit_status=child.returncode)
