"""What a role knows of its owner, `tidegate up`: that it is there, and what troubles it tells of.

The owner holds the other end of the role's standard input. It writes a line whenever something changes; the end of the
pipe means that the owner is gone, however it went.
"""

import asyncio
import math
import os
import signal
import sys
from collections.abc import Callable, Mapping

import msgspec
import structlog

log = structlog.get_logger()

SUPERVISED = "TIDEGATE_SUPERVISED"
KAFKA, FREE_SPACE = "kafka", "free_space"
TROUBLES = (KAFKA, FREE_SPACE)
"""Kinds of trouble that an owner tells of; names of readiness checks and labels of a metric."""


class Tidings(msgspec.Struct, frozen=True):
    """What the owner tells: words on each trouble that holds now, and the free space of the state folder."""

    troubles: Mapping[str, str] = {}
    state_free_bytes: int | None = None


class Owner:
    """The owner as this process hears it.

    Attributes:
        tidings: What was told last.
    """

    def __init__(self) -> None:
        self.tidings = Tidings()
        self._rest = b""

    def hear(self, data: bytes) -> None:
        """Take in some bytes of the pipe; a line that is no tidings comes from a newer owner, and is passed over."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            try:
                self.tidings = msgspec.json.decode(line, type=Tidings)
            except msgspec.DecodeError:
                log.debug("tidings of the owner are not understood", line=line.decode(errors="replace"))

    def is_troubled(self, kind: str) -> bool:
        """Whether a trouble of this kind holds."""
        return kind in self.tidings.troubles

    def free_bytes(self) -> float:
        """Free space of the state folder; NaN without an owner that told it."""
        told = self.tidings.state_free_bytes
        return math.nan if told is None else told


OWNER = Owner()
"""A process has one owner, as it has one standard input."""


def stop_with_owner(stop: Callable[[], object], owner: Owner = OWNER) -> None:
    """Call `stop` once in the running loop when the owner dies; nothing happens in a process that has none."""
    if SUPERVISED not in os.environ:
        return
    loop = asyncio.get_running_loop()
    descriptor = sys.stdin.fileno()

    def on_readable() -> None:
        data = os.read(descriptor, 4096)
        owner.hear(data)
        if not data:
            loop.remove_reader(descriptor)
            log.info("stopping", reason="the process that started this one has ended")
            stop()

    loop.add_reader(descriptor, on_readable)


def stop_with_signals(stop: Callable[[], object]) -> None:
    """Call `stop` in the running loop at SIGTERM and SIGINT; the first of them is told."""
    loop = asyncio.get_running_loop()
    told: list[signal.Signals] = []

    def on_signal(number: signal.Signals) -> None:
        if not told:
            log.info("stopping", reason=f"{number.name}: {SIGNAL_WORDS[number]}", signal=number.name)
        told.append(number)
        stop()

    for number in SIGNAL_WORDS:
        loop.add_signal_handler(number, on_signal, number)


SIGNAL_WORDS = {
    signal.SIGTERM: "a supervisor, a service manager or an operator (kill) asked for it",
    signal.SIGINT: "an operator asked for it (Ctrl-C)",
}
