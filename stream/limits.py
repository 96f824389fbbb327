"""A log handler that limits lines of one kind, so that a storm of them fills no disk and hides nothing else.

A kind is logger, level and the line's template, in which numbers do not count: lines that a library has put together
itself are of one kind too. The first lines of each kind in a window are written; when the window is over, one line says
how many more there were.
"""

import contextvars
import logging
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import TextIO, override

import msgspec

LINES_MAXIMUM = 10
WINDOW_SECONDS = 60.0
KINDS_MAXIMUM = 1_000
TEMPLATE_CHARACTERS = 200

NUMBERS = re.compile(r"\d+|\b0x[0-9a-fA-F]+\b")


class Kind(msgspec.Struct, frozen=True):
    """What lines have in common that are limited together."""

    logger: str
    level: int
    template: str


class Window(msgspec.Struct):
    """The lines of one kind, since its first one."""

    began: float
    written: int = 0
    left_out: int = 0


def kind_of(record: logging.LogRecord) -> Kind:
    """The kind of a line: structlog's are told by their event, those of libraries by the template or the text."""
    event = record.msg.get("event", "") if isinstance(record.msg, dict) else record.msg
    return Kind(record.name, record.levelno, NUMBERS.sub("#", str(event)[:TEMPLATE_CHARACTERS]))


class LimitedHandler(logging.StreamHandler[TextIO]):
    """Writes the first `lines_maximum` lines of a kind in a window, and then how many were left out.

    All state is kept under the handler's own lock, which logging makes anew in a forked child.
    """

    def __init__(
        self,
        stream: TextIO,
        *,
        lines_maximum: int = LINES_MAXIMUM,
        window_seconds: float = WINDOW_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(stream)
        self._lines_maximum = lines_maximum
        self._window_seconds = window_seconds
        self._clock = clock
        self._windows: OrderedDict[Kind, Window] = OrderedDict()  # oldest beginning first

    @override
    def emit(self, record: logging.LogRecord) -> None:
        self.tell_left_out()
        kind = kind_of(record)
        window = self._windows.get(kind)
        if window is None:
            window = self._windows[kind] = Window(self._clock())
            self._forget_oldest()
        if window.written < self._lines_maximum:
            window.written += 1
            super().emit(record)
            return
        window.left_out += 1
        if window.left_out == 1:
            self._tell_later(window.began + self._window_seconds - self._clock())

    @override
    def close(self) -> None:
        """Tell what was left out so far: called by logging when the process ends."""
        self.tell_left_out(everything=True)
        super().close()

    def tell_left_out(self, *, everything: bool = False) -> None:
        """Close the windows that are over, or every one, each with a line if any of its lines was left out."""
        self.acquire()
        try:
            now = self._clock()
            while self._windows:
                kind, window = next(iter(self._windows.items()))
                if not everything and now - window.began < self._window_seconds:
                    return
                del self._windows[kind]
                self._tell(kind, window, now)
        finally:
            self.release()

    def _forget_oldest(self) -> None:
        while len(self._windows) > KINDS_MAXIMUM:
            kind, window = self._windows.popitem(last=False)
            self._tell(kind, window, self._clock())

    def _tell(self, kind: Kind, window: Window, now: float) -> None:
        if window.left_out:
            words = "%d more lines like this were left out in %.0f s: %s"
            told = (window.left_out, now - window.began, kind.template)
            super().emit(logging.LogRecord(kind.logger, kind.level, __file__, 0, words, told, None))

    def _tell_later(self, seconds: float) -> None:
        """Tell when the window is over even if no other line comes; the context carries the fields of every line."""
        timer = threading.Timer(max(0.0, seconds) + 0.01, contextvars.copy_context().run, (self.tell_left_out,))
        timer.daemon = True
        timer.start()
