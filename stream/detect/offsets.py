"""Which offsets may be committed: bookkeeping of fetched batches, without Kafka and without a clock.

The rules it keeps, whatever the order of calls:

1. a batch becomes committable by `Batch.done()` alone, known by identity and never by an offset number;
2. a partition's committable offset is the end of its longest contiguous prefix of done batches;
3. records fetched before the last seek are refused: that seek has repositioned them;
4. a seek or a revoke forgets every batch handed out before; their `done()` then means nothing.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from stream.damage import Damage


class Record(Protocol):
    """What of a fetched record the bookkeeping looks at."""

    @property
    def offset(self) -> int:
        """Place in the partition."""


class Partition(NamedTuple):
    """A topic's partition; equal to the tuples that Kafka's clients use."""

    topic: str
    partition: int


class Part[R: Record](NamedTuple):
    """What one fetch gave of a partition: records, what could not be read, and the offset from which it goes on.

    There may be no records: the log also holds what is nobody's to read, such as the marks of transactions.
    """

    records: Sequence[R]
    damage: Sequence[Damage]
    next_offset: int


class Batch[R: Record]:
    """What was fetched together of one partition, in offset order.

    Attributes:
        source: The partition they were read from.
        records: The records; empty once the batch is done.
        damage: What could not be read between and after them.
        first_offset: Where it begins.
        next_offset: Where the next one begins.
        life: Of the topic: a topic that is made anew, or loses records that were read, begins another one.
    """

    __slots__ = ("_is_done", "damage", "first_offset", "life", "next_offset", "records", "source")

    def __init__(
        self,
        source: Partition,
        records: Sequence[R],
        damage: Sequence[Damage] = (),
        span: tuple[int, int] | None = None,
        life: str = "",
    ) -> None:
        self.source = source
        self.records = records
        self.damage = damage
        self.first_offset, self.next_offset = span or (records[0].offset, records[-1].offset + 1)
        self.life = life
        self._is_done = False

    @property
    def is_done(self) -> bool:
        """Whether everything the batch stands for is processed and durable."""
        return self._is_done

    def done(self) -> None:
        """Everything these records led to is durable: they need never be read again. Frees the records."""
        self._is_done = True
        self.records = ()


class Progress[R: Record]:
    """What was delivered, is done and is committed of one partition since the last seek.

    Attributes:
        delivered_offset: Offset after the last record handed out.
        committed_offset: Offset that the group has committed, or the start if it has committed none.
    """

    __slots__ = ("_batches", "_life", "_source", "committed_offset", "delivered_offset")

    def __init__(self, source: Partition, start_offset: int, life: str = "") -> None:
        self._source = source
        self._life = life
        self._batches: deque[Batch[R]] = deque()
        self.delivered_offset = start_offset
        self.committed_offset = start_offset

    def deliver(self, part: Part[R]) -> Batch[R] | None:
        """Make a batch of what was not handed out before; None if there is nothing new."""
        first, (records, damage, next_offset) = self.delivered_offset, part
        if next_offset <= first:
            return None
        if records and records[0].offset < first:
            records = [record for record in records if record.offset >= first]
        damage = [one for one in damage if one.last_offset >= first]
        batch = Batch(self._source, records, damage, (first, next_offset), self._life)
        self._batches.append(batch)
        self.delivered_offset = batch.next_offset
        return batch

    def committable(self) -> int | None:
        """Offset that may be committed now; None if it is not beyond what is committed."""
        offset = None
        for batch in self._batches:
            if not batch.is_done:
                break
            offset = batch.next_offset
        return offset

    def committed(self, offset: int) -> None:
        """The group has committed `offset`: forget the batches before it."""
        while self._batches and self._batches[0].is_done and self._batches[0].next_offset <= offset:
            self._batches.popleft()
        self.committed_offset = max(offset, self.committed_offset)


class Deliveries[R: Record]:
    """The progress of all partitions owned now; tied to one seek epoch."""

    def __init__(self) -> None:
        self._epoch: int | None = None
        self._partitions: dict[Partition, Progress[R]] = {}

    def begin(
        self, epoch: int, start_offsets: Mapping[Partition, int], lives: Mapping[Partition, str] | None = None
    ) -> None:
        """All owned partitions were sought to these offsets in `epoch`; what was handed out before is forgotten."""
        self._epoch = epoch
        known = lives or {}
        self._partitions = {
            source: Progress(source, offset, known.get(source, "")) for source, offset in start_offsets.items()
        }

    def drop(self) -> None:
        """No partition is owned, or their positions are being changed: nothing may be delivered or committed."""
        self._epoch = None
        self._partitions = {}

    def is_current(self, epoch: int) -> bool:
        """Whether records fetched in `epoch` may still be delivered."""
        return epoch == self._epoch

    def deliver(self, epoch: int, source: Partition, part: Part[R]) -> Batch[R] | None:
        """A batch of this, or None if it must not be handed out."""
        progress = self._partitions.get(source)
        if epoch != self._epoch or progress is None:
            return None
        return progress.deliver(part)

    def progress(self, source: Partition) -> Progress[R] | None:
        """Progress of one owned partition."""
        return self._partitions.get(source)

    def owned(self) -> Iterable[Partition]:
        """The partitions owned now."""
        return tuple(self._partitions)
