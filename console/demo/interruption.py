"""Ctrl-C, a terminal that closes, and SIGTERM: turned into one KeyboardInterrupt at a moment that loses nothing."""

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import Self

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interruptions:
    """Raises KeyboardInterrupt in the main thread at the first signal; later ones change nothing.

    Within `held` the first signal waits until the block has ended: event loops and process starts are never torn apart.
    """

    def __init__(self) -> None:
        self._before: dict[signal.Signals, object] = {}
        self._held = 0
        self._arrived = False
        self._raised = False

    def __enter__(self) -> Self:
        """Take over the signals."""
        for number in SIGNALS:
            self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the signals back; after an interruption they stay ignored, for the program is ending.

        The interpreter gives up handlers some time before it is gone: a second Ctrl-C there would change the status.
        """
        for number, before in self._before.items():
            handler = signal.SIG_IGN if self._arrived else before
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal.signal returned, it takes

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold signals back for the time of a block."""
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1
        self._raise()

    def ignore(self) -> None:
        """From here on no signal changes anything: what is stopping is not stopped in its stopping."""
        self._raised = True

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._arrived = True
        self._raise()

    def _raise(self) -> None:
        if self._arrived and not self._held and not self._raised:
            self._raised = True
            raise KeyboardInterrupt
