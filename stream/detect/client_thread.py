"""The thread of the Kafka client: takes records partition by partition, and decides where reading begins.

What the client raises on the data of one partition stays with that partition: what can be read is read
(stream/salvage.py), what can not be is handed out as damage. Each fetch is tagged with the seek epoch it began in.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, cast, override

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import CommitFailedError, ConsumerStoppedError, KafkaError, UnknownTopicOrPartitionError
from aiokafka.structs import OffsetAndMetadata
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from stream.detect.offsets import Part, Partition
from stream.detect.starts import Before, find_starts
from stream.lives import NO_LIFE, topic_lives
from stream.salvage import position_of, salvage_partition, waiting
from stream.sieve import Refused, Sieve

log = structlog.get_logger()

type KafkaPart = Part[ConsumerRecord[bytes, bytes]]

FETCH_WAIT_MILLISECONDS = 100
RETRY_SECONDS = 0.5
# A broker that keeps old records elsewhere may give nothing for a while; one whose log is broken, for ever.
MUTE_SECONDS = 15.0


class Fetched(NamedTuple):
    """What was taken from the client, and the seek epoch it was taken in."""

    epoch: int
    parts: Mapping[TP, KafkaPart]


class Sought(NamedTuple):
    """The epoch a seek began, where each partition was put, the lives of their topics, and which have another life."""

    epoch: int
    offsets: Mapping[Partition, int]
    lives: Mapping[Partition, str]
    anew: frozenset[Partition]


class FetchState(NamedTuple):
    """End of what may be read of a partition, and when the broker said so (epoch seconds)."""

    end_offset: int
    told_time: float


class Look(NamedTuple):
    """The lives of the topics that exist, which of them are not read yet as they are, and the partitions owned here."""

    lives: Mapping[str, str]
    changed: frozenset[str]
    states: Mapping[Partition, FetchState | None]


class BatchThread(driver.AIOKafkaConsumerThread):
    """Faust's thread of the client, which fetches and seeks without an await between."""

    seek_epoch = 0
    _assignment: Any = None  # that was sought last, and where to
    _offsets: Mapping[Partition, int] = {}
    _lives: Mapping[Partition, str] = {}
    _topic_lives: Mapping[str, str] = {}

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - Faust's own signature
        super().__init__(*args, **kwargs)
        self._read_to: dict[Partition, int] = {}
        self._went_back: set[Partition] = set()
        self._seen: dict[str, str] = {}
        self._sieve: Sieve | None = None

    @override
    def _create_worker_consumer(self, transport: driver.Transport) -> AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        # Faust fixes 1500 ms. A fetch that waits on a quiet partition holds up the next one on a busy partition.
        consumer._fetch_max_wait_ms = FETCH_WAIT_MILLISECONDS  # noqa: SLF001 - has no setting in Faust
        # What a transaction has not committed is nobody's to read. Faust ties this to transactions of its own.
        consumer._isolation_level = "read_committed"  # noqa: SLF001 - as above
        client = consumer._client  # noqa: SLF001 - as above
        self._sieve = Sieve(client.send)
        client.send = self._sieve.send
        return consumer

    # Fetching

    @override
    async def _fetch_records(  # type: ignore[override]  # what is taken travels with its epoch
        self,
        consumer: AIOKafkaConsumer,
        active_partitions: set[TP],
        timeout: float | None = None,
        max_records: int | None = None,
    ) -> Fetched:
        epoch = self.seek_epoch
        fetcher = consumer._fetcher  # noqa: SLF001 - as the method it replaces
        if not self.consumer.flow_active:
            return Fetched(epoch, {})
        if consumer._closed or fetcher._closed:  # noqa: SLF001 - as above
            raise ConsumerStoppedError
        with fetcher._subscriptions.fetch_context():  # noqa: SLF001 - as above
            parts = await self._drain(consumer, active_partitions, timeout or 0.0, max_records)
        if epoch != self.seek_epoch:
            # It waited through a short rebalance, and took what nobody will deliver: the client must read that again.
            self._rewind(consumer)
            return Fetched(epoch, {})
        return Fetched(epoch, parts)

    async def _drain(
        self, consumer: AIOKafkaConsumer, active: Iterable[TP], wait_seconds: float, maximum: int | None
    ) -> dict[TP, KafkaPart]:
        """What the client holds of these partitions; waits for it that long."""
        fetcher, deadline = consumer._fetcher, time.monotonic() + wait_seconds  # noqa: SLF001 - as fetched_records
        while True:
            subscriptions = fetcher._subscriptions  # noqa: SLF001 - as above
            if subscriptions.reassignment_in_progress:
                await subscriptions.wait_for_assignment()
            if parts := await self._take_all(consumer, active, maximum):
                return parts
            left = deadline - time.monotonic()
            if left <= 0:
                return {}
            waiter = fetcher._create_fetch_waiter()  # noqa: SLF001 - as above
            done, _ = await asyncio.wait([waiter], timeout=left)
            if not done or fetcher._closed:  # noqa: SLF001 - as above
                waiter.cancel()
                return {}
            waiter.result()  # raises if the client may not be in the group

    async def _take_all(
        self, consumer: AIOKafkaConsumer, active: Iterable[TP], maximum: int | None
    ) -> dict[TP, KafkaPart]:
        parts: dict[TP, KafkaPart] = {}
        for source in cast("list[TP]", waiting(consumer, active)):
            part = await self._take(consumer, source, maximum)
            if part is not None:
                parts[source] = part
                maximum = None if maximum is None else maximum - len(part.records)
            if maximum is not None and maximum <= 0:
                break
        for source, refused in self._refused(active):
            before = position_of(consumer, source)
            is_here = source not in parts and before == refused.offset
            if is_here and not self._is_back(consumer, Partition(*source), refused.offset):
                part = await self._salvage(consumer, source, refused.offset, is_mute=refused.is_mute)
                if part is not None:
                    parts[source] = part
        return parts

    def _refused(self, active: Iterable[TP]) -> list[tuple[TP, Refused]]:
        """Partitions of which the client gets nothing as long as they are read from this offset."""
        refused = {} if self._sieve is None else self._sieve.refused
        latest = time.monotonic() - MUTE_SECONDS
        here = [(source, refused[source]) for source in active if source in refused]
        return [(source, one) for source, one in here if not one.is_mute or one.since < latest]

    async def _take(self, consumer: AIOKafkaConsumer, source: TP, maximum: int | None) -> KafkaPart | None:
        """What the client holds of one partition; None if that leads nowhere."""
        before = position_of(consumer, source)
        if before is None or self._is_back(consumer, Partition(*source), before):
            return None
        try:
            found = await consumer._fetcher.fetched_records([source], 0, maximum)  # noqa: SLF001 - as Faust
        except ConsumerStoppedError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a codec, a header or a checksum leads to
            log.warning(
                "fetch_damaged", topic=source.topic, partition=source.partition, offset=before, error=repr(error)
            )
            return await self._salvage(consumer, source, before)
        after = position_of(consumer, source)
        if after is None or after <= before:
            return None
        self._read_to[Partition(*source)] = after
        return Part(found.get(source, ()), (), after)

    def _is_back(self, consumer: AIOKafkaConsumer, source: Partition, position: int) -> bool:
        """Whether the client has gone back by itself: the log ends before what was read, so it is another one."""
        assignment = consumer._subscription.subscription.assignment  # noqa: SLF001 - as in _seek_all
        if assignment is not self._assignment or position >= self._read_to.get(source, 0):
            return False
        self._went_back.add(source)
        return True

    async def _salvage(
        self, consumer: AIOKafkaConsumer, source: TP, offset: int, *, is_mute: bool = False
    ) -> KafkaPart | None:
        """What can be read from `offset` on; the client may have gone on from there without it."""
        position = position_of(consumer, source)
        try:
            found = await salvage_partition(consumer, source, offset, is_mute=is_mute)
        except KafkaError as error:
            log.warning("fetch_refused", topic=source.topic, partition=source.partition, error=repr(error))
            await asyncio.sleep(RETRY_SECONDS)
            return None
        if position is None or position_of(consumer, source) != position or found.next_offset <= offset:
            return None  # sought elsewhere meanwhile, or the broker gave nothing
        consumer.seek(source, found.next_offset)
        self._read_to[Partition(*source)] = found.next_offset
        return Part(found.records, found.damage, found.next_offset)

    # Seeking

    def _rewind(self, consumer: AIOKafkaConsumer) -> None:
        """Put every partition where the last seek wants it, unless another rebalance has begun: it will seek again."""
        assignment = consumer._subscription.subscription.assignment  # noqa: SLF001 - as in _seek_all
        if assignment is not None and assignment is self._assignment and assignment.active:
            for source, offset in self._offsets.items():
                consumer.seek(source, offset)
                self._read_to[source] = offset

    async def seek_all(self) -> Sought | None:
        """Put every owned partition at its committed offset; None during a rebalance, which will seek again."""
        return cast("Sought | None", await self.call_thread(self._seek_all))

    async def _seek_all(self) -> Sought | None:
        consumer = self._ensure_consumer()
        subscriptions = consumer._subscription  # noqa: SLF001 - the public API cannot tell one assignment from the next
        while True:
            assignment = subscriptions.subscription.assignment
            if assignment is None or not assignment.active:
                return None
            lives = await topic_lives(consumer._client, subscriptions.subscription.topics)  # noqa: SLF001 - as above
            starts = await find_starts(consumer, set(assignment.tps), lives, Before(self._seen, self._went_back))
            if subscriptions.subscription.assignment is assignment and assignment.active:
                break
        self._assignment, self._offsets = assignment, {source: one.offset for source, one in starts.items()}
        self._lives, self._topic_lives = {source: one.life for source, one in starts.items()}, lives
        self._seen |= lives
        self._went_back.clear()
        self._rewind(consumer)
        self.seek_epoch += 1
        anew = frozenset(source for source, one in starts.items() if one.is_anew)
        return Sought(self.seek_epoch, self._offsets, self._lives, anew)

    @override
    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        """Commit with the life of the topic: in another life the offset means nothing."""
        consumer = self._ensure_consumer()
        owned = self.assignment()
        told = {
            TopicPartition(*source): OffsetAndMetadata(offset, self._lives.get(Partition(*source), NO_LIFE))
            for source, offset in offsets.items()
            if source in owned
        }
        try:
            await consumer.commit(told)
        except UnknownTopicOrPartitionError as error:
            log.warning("commit_refused", topics=sorted({source.topic for source in told}), error=repr(error))
            return False
        except CommitFailedError:  # the group has given the partitions to others
            return False
        except Exception as error:  # noqa: BLE001 - as the method it replaces
            await self.crash(error)
            return False
        return True

    # Looking

    async def look_at_topics(self) -> Look | None:
        """Ask what topics there are; one that was made anew is read again after a rebalance, which begins now.

        None before the worker has told the client which topics it wants.
        """
        return cast("Look | None", await self.call_thread(self._look_at_topics))

    async def _look_at_topics(self) -> Look | None:
        consumer = self._ensure_consumer()
        subscriptions = consumer._subscription  # noqa: SLF001 - as in _seek_all
        if subscriptions.subscription is None:
            return None
        lives = await topic_lives(consumer._client, subscriptions.subscription.topics)  # noqa: SLF001 - as above
        assignment = subscriptions.subscription.assignment
        if assignment is None or assignment is not self._assignment or not assignment.active:
            return Look(lives, frozenset(lives), {})
        changed = {
            topic for topic in lives.keys() | self._topic_lives if lives.get(topic) != self._topic_lives.get(topic)
        }
        if changed or self._went_back:
            log.warning("topics_changed", topics=sorted(changed | {source.topic for source in self._went_back}))
            await consumer._client.force_metadata_update()  # noqa: SLF001 - else it is five minutes old at worst
            consumer._coordinator.request_rejoin()  # noqa: SLF001 - the one way to a new assignment
        states = {source: await self._fetch_state(source) for source in self._offsets}
        return Look(lives, frozenset(changed), states)

    async def fetch_state(self, source: Partition) -> FetchState | None:
        """How far a partition may be read; None before the first answer to a fetch."""
        return cast("FetchState | None", await self.call_thread(self._fetch_state, source))

    async def _fetch_state(self, source: Partition) -> FetchState | None:
        assignment = self._ensure_consumer()._subscription.subscription.assignment  # noqa: SLF001 - as in _seek_all
        if assignment is None or source not in assignment.tps:
            return None
        state = assignment.state_value(source)
        if state.highwater is None or state.timestamp is None:
            return None
        stable = state.highwater if state.lso is None or state.lso < 0 else state.lso
        return FetchState(stable, state.timestamp / 1000.0)
