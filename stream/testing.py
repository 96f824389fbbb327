"""Fakes for tests of the stream package: no Kafka, no models."""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Sequence

import msgspec
from aiokafka import ConsumerRecord
from aiokafka.errors import BrokerResponseError

from detectors.commands import Answer, Order
from detectors.errors import RowError
from detectors.host import Refusals
from detectors.samples import Sample, UnreadSample
from detectors.saves import SavedState, TakenState
from detectors.signals import Evidence, HostStatus, Signal, SignalKind, SignalState
from stream.detect.outbox import Message
from stream.detect.pages import PageRecord


class Tally(msgspec.Struct, array_like=True):
    """What a CountingShard keeps of a host: enough to see a sample lost, applied twice or out of order."""

    host: str
    applied_offset: int = -1
    samples: int = 0
    places: dict[str, int] = {}
    fingerprint: int = 0


class CountingShard:
    """Stands in for detectors.shard.Shard: counts samples and folds their places into a fingerprint, in order.

    Keeps the same promises: a sample at or below the last offset applied, or from a place at or below the last one
    applied of its source, changes nothing.
    """

    def __init__(self, partition: int) -> None:
        self.partition = partition
        self.tallies: list[Tally] = []
        self.refusals = Refusals()
        self.taken: list[TakenState] = []
        self.states: dict[str, SavedState] = {}
        self._rows: dict[str, int] = {}
        self._dirty: dict[int, int] = {}

    def apply(self, samples: Sequence[tuple[int, Sample]]) -> list[Signal]:
        """Count; never gives a signal."""
        for offset, sample in samples:
            if isinstance(sample, UnreadSample):
                continue
            row = self._rows.setdefault(sample.host, len(self.tallies))
            if row == len(self.tallies):
                self.tallies.append(Tally(sample.host))
            tally, source = self.tallies[row], sample.source
            place = (source.offset << 16) + source.index
            name = "{}/{}".format(*source.place)
            if offset <= tally.applied_offset or place <= tally.places.get(name, -1):
                self.refusals.duplicates += 1
                continue
            self._dirty.setdefault(row, offset)
            tally.applied_offset = offset
            tally.samples += 1
            tally.places[name] = place
            tally.fingerprint = (tally.fingerprint * 1_000_003 + place) % (1 << 61)
        return []

    def obey(self, offset: int, order: Order, saved: bytes | None) -> tuple[list[Signal], list[Answer]]:  # noqa: ARG002 - a shard's signature
        """Say how many samples of the host were counted, and what was saved."""
        row = self._rows.get(order.host)
        counted = 0 if row is None else self.tallies[row].samples
        return [], [Answer(order.command, done=True, words=f"{counted} {saved!r}")]

    def forget_offsets(self) -> None:
        """The samples topic was made anew."""
        for row, tally in enumerate(self.tallies):
            tally.applied_offset = -1
            self._dirty[row] = 0

    def find_state(self, order: Order) -> SavedState | None:
        """The state that was noted last of the host."""
        return self.states.get(order.host)

    def take_states(self) -> list[TakenState]:
        """None, unless a test asks for some."""
        taken, self.taken = self.taken, []
        return taken

    def note_state(self, host: str, state: SavedState) -> None:
        """Remember the place."""
        self.states[host] = state

    def tick(self, now: float) -> list[Signal]:  # noqa: ARG002 - a shard's signature
        """Nothing is ever silent."""
        return []

    def roster(self, now: float) -> list[HostStatus]:  # noqa: ARG002 - a shard's signature
        """Nobody is told."""
        return []

    def pause(self, host: str) -> None:
        """Counting does not learn."""

    def resume(self, host: str) -> None:
        """Counting does not learn."""

    def row_state(self, row: int) -> bytes:
        """The tally of a row."""
        return msgspec.msgpack.encode(self.tallies[row])

    def load_row(self, data: bytes) -> int:
        """Take in a tally; the copy with the higher applied offset stays. RowError if unreadable."""
        try:
            tally = msgspec.msgpack.decode(data, type=Tally)
        except msgspec.DecodeError as error:
            raise RowError(f"not a tally: {error}") from error
        row = self._rows.setdefault(tally.host, len(self.tallies))
        if row == len(self.tallies):
            self.tallies.append(tally)
        elif tally.applied_offset > self.tallies[row].applied_offset:
            self.tallies[row] = tally
        return row

    def take_dirty(self) -> dict[int, int]:
        """Row → oldest offset that changed it since this was last asked."""
        dirty, self._dirty = self._dirty, {}
        return dirty


