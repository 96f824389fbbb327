"""The thread of the Kafka client: takes records partition by partition, and decides where reading begins.

What the client raises on the data of one partition stays with that partition: what can be read is read
(stream/salvage.py), what can not be is handed out as damage. Each fetch is tagged with the seek epoch it began in.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, cast, override

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord
from aiokafka.errors import ConsumerStoppedError, KafkaError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from stream.detect.offsets import Part, Partition
from stream.errors import StateError
from stream.salvage import position_of, salvage_partition, waiting

log = structlog.get_logger()

type KafkaPart = Part[ConsumerRecord[bytes, bytes]]

FETCH_WAIT_MILLISECONDS = 100
RETRY_SECONDS = 0.5


class Fetched(NamedTuple):
    """What was taken from the client, and the seek epoch it was taken in."""

    epoch: int
    parts: Mapping[TP, KafkaPart]


class Sought(NamedTuple):
    """The epoch a seek began, and where each partition was put."""

    epoch: int
    offsets: Mapping[Partition, int]


class FetchState(NamedTuple):
    """End of what may be read of a partition, and when the broker said so (epoch seconds)."""

    end_offset: int
    told_time: float


class BatchThread(driver.AIOKafkaConsumerThread):
    """Faust's thread of the client, which fetches and seeks without an await between."""

    seek_epoch = 0
    _assignment: Any = None  # that was sought last, and where to
    _offsets: Mapping[Partition, int] = {}

    @override
    def _create_worker_consumer(self, transport: driver.Transport) -> AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        # Faust fixes 1500 ms. A fetch that waits on a quiet partition holds up the next one on a busy partition.
        consumer._fetch_max_wait_ms = FETCH_WAIT_MILLISECONDS  # noqa: SLF001 - has no setting in Faust
        # What a transaction has not committed is nobody's to read. Faust ties this to transactions of its own.
        consumer._isolation_level = "read_committed"  # noqa: SLF001 - as above
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
        return parts

    async def _take(self, consumer: AIOKafkaConsumer, source: TP, maximum: int | None) -> KafkaPart | None:
        """What the client holds of one partition; None if that leads nowhere."""
        before = position_of(consumer, source)
        try:
            found = await consumer._fetcher.fetched_records([source], 0, maximum)  # noqa: SLF001 - as Faust
        except ConsumerStoppedError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a codec, a header or a checksum leads to
            log.warning(
                "fetch_damaged", topic=source.topic, partition=source.partition, offset=before, error=repr(error)
            )
            return await self._salvage(consumer, source)
        after = position_of(consumer, source)
        if before is None or after is None or after <= before:
            return None
        return Part(found.get(source, ()), (), after)

    async def _salvage(self, consumer: AIOKafkaConsumer, source: TP) -> KafkaPart | None:
        offset = position_of(consumer, source)
        if offset is None:
            return None
        try:
            found = await salvage_partition(consumer, source, offset)
        except KafkaError as error:
            log.warning("fetch_refused", topic=source.topic, partition=source.partition, error=repr(error))
            await asyncio.sleep(RETRY_SECONDS)
            return None
        if position_of(consumer, source) != offset or found.next_offset <= offset:
            return None  # sought elsewhere meanwhile, or the broker gave nothing
        consumer.seek(source, found.next_offset)
        return Part(found.records, found.damage, found.next_offset)

    # Seeking

    def _rewind(self, consumer: AIOKafkaConsumer) -> None:
        """Put every partition where the last seek wants it, unless another rebalance has begun: it will seek again."""
        assignment = consumer._subscription.subscription.assignment  # noqa: SLF001 - as in _seek_all
        if assignment is not None and assignment is self._assignment and assignment.active:
            for source, offset in self._offsets.items():
                consumer.seek(source, offset)

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
            offsets = await self._committed_offsets(consumer, set(assignment.tps))
            if subscriptions.subscription.assignment is assignment and assignment.active:
                break
        self._assignment, self._offsets = assignment, offsets
        self._rewind(consumer)
        self.seek_epoch += 1
        return Sought(self.seek_epoch, offsets)

    async def _committed_offsets(self, consumer: AIOKafkaConsumer, sources: set[TP]) -> dict[Partition, int]:
        if not sources:
            return {}
        committed = await consumer._coordinator.fetch_committed_offsets(list(sources))  # noqa: SLF001 - all in one request
        known = {source: entry.offset for source, entry in committed.items() if entry.offset >= 0}
        await self._check_ends(consumer, known)
        fresh = [source for source in sources if source not in known]
        if fresh:
            known.update(await consumer.beginning_offsets(fresh))
        return {Partition(source.topic, source.partition): offset for source, offset in known.items()}

    @staticmethod
    async def _check_ends(consumer: AIOKafkaConsumer, committed: Mapping[TP, int]) -> None:
        """A topic that was deleted and made again would be read in silence, and all of it taken for known."""
        for source, end in (await consumer.end_offsets(list(committed))).items() if committed else ():
            if committed[source] > end:
                raise StateError(
                    f"topic {source.topic} partition {source.partition} ends at offset {end}, but offset "
                    f"{committed[source]} is committed: it was made anew. Choose another detect.group and state topic."
                )

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
