"""The partitions of the samples topic that this worker owns: models, unsaved pages, unfinished batches.

A batch is done when no saved page is missing any of its changes. Pages are written within a budget of bytes a second,
oldest change first, so a page may be old: the samples since are replayed by whoever owns the partition next.
"""

import asyncio
import time
import uuid
from collections import deque
from collections.abc import Collection, Iterable, Mapping

import structlog
from aiokafka.errors import KafkaError

from stream.detect.offsets import Partition
from stream.detect.pages import PageBook, Writer
from stream.detect.state import ShardFactory, ShardLike, StateStore, restore
from stream.detect.transport import KafkaBatch
from stream.metrics import DetectMetrics

log = structlog.get_logger()

SAVE_EVERY_SECONDS = 0.25
# A change waits this long for others of its page, so that a busy page is not written at every turn.
PAGE_AGE_SECONDS = 1.0
SETTLE_SECONDS = 2.0


class OwnedPartition:
    """One partition: whoever changes or encodes its rows holds `lock`.

    Rows are saved only when every signal they led to is acknowledged: the lock is held from the first change to that.

    Attributes:
        number: Of the samples topic and the state topic alike.
        processed_offset: Every sample before it is applied, and its signals are acknowledged.
        quiet_clock: Seconds for which the partition has been caught up; silence is measured on it.
    """

    def __init__(self, number: int, shard: ShardLike, book: PageBook) -> None:
        self.number = number
        self.shard = shard
        self.lock = asyncio.Lock()
        self.processed_offset = 0
        self.quiet_clock = 0.0
        self._book = book
        self._saving = asyncio.Lock()
        self._unfinished: deque[KafkaBatch] = deque()

    def begin(self, offset: int, life: str) -> bool:
        """Samples come from this offset on, in this life of their topic; tells whether the state is of another one.

        The rows' offsets then say nothing, and are forgotten.
        """
        self.processed_offset = offset
        if self._book.life in {"", life} or not life:
            self._book.life = life
            return False
        log.warning("state_of_another_topic", partition=self.number, of=self._book.life, now=life, read_from=offset)
        self.shard.forget_offsets()
        self._book.outlive(life)
        self.note_changes(offset)
        return True

    def note_changes(self, offset: int, batch: KafkaBatch | None = None) -> None:
        """All before `offset` is processed; `batch` is done as soon as what changed is saved."""
        self.processed_offset = offset
        self._book.changed(self.shard.take_dirty(), time.monotonic())
        if batch is not None:
            self._unfinished.append(batch)
        self._finish()

    def unsaved_since(self) -> float | None:
        """On the monotonic clock: when the oldest change that is not saved was made."""
        return self._book.unsaved_since()

    async def save(self, state: StateStore, budget_bytes: float, before_seconds: float) -> int:
        """Write pages with changes up to `before_seconds`, oldest first, for about `budget_bytes`; bytes written."""
        async with self._saving:
            return await self._save(state, budget_bytes, before_seconds)

    async def _save(self, state: StateStore, budget_bytes: float, before_seconds: float) -> int:
        async with self.lock:
            writing = self._book.take(self.shard.row_state, self.processed_offset, budget_bytes, before_seconds)
        if not writing.records:
            return 0
        try:
            await state.write(self.number, writing.records)
        except BaseException:
            self._book.failed(writing)
            raise
        removals = self._book.saved(writing)
        self._finish()
        await state.write(self.number, removals)
        return writing.size_bytes

    def _finish(self) -> None:
        committable = self._book.committable(self.processed_offset)
        while self._unfinished and self._unfinished[0].next_offset <= committable:
            self._unfinished.popleft().done()