class ScriptedShard(CountingShard):
    """A counting shard that raises for hosts named `breaks…`, signals for hosts named `signals…`, and remembers.

    Attributes:
        statuses: What the roster is to be.
        ticks: The clocks it was ticked with.
        paused: Hosts on which learning is paused.
    """

    def __init__(self, partition: int) -> None:
        super().__init__(partition)
        self.statuses: list[HostStatus] = []
        self.ticks: list[float] = []
        self.paused: set[str] = set()

    def apply(self, samples: Sequence[tuple[int, Sample]]) -> list[Signal]:
        """Count, raise or signal by the host's name."""
        for _offset, sample in samples:
            if sample.host.startswith("breaks"):
                raise ZeroDivisionError("breaks")
        super().apply(samples)
        return [
            Signal(
                f"{offset:x}", SignalKind.ANOMALY, SignalState.RAISED, sample.host, sample.time, 9.0, 3.0, Evidence()
            )
            for offset, sample in samples
            if sample.host.startswith("signals")
        ]

    def tick(self, now: float) -> list[Signal]:
        """Remember the clock."""
        self.ticks.append(now)
        return []

    def roster(self, now: float) -> list[HostStatus]:  # noqa: ARG002 - a shard's signature
        """As scripted."""
        return self.statuses

    def pause(self, host: str) -> None:
        """Remember the host."""
        self.paused.add(host)

    def resume(self, host: str) -> None:
        """Forget the host."""
        self.paused.discard(host)


class FakeOutbox:
    """Keeps what is published, by topic; refuses all of the topic `fails_on`."""

    def __init__(self, fails_on: str = "") -> None:
        self.published: dict[str, list[Message]] = defaultdict(list)
        self._fails_on = fails_on

    async def publish(self, topic: str, messages: Sequence[Message]) -> None:
        """Keep the messages."""
        if messages and topic == self._fails_on:
            raise BrokerResponseError(f"{topic} takes nothing")
        if messages:
            self.published[topic].extend(messages)


class FakeModels:
    """The models topic in memory: partition, host and place → row."""

    def __init__(self) -> None:
        self.rows: dict[tuple[int, str, SavedState], bytes] = {}

    async def write(self, partition: int, taken: TakenState) -> SavedState:
        """Keep a state."""
        state = SavedState(taken.time, len(self.rows), len(taken.row))
        self.rows[partition, taken.host, state] = taken.row
        return state

    async def read(self, partition: int, host: str, state: SavedState) -> bytes | None:
        """A state, None if it is gone."""
        return self.rows.get((partition, host, state))


class FakeState:
    """The state topic in memory.

    Attributes:
        written: Partition → every page written.
        pages: Partition → key → value, as compaction would leave it.
        hangs: Whether writing never ends.
    """

    def __init__(self) -> None:
        self.written: dict[int, list[PageRecord]] = {}
        self.pages: dict[int, dict[bytes, bytes]] = {}
        self.hangs = False

    async def read(self, partitions: Collection[int]) -> dict[int, dict[bytes, bytes]]:
        """All live pages."""
        return {partition: dict(self.pages.get(partition, {})) for partition in partitions}

    async def write(self, partition: int, records: Sequence[PageRecord]) -> None:
        """Keep the pages."""
        if self.hangs:
            await asyncio.Event().wait()
        for record in records:
            self.written.setdefault(partition, []).append(record)
            live = self.pages.setdefault(partition, {})
            if record.value is None:
                live.pop(record.key, None)
            else:
                live[record.key] = record.value


def kafka_record(topic: str, partition: int, offset: int, value: bytes | None) -> ConsumerRecord[bytes, bytes]:
    """A record as a consumer gives it."""
    return ConsumerRecord(topic, partition, offset, 1_700_000_000_000, 0, None, value, None, 0, len(value or b""), ())
