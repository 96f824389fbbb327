"""All hosts of one partition of the samples topic, as numbered rows."""

from collections.abc import Sequence
from typing import NamedTuple

from detectors.commands import Answer, ModelRollback, Order
from detectors.host import HostModel, Refusals
from detectors.samples import Sample, UnreadSample
from detectors.saves import SavedState, TakenState
from detectors.settings import DetectorSettings
from detectors.signals import Evidence, HostStatus, Signal
from detectors.table import check
from detectors.upkeep import obey, unknown_host


class Seen(NamedTuple):
    """The last applied offset of a row, and its readings, with the worker's times when each was first seen."""

    applied: int
    applied_at: float
    samples: int
    read_at: float


class Shard:
    """Rows of hosts, numbered by first appearance.

    The same samples in the same order give the same rows, byte for byte, and the same signals. Samples that were
    applied before change nothing, so that saved rows of any age can be brought up to date by a replay.

    Parameters:
        partition: Of the samples topic; part of the signals' identity.
        settings: See DetectorSettings.
        seed: For detectors that use randomness.

    Example:
        >>> from detectors.samples import MetricSample, Source
        >>> shard = Shard(0, DetectorSettings(), seed=1)
        >>> shard.apply([(7, MetricSample("web-1", 100.0, {"cpu": 12.0}, Source("metrics", 0, 3)))])
        []
        >>> shard.take_dirty(), shard.rows, shard.roster(101.0)[0].state.value
        ({0: 7}, 1, 'young')
    """

    def __init__(self, partition: int, settings: DetectorSettings, seed: int = 0) -> None:
        for watch in settings.watch:
            check(watch.detectors)
        self.partition = partition
        self.settings = settings
        self.seed = seed
        self.refusals = Refusals()
        self.taken: dict[str, TakenState] = {}  # states to be saved: see take_states
        self._hosts: list[HostModel] = []
        self._rows: dict[str, int] = {}
        self._dirty: dict[int, int] = {}
        self._paused: set[str] = set()
        self._next_offset = 0
        self._seen: list[Seen] = []  # by row

    @property
    def rows(self) -> int:
        """How many hosts there are."""
        return len(self._hosts)

    def apply(self, samples: Sequence[tuple[int, Sample]]) -> list[Signal]:
        """Apply (samples-topic offset, sample) pairs in order; the signals they give, in order."""
        signals: list[Signal] = []
        for offset, sample in samples:
            self._next_offset = max(self._next_offset, offset + 1)
            if isinstance(sample, UnreadSample) and sample.is_guess and sample.host not in self._rows:
                continue
            row = self._row(sample.host, is_unread=isinstance(sample, UnreadSample))
            if row is None:
                self.refusals.hosts += 1
                continue
            host = self._hosts[row]
            if host.knows(offset, sample.source):
                self.refusals.duplicates += 1
                continue
            self._dirty.setdefault(row, offset)
            signals += host.apply(offset, sample, self.refusals, paused=sample.host in self._paused)
            if host.time >= host.upkeep.due and (taken := host.take_state()) is not None:
                self.taken[taken.host] = taken
        return signals

    def obey(self, offset: int, order: Order, saved: bytes | None = None) -> tuple[list[Signal], list[Answer]]:
        """Carry out an order at this samples-topic offset; alarms that are withdrawn, and the answer.

        `saved` is the row of the state that `find_state` has found for it. An order that is known leads to nothing.
        """
        self._next_offset = max(self._next_offset, offset + 1)
        row = self._rows.get(order.host)
        if row is None:
            return [], [unknown_host(order.command)]
        host = self._hosts[row]
        if host.knows(offset, order.source):
            self.refusals.duplicates += 1
            return [], []
        self._dirty.setdefault(row, offset)
        host.remember(offset, order.source)
        obeyed = obey(host, order.command, offset, saved)
        self._hosts[row] = obeyed.host
        return list(obeyed.signals), [obeyed.answer]

    def forget_offsets(self) -> None:
        """The samples topic was made anew: what was applied of it says nothing about the records that come now."""
        self._next_offset = 0
        for row, host in enumerate(self._hosts):
            host.forget_offset()
            self._dirty[row] = 0

    def find_state(self, order: Order) -> SavedState | None:
        """The saved state that an order would go back to."""
        row, command = self._rows.get(order.host), order.command
        if row is None or not isinstance(command, ModelRollback):
            return None
        return self._hosts[row].upkeep.find(command.to_time)

    def take_states(self) -> list[TakenState]:
        """The states that are to be saved, the latest of a host; `note_state` tells where, before the next sample."""
        taken, self.taken = self.taken, {}
        return list(taken.values())

    def note_state(self, host: str, state: SavedState) -> None:
        """The state that was taken of this host is saved there."""
        self._hosts[self._rows[host]].upkeep.keep(state)

    def tick(self, now: float) -> list[Signal]:
        """Raise silence by the worker's clock (seconds, from any start); to be called every second, once caught up."""
        signals = []
        for row, host in enumerate(self._hosts):
            if row == len(self._seen):
                self._seen.append(Seen(host.applied, now, host.samples, now))
            seen = self._seen[row]
            if seen.applied != host.applied or now < seen.applied_at:
                read_at = now if seen.samples != host.samples or now < seen.read_at else seen.read_at
                seen = self._seen[row] = Seen(host.applied, now, host.samples, read_at)
            is_given_up = host.gives_up(now - seen.read_at)
            signal = host.silence(now - seen.applied_at)
            if signal is not None:
                signals.append(signal)
            if is_given_up or signal is not None:
                self._dirty.setdefault(row, self._next_offset)
        return signals

    def roster(self, now: float) -> list[HostStatus]:
        """One entry a host, in the order of rows."""
        return [host.status(now) for host in self._hosts]

    def explain(self, host: str) -> Evidence:
        """What the model of a host makes of its latest row; empty evidence for a host that has no row."""
        row = self._rows.get(host)
        return Evidence() if row is None else self._hosts[row].evidence()

    def pause(self, host: str) -> None:
        """Stop learning on a host that is in an incident. It is not saved: a new owner must be told again."""
        if len(self._paused) < self.settings.hosts_maximum:
            self._paused.add(host)

    def resume(self, host: str) -> None:
        """Learn again."""
        self._paused.discard(host)

    def row_state(self, row: int) -> bytes:
        """The whole state of a row."""
        return self._hosts[row].encode()

    def load_row(self, data: bytes) -> int:
        """Take in a saved row and tell its number; of two copies the one with the higher applied offset stays.

        Raises RowError if the bytes are damaged or of another version.
        """
        loaded = HostModel.decode(data, self.partition, self.settings, self.seed)
        self._next_offset = max(self._next_offset, loaded.applied + 1)
        row = self._rows.get(loaded.host)
        if row is None:
            row = self._add(loaded)
        elif self._newer(loaded, self._hosts[row]):
            self._hosts[row] = loaded
        return row

    def take_dirty(self) -> dict[int, int]:
        """Row → oldest samples-topic offset that changed it since this was last asked.

        What the clock changed counts as changed by the next offset: there is nothing to replay for it.
        """
        dirty, self._dirty = self._dirty, {}
        return dirty

    def _row(self, host: str, *, is_unread: bool = False) -> int | None:
        row = self._rows.get(host)
        if row is not None:
            return row
        # What can not be read may name any number of hosts: half of the places are for those that can be.
        places = self.settings.hosts_maximum // 2 if is_unread else self.settings.hosts_maximum
        if self.rows >= places or not 0 < len(host) <= self.settings.name_length_maximum:
            return None
        return self._add(HostModel(host, self.partition, self.settings, self.seed))

    def _add(self, host: HostModel) -> int:
        row = self._rows[host.host] = len(self._hosts)
        self._hosts.append(host)
        return row

    @staticmethod
    def _newer(one: HostModel, other: HostModel) -> bool:
        # At one offset the silent or unreadable copy is the later one: the clock says so, the next sample ends it.
        return _age(one) > _age(other)


def _age(host: HostModel) -> tuple[int, bool, bool]:
    return host.applied, bool(host.life.silence_id), host.life.is_unreadable
