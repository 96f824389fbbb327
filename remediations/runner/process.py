"""The run process: keeps one playbook run and ends everything it started before it reports the end.

    engine ── stdin: its end means that the engine died ──► run process ── fork ──► player ──► ansible-playbook
           ◄── stdout: one JSON line a task, then the result ──┘

    the engine dies            the run process ends everything below it, records the result, ends
    the run process dies       the kernel tells the player, which ends everything below it
    the player dies            the run process adopts what is left, ends it and reports `unknown`
    both die at once           in a PID namespace (`namespace`) the kernel ends the rest; without one the next engine
                               finds it by its command line

It has one thread and never blocks on a pipe: a stopped engine can not hold up the deadline.
Start it with what `workplace.prepare` gives: `python -m remediations.runner.process ORDERS`.
"""

import os
import selectors
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from remediations.runner.namespace import next_child_in_namespace
from remediations.runner.outcome import Ending, conclude
from remediations.runner.play import play
from remediations.runner.tree import adopt_orphans, end_descendants, name_process, process_name
from remediations.runner.usage import excess, offer_for_memory
from remediations.runner.wire import Line, Orders, Summary, encode_line, read_line, read_orders
from remediations.runner.workplace import clear, record, scratch_environment, scratch_of

CANCELING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
KILL_SECONDS = 10.0
LOOK_SECONDS = 0.5
CHUNK_BYTES = 65_536


def main() -> int:
    """Keep the run that the orders file describes."""
    return keep(read_orders(Path(sys.argv[1])))


def keep(orders: Orders) -> int:
    """Keep a run to its end; 0 when its result was reported, 1 when nobody was there any more."""
    with suppress(PermissionError):  # a process that leads its group already has a session of its own
        os.setsid()  # a Ctrl-C in the engine's terminal is the engine's to handle
    os.environ.clear()
    os.environ.update(orders.environment | scratch_environment(scratch_of(orders)))
    offer_for_memory()
    name_process(process_name(orders.action_id))
    adopt_orphans()
    watch = Watch(orders)
    ending = watch.until_the_end()
    alive = end_descendants(KILL_SECONDS)
    result = conclude(orders, ending, watch.summary, alive)
    clear(Path(orders.folder))
    try:
        record(Path(orders.folder), result)
    except OSError as error:
        sys.stderr.write(f"the result could not be recorded: {error}\n")  # the engine can still be told
    return watch.report(encode_line(Line(result=result)))


class Outbox:
    """Lines on their way to the engine, written as far as its pipe takes them."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._pending = b""

    @property
    def waiting(self) -> bool:
        """Whether the pipe has not taken everything yet."""
        return bool(self._pending)

    def add(self, line: bytes) -> None:
        """Queue a line."""
        self._pending += line

    def write(self) -> None:
        """Write what the pipe takes now; raises `BrokenPipeError` when nobody reads it any more."""
        with suppress(BlockingIOError):
            self._pending = self._pending[os.write(self._descriptor, self._pending) :]

    def finish(self) -> None:
        """Write the rest and wait for it."""
        os.set_blocking(self._descriptor, True)
        while self._pending:
            self.write()


class Watch:
    """Starts the player and waits for whichever comes first: its end, a limit, a signal, the engine's end."""

    def __init__(self, orders: Orders) -> None:
        self._limits = orders.limits
        self._heard = self._looked = time.monotonic()
        self._limit = self._heard + orders.timeout_seconds
        self._outbox = Outbox(sys.stdout.fileno())
        self._canceled = False
        self._buffer = b""
        self.summary: Summary | None = None
        self._channel = start_player(orders)

    def until_the_end(self) -> Ending:
        """Forward task lines until something ends the run."""
        os.set_blocking(sys.stdout.fileno(), False)
        with cancel_signals(self._cancel) as wakeup, selectors.PollSelector() as selector:
            selector.register(sys.stdin.fileno(), selectors.EVENT_READ, self._hear_engine)
            selector.register(self._channel, selectors.EVENT_READ, self._hear_player)
            selector.register(wakeup, selectors.EVENT_READ, lambda: drain(wakeup))
            while True:
                ending = self._step(selector)
                if ending is not None:
                    return Ending.CANCELED if self._canceled else ending

    def report(self, line: bytes) -> int:
        """Give the engine the result; 1 if it is gone."""
        self._outbox.add(line)
        try:
            self._outbox.finish()
        except BrokenPipeError:
            return 1
        return 0

    def _step(self, selector: selectors.BaseSelector) -> Ending | None:
        ending = Ending.CANCELED if self._canceled else self._excess()
        if ending is not None:
            return ending
        self._watch_stdout(selector)
        for key, _ in selector.select(self._pause()):
            heard: Ending | None = key.data()
            if heard is not None:
                return heard
        return None

    def _excess(self) -> Ending | None:
        """The limit that the run has come to."""
        now = time.monotonic()
        if now >= self._limit:
            return Ending.DEADLINE
        if now >= self._heard + self._limits.idle_seconds_maximum:
            return Ending.IDLE
        if now < self._looked + LOOK_SECONDS:
            return None
        self._looked = now
        return excess(self._limits)

    def _pause(self) -> float:
        """How long to wait for something to happen, in seconds, before the limits are looked at again."""
        left = min(self._limit, self._heard + self._limits.idle_seconds_maximum) - time.monotonic()
        return min(max(left, 0.0), LOOK_SECONDS)

    def _watch_stdout(self, selector: selectors.BaseSelector) -> None:
        watched = sys.stdout.fileno() in selector.get_map()
        if self._outbox.waiting and not watched:
            selector.register(sys.stdout.fileno(), selectors.EVENT_WRITE, self._write)
        elif watched and not self._outbox.waiting:
            selector.unregister(sys.stdout.fileno())

    def _write(self) -> Ending | None:
        try:
            self._outbox.write()
        except BrokenPipeError:
            return Ending.ABANDONED
        return None

    def _hear_engine(self) -> Ending | None:
        return None if os.read(sys.stdin.fileno(), CHUNK_BYTES) else Ending.ABANDONED

    def _hear_player(self) -> Ending | None:
        data = os.read(self._channel, CHUNK_BYTES)
        self._heard = time.monotonic()
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in filter(None, lines):  # an empty one is a beat
            said = read_line(line)
            if said.summary is not None:
                self.summary = said.summary
            else:
                self._outbox.add(line + b"\n")
        return None if data else Ending.ENDED

    def _cancel(self, _number: int, _frame: FrameType | None) -> None:
        self._canceled = True


def start_player(orders: Orders) -> int:
    """Fork the player; the descriptor from which its lines are read."""
    in_namespace = orders.pid_namespace and next_child_in_namespace()
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.close(reading)
        try:
            play(orders, writing, in_namespace=in_namespace)
        finally:
            sys.excepthook(*sys.exc_info())  # only reached by an exception: its text goes to the player's log
            os._exit(70)
    os.close(writing)
    return reading


@contextmanager
def cancel_signals(handler: Callable[[int, FrameType | None], None]) -> Iterator[int]:
    """While it lasts, signals that cancel call the handler and make the yielded descriptor readable."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing)
    for number in CANCELING:
        signal.signal(number, handler)
    try:
        yield reading
    finally:
        signal.set_wakeup_fd(-1)
        for number in CANCELING:
            signal.signal(number, signal.SIG_IGN)  # the end is being reported; a second signal changes nothing


def drain(descriptor: int) -> None:
    """Read away what woke us."""
    os.read(descriptor, CHUNK_BYTES)


if __name__ == "__main__":
    sys.exit(main())
