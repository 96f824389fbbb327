"""Faust's aiokafka transport, changed to deliver one event per fetched batch and to commit only what is done.

Stock Faust spends 80 microseconds on a record and acks a record whose agent raised. Here an agent receives a
`Batch`; Faust's own ack never commits, only `Batch.done()` does, as the longest contiguous prefix (offsets.py).

At a revoke and at stop: flow off, batch in flight ends, `PartitionOwner.settle`, commit, forget. At an assignment:
`PartitionOwner.recover`, committed offsets, one synchronous seek of all partitions, flow on. A fetch that waited
through that seek is taken back: what it took would be delivered by nobody.

It overrides private methods of faust-streaming 0.15.3 and aiokafka 0.14.0, which are pinned exactly for that reason.
"""

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Collection, Iterable, Iterator, Mapping
from typing import Any, NoReturn, Protocol, cast, override

import faust
import structlog
from aiokafka import ConsumerRecord
from aiokafka.errors import KafkaError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, AppT
from faust.types.tuples import ConsumerMessage, Message
from mode.utils.futures import notify

from stream.detect.client_thread import BatchThread, Fetched, FetchState, Look
from stream.detect.offsets import Batch, Deliveries, Partition
from stream.errors import StreamError

log = structlog.get_logger()

type KafkaBatch = Batch[ConsumerRecord[bytes, bytes]]

# sysexits.h EX_SOFTWARE: a supervisor starts the worker again, and it continues from what is committed.
FAIL_STOP_STATUS = 70
# Recovery ends before Faust's own limit (broker_request_timeout), which would switch the flow on without it.
RECOVER_SECONDS = 50.0
REQUEST_SECONDS = 60.0
# How long one fetch waits in the consumer thread, and the broker with it, while there is nothing to read.
FETCH_SECONDS = 1.0
IDLE_SECONDS = 0.05
CREATE_TIME = 0


def fail_stop(reason: str) -> NoReturn:
    """End the process at once, committing nothing more: the only safe answer when a promise cannot be kept."""
    log.critical("fail_stop", reason=reason, exit_status=FAIL_STOP_STATUS)
    sys.stderr.flush()
    os._exit(FAIL_STOP_STATUS)


class PartitionOwner(Protocol):
    """What keeps state for the partitions; called by the consumer with the flow off."""

    async def recover(self, assigned: frozenset[Partition], generation: int) -> None:
        """Load the state of exactly these partitions, before their first record."""

    def begin(
        self, offsets: Mapping[Partition, int], lives: Mapping[Partition, str], anew: Collection[Partition]
    ) -> None:
        """The partitions are owned, and read from these offsets on, which count in these lives of their topics.

        Those in `anew` were read in another life before.
        """

    async def settle(self) -> None:
        """Make durable what is processed, in bounded time, and call `done()` on it."""

    def forget(self) -> None:
        """The partitions are no longer owned."""


class BatchSchema(faust.Schema[Any, Any]):
    """Hands the batch through as it is: agents decode records themselves."""

    @override
    def loads_key(self, app: AppT, message: Message, *, loads: Any = None, serializer: Any = None) -> None:
        return None

    @override
    def loads_value(self, app: AppT, message: Message, *, loads: Any = None, serializer: Any = None) -> object:
        return message.value


