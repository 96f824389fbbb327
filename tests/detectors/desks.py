"""Where tests give commands to models: a shard of one host, the samples before it, the states saved for it."""

import copy
import functools
from collections.abc import Iterable, Sequence

import msgspec

from detectors.commands import Answer, Command, MaintenanceStart, ModelReset, ModelRollback, Order
from detectors.host import HostRow
from detectors.samples import Sample, Source
from detectors.saves import DAY_SECONDS, SavedState, TakenState
from detectors.settings import DetectorSettings
from detectors.shard import Shard
from detectors.signals import HostState, Signal
from tests.detectors.streams import START, Service, metric

HOST = "web-0"
SECONDS = 300.0  # between rows
DAY_ROWS = int(DAY_SECONDS / SECONDS)


class Desk:
    """A shard, the samples topic before it, the states that are saved for it; each record has the next offset."""

    def __init__(self, shard: Shard | None = None) -> None:
        self.shard = shard or Shard(0, DetectorSettings())
        self.log: list[Sample | Order] = []
        self.saved: dict[SavedState, TakenState] = {}
        self.lost: set[SavedState] = set()
        self.told: list[Signal | Answer] = []

    def feed(self, samples: Iterable[Sample]) -> list[Signal]:
        """Apply samples, as detect does: each state that is taken is saved before the next sample."""
        signals = []
        for sample in samples:
            self.log.append(sample)
            signals += self.shard.apply([(len(self.log) - 1, sample)])
            for taken in self.shard.take_states():
                state = SavedState(taken.time, len(self.saved), len(taken.row))
                self.saved[state] = taken
                self.shard.note_state(taken.host, state)
        self.told += signals
        return signals

    def give(self, command: Command, offset: int | None = None) -> tuple[list[Signal], list[Answer]]:
        """Give a command; `offset` is its place among the commands, the next one if it is not named."""
        place = len(self.log) if offset is None else offset
        return self.take(Order(command.host, Source("commands", 0, place), command))

    def take(self, order: Order) -> tuple[list[Signal], list[Answer]]:
        """Carry out an order, as detect does."""
        self.log.append(order)
        state = self.shard.find_state(order)
        row = self.saved[state].row if state is not None and state not in self.lost else None
        signals, answers = self.shard.obey(len(self.log) - 1, order, row)
        self.told += [*signals, *answers]
        return signals, answers

    def row(self) -> HostRow:
        """The whole state of the host."""
        return msgspec.msgpack.decode(self.shard.row_state(0), type=HostRow)

    def state(self) -> HostState:
        """The host by the roster."""
        return self.shard.roster(0.0)[0].state

    def time(self) -> float:
        """Event time of the last sample."""
        return self.shard.roster(0.0)[0].last_sample_time


def rows(service: Service, numbers: Sequence[int], *, fault: bool = False) -> list[Sample]:
    """The numbered rows of a service."""
    return [metric(HOST, number, service.values(fault=fault), SECONDS) for number in numbers]


def reset(time: float = START) -> ModelReset:
    """A command."""
    return ModelReset(id="r", host=HOST, time=time, by="ann", reason="new disk")


def rollback(to_time: float | None = None, host: str = HOST) -> ModelRollback:
    """A command."""
    return ModelRollback(id="b", host=host, time=START, by="ann", reason="leak was learned", to_time=to_time)


def maintenance(time: float, until: float) -> MaintenanceStart:
    """A command."""
    return MaintenanceStart(id="m", host=HOST, time=time, by="ann", reason="new kernel", until=until)


@functools.cache
def grown(days: float) -> tuple[Desk, Service, int]:
    """As `settled`, for all tests to copy from."""
    desk, service, count = Desk(), Service(3), int(days * DAY_ROWS)
    desk.feed(rows(service, range(count)))
    return desk, service, count


def settled(days: float = 3.0) -> tuple[Desk, Service, int]:
    """A desk whose host was normal for so many days, its service, and the number of its next row."""
    original, service, count = grown(days)
    desk = Desk()
    desk.shard.load_row(original.shard.row_state(0))
    desk.log, desk.saved = list(original.log), dict(original.saved)
    return desk, copy.deepcopy(service), count