class Shards:
    """All owned partitions of the samples topic `topic`; `make_shard` gives the empty models of one.

    Attributes:
        recovered: Set while the state of all owned partitions is loaded and their records may come.
    """

    def __init__(
        self,
        topic: str,
        state: StateStore,
        make_shard: ShardFactory,
        budget_bytes_per_second: float,
        metrics: DetectMetrics,
    ) -> None:
        self._topic = topic
        self._state = state
        self._make_shard = make_shard
        self._budget_bytes_per_second = budget_bytes_per_second
        self._metrics = metrics
        self._owned: dict[int, OwnedPartition] = {}
        self._paused_hosts: frozenset[str] = frozenset()
        self.recovered = asyncio.Event()

    @property
    def owned(self) -> tuple[OwnedPartition, ...]:
        """The partitions owned now."""
        return tuple(self._owned.values())

    def get(self, number: int) -> OwnedPartition | None:
        """One partition; None if it is not owned."""
        return self._owned.get(number)

    @property
    def paused_hosts(self) -> frozenset[str]:
        """The hosts on which learning pauses because they are being repaired."""
        return self._paused_hosts

    def pause(self, hosts: Iterable[str]) -> None:
        """Learning pauses on exactly these hosts, also on those of partitions assigned later."""
        wanted = frozenset(hosts)
        for partition in self._owned.values():
            for host in wanted - self._paused_hosts:
                partition.shard.pause(host)
            for host in self._paused_hosts - wanted:
                partition.shard.resume(host)
        self._paused_hosts = wanted

    # PartitionOwner

    async def recover(self, assigned: frozenset[Partition], generation: int) -> None:
        """Load the pages of the partitions now owned. They are read again even if they were ours a moment ago."""
        self.forget()
        started = time.monotonic()
        writer = Writer(generation, uuid.uuid4().hex[:12])
        numbers = sorted(source.partition for source in assigned if source.topic == self._topic)
        pages = await self._state.read(numbers)
        recovered = {}
        for number in numbers:
            shard = self._make_shard(number)
            book = restore(shard, pages.pop(number), writer, time.monotonic())
            for host in self._paused_hosts:
                shard.pause(host)
            recovered[number] = OwnedPartition(number, shard, book)
            await asyncio.sleep(0)
        self._owned = recovered
        self._metrics.partitions.set(len(numbers))
        self._metrics.recovery.set(time.monotonic() - started)
        log.info("partitions_assigned", partitions=numbers, generation=generation, seconds=time.monotonic() - started)

    def begin(
        self, offsets: Mapping[Partition, int], lives: Mapping[Partition, str], anew: Collection[Partition]
    ) -> None:
        """Reading starts at these offsets. Topics made anew are told.

        State tells it of the samples topic even where Kafka has no commits to tell it by, as in a restored cluster.
        """
        told = set(anew)
        for source, offset in offsets.items():
            owned = self._owned.get(source.partition)
            if source.topic == self._topic and owned is not None and owned.begin(offset, lives.get(source, "")):
                told.add(source)
        for source in told:
            self._metrics.made_anew.labels(source.topic).inc()
        self.recovered.set()

    async def settle(self) -> None:
        """Save what can be saved in two seconds; the rest is replayed."""
        try:
            async with asyncio.timeout(SETTLE_SECONDS):
                for partition in self.owned:
                    await partition.save(self._state, float("inf"), float("inf"))
        except (TimeoutError, KafkaError) as error:
            log.warning("state_not_all_saved", after_seconds=SETTLE_SECONDS, error=repr(error))

    def forget(self) -> None:
        """Nothing is owned."""
        self.recovered.clear()
        self._owned = {}
        self._metrics.partitions.set(0)

    # Saving

    async def save_forever(self) -> None:
        """Write pages within the budget until cancelled. Raises KafkaError when they cannot be written."""
        allowance, last = 0.0, time.monotonic()
        while True:
            await asyncio.sleep(SAVE_EVERY_SECONDS)
            now = time.monotonic()
            allowance = min(allowance + (now - last) * self._budget_bytes_per_second, self._budget_bytes_per_second)
            last = now
            allowance -= await self._save(allowance, now - PAGE_AGE_SECONDS)

    async def _save(self, allowance_bytes: float, before_seconds: float) -> int:
        written = 0
        waiting = [(since, partition) for partition in self.owned if (since := partition.unsaved_since()) is not None]
        self._metrics.state_age.set(time.monotonic() - min((since for since, _ in waiting), default=time.monotonic()))
        for _since, partition in sorted(waiting, key=_oldest):
            if allowance_bytes <= written:
                break
            written += await partition.save(self._state, allowance_bytes - written, before_seconds)
        self._metrics.state_bytes.inc(written)
        return written


def _oldest(entry: tuple[float, OwnedPartition]) -> float:
    return entry[0]