class BatchConsumer(driver.Consumer):
    """Faust's consumer with batches for messages and `done()` for acks."""

    _thread: BatchThread

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - Faust's own signature
        super().__init__(*args, **kwargs)
        self.deliveries: Deliveries[ConsumerRecord[bytes, bytes]] = Deliveries()
        self._owner = cast("BatchTransport", self.transport).owner
        self._revoke_lock = asyncio.Lock()
        self._settle_lock = asyncio.Lock()

    @override
    def _new_consumer_thread(self) -> BatchThread:
        return BatchThread(self, loop=self.loop, beacon=self.beacon)

    # Acks and commits

    @override
    def ack(self, message: Message) -> bool:
        """Faust has let go of a batch, for whatever reason: wake who waits for that, make nothing committable."""
        if not message.acked:
            message.acked = True
            self._unacked_messages.discard(message)
            notify(self._waiting_for_ack)
        return False

    @override
    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        for source in self.deliveries.owned():
            if topics is None or source in topics or source.topic in topics:
                yield cast("TP", source)

    @override
    def _new_offset(self, tp: TP) -> int | None:
        progress = self.deliveries.progress(cast("Partition", tp))
        return None if progress is None else progress.committable()

    @override
    def _should_commit(self, tp: TP, offset: int) -> bool:
        progress = self.deliveries.progress(cast("Partition", tp))
        return progress is not None and offset > progress.committed_offset

    @override
    async def _commit_offsets(self, offsets: Mapping[TP, int], start_new_transaction: bool = True) -> bool:
        asked = {tp: self.deliveries.progress(cast("Partition", tp)) for tp in offsets}
        did_commit = await super()._commit_offsets(offsets, start_new_transaction=start_new_transaction)
        if did_commit:
            for tp, progress in asked.items():
                if progress is not None:
                    progress.committed(offsets[tp])
        return did_commit

    # Losing partitions

    @override
    async def wait_empty(self) -> None:
        """Called by Faust with the flow off, at a revoke and at stop, which can meet."""
        async with self._settle_lock:
            await super().wait_empty()
            await self._owner.settle()
            await self.commit()

    @override
    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        async with self._revoke_lock:
            await super().on_partitions_revoked(revoked)
            async with self._settle_lock:  # a stop may be settling
                # The protocol is the eager one: every partition was revoked.
                self.deliveries.drop()
                self._owner.forget()

    @override
    async def on_stop(self) -> None:
        """Called by Faust before the client's thread stops, which waits for a revoke, but answers its commit no more.

        So a revoke that is on ends first; one that comes later commits nothing.
        """
        async with self._revoke_lock:
            await super().on_stop()

    # Gaining partitions

    @override
    async def perform_seek(self) -> None:
        """Called by Faust after an assignment, outside the join: heartbeats go on meanwhile."""
        self.deliveries.drop()
        generation = self.app.consumer_generation_id
        assigned = frozenset(Partition(tp.topic, tp.partition) for tp in self.assignment())
        try:
            async with asyncio.timeout(RECOVER_SECONDS):
                await self._owner.recover(assigned, generation)
                sought = await self._thread.seek_all()
        except (TimeoutError, StreamError, KafkaError) as error:
            fail_stop(f"partitions {sorted(assigned)} could not be recovered in {RECOVER_SECONDS:.0f} s: {error!r}")
        if sought is None or generation != self.app.consumer_generation_id:
            return
        self._read_offset.update(cast("Mapping[TP, int]", sought.offsets))
        self._owner.begin(sought.offsets, sought.lives, sought.anew)
        self.deliveries.begin(sought.epoch, sought.offsets, sought.lives)

    async def fetch_state(self, source: Partition) -> FetchState | None:
        """How far the log of a partition reaches; None if that is not known, or the client stops."""
        return None if self.should_stop else await self._thread.fetch_state(source)

    async def look_at_topics(self) -> Look | None:
        """What becomes of the topics and partitions that are read; None if the client stops or only begins. Raises
        KafkaError.
        """
        return None if self.should_stop else await self._thread.look_at_topics()

    # Delivery

    @override
    async def _drain_messages(self, fetcher: Any) -> None:
        try:
            while not (self._stopped.is_set() or fetcher._stopped.is_set()):  # noqa: SLF001 - as the method it replaces
                await self._drain_once()
        except self.consumer_stopped_errors:
            if not self.app.should_stop:
                raise
        except asyncio.CancelledError:
            # Faust crashes a fetcher that is cancelled in a rebalance, to restart it. At stop that would end the thread
            # of the client while commits still wait for it, until the deadline.
            if not fetcher._stopped.is_set():  # noqa: SLF001 - as above
                raise

    async def _drain_once(self) -> None:
        if not self.flow_active:
            await self.wait(cast("Awaitable[None]", self.can_resume_flow))
            return
        active = self._get_active_partitions()
        if not active:
            await self.sleep(IDLE_SECONDS)
            return
        # A copy: Faust changes the set when a buffer fills, while the thread reads it.
        fetched = await self._thread.getmany(set(active), FETCH_SECONDS)
        if fetched and not self.should_stop:
            await self._deliver(cast("Fetched", fetched))
        await asyncio.sleep(0)

    async def _deliver(self, fetched: Fetched) -> None:
        for tp, part in fetched.parts.items():
            if not (self.flow_active and self.deliveries.is_current(fetched.epoch)):
                return
            source = Partition(tp.topic, tp.partition)
            batch = self.deliveries.deliver(fetched.epoch, source, part)
            if batch is None:
                continue
            self.app.monitor.track_tp_end_offset(tp, self.highwater(tp))
            # Suspending the flow gives the batch up: it was not done, so the next owner reads it again.
            await self.wait_first(self.callback(self._message(batch)), self.suspend_flow.wait())
            self._read_offset[cast("TP", source)] = batch.next_offset

    def _message(self, batch: KafkaBatch) -> ConsumerMessage:
        return ConsumerMessage(
            batch.source.topic,
            batch.source.partition,
            batch.next_offset - 1,
            time.time(),
            CREATE_TIME,
            None,
            None,
            cast("bytes", batch),
            None,
            0,
            0,
            tp=cast("TP", batch.source),
            generation_id=self.app.consumer_generation_id,
        )


class BatchTransport(driver.Transport):
    """Install with `app.transport = BatchTransport(app.conf.broker_consumer, app, owner)`."""

    Consumer = BatchConsumer

    def __init__(self, url: Iterable[Any], app: faust.App, owner: PartitionOwner) -> None:
        super().__init__(list(url), app)
        self.owner = owner
