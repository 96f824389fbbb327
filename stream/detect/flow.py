"""The detect role: two agents of one Faust app (stream/detect/workers.py), on the batch transport.

    metrics, logs ─► INGEST steps (stream/detect/ingest.py) ─► samples topic
    samples       ─► DETECT steps (here)             ─► signals topic, state topic

Every worker runs both agents; Kafka's consumer group spreads the partitions of all topics over the workers.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

import msgspec
from aiokafka import ConsumerRecord

from detectors.commands import Answer, Order
from detectors.samples import Sample, UnreadSample
from detectors.signals import Signal
from stream.detect.deadletters import DeadLetters, Letter, LetterReason, letters_of
from stream.detect.ingest import SLICE_RECORDS
from stream.detect.orders import Orders
from stream.detect.outbox import Publisher
from stream.detect.poison import guarded
from stream.detect.shards import OwnedPartition, Shards
from stream.detect.transport import KafkaBatch
from stream.detect.watch import notice_messages
from stream.metrics import DetectMetrics


class DetectWork:
    """What the steps know of the batch at hand: they fill it in, one after the other."""

    __slots__ = ("answers", "batch", "letters", "partition", "samples", "signals")

    def __init__(self, batch: KafkaBatch, partition: OwnedPartition) -> None:
        self.batch = batch
        self.partition = partition
        self.samples: list[tuple[ConsumerRecord[bytes, bytes], Sample | Order]] = []
        self.answers: list[Answer] = []
        self.letters: list[Letter] = letters_of(batch.damage)
        self.signals: list[Signal] = []


class Detect:
    """The detect agent's work on one batch, in `steps`."""

    def __init__(
        self,
        shards: Shards,
        signals_topic: str,
        orders: Orders,
        outbox: Publisher,
        dead_letters: DeadLetters,
        metrics: DetectMetrics,
    ) -> None:
        self._shards = shards
        self._signals_topic = signals_topic
        self._orders = orders
        self._outbox = outbox
        self._dead_letters = dead_letters
        self._metrics = metrics
        self._decoder: msgspec.json.Decoder[Sample | Order] = msgspec.json.Decoder(Sample | Order)
        self.steps: tuple[Callable[[DetectWork], Awaitable[None]], ...] = (
            self.read_samples,  # bytes → samples and orders; what is none → letters
            self.apply_samples,  # samples, orders → models → signals, answers, states that are saved
            self.bury_refused,  # letters → dead-letter topic, acknowledged
            self.publish_signals,  # signals → signals topic, acknowledged
            self.publish_answers,  # answers to orders → commands topic, acknowledged
            self.note_changes,  # changed rows → pages to save; the batch is done when they are durable
        )

    async def handle(self, batch: KafkaBatch) -> None:
        """Take one batch through all steps, alone with its partition. An exception leaves it undone."""
        partition = self._shards.get(batch.source.partition)
        if partition is None:
            return
        work = DetectWork(batch, partition)
        async with partition.lock:
            for step in self.steps:
                await step(work)

    async def read_samples(self, work: DetectWork) -> None:
        """Decode record by record."""
        for place, record in enumerate(work.batch.records):
            if place % SLICE_RECORDS == SLICE_RECORDS - 1:
                await asyncio.sleep(0)
            try:
                work.samples.append((record, self._decoder.decode(record.value or b"")))
            except msgspec.DecodeError as error:
                work.letters.append(Letter(record, LetterReason.BAD_SAMPLE.value, str(error)))

    async def apply_samples(self, work: DetectWork) -> None:
        """Apply record by record: the signals of the records before one that raises are not lost with it."""
        now = time.time()
        before = msgspec.structs.asdict(work.partition.shard.refusals)
        for place, (record, sample) in enumerate(work.samples):
            if place % SLICE_RECORDS == SLICE_RECORDS - 1:
                await asyncio.sleep(0)
            if isinstance(sample, Order):
                await self._obey(work, record, sample)
                continue
            self._apply(work, record, sample)
            if work.partition.shard.taken:
                await self._orders.save_states(work.partition.number, work.partition.shard)
            if not isinstance(sample, UnreadSample):
                self._metrics.samples.inc()
                self._metrics.lag.observe(max(0.0, now - sample.time))
        self._count_left_out(before, msgspec.structs.asdict(work.partition.shard.refusals))

    def _count_left_out(self, before: dict[str, int], now: dict[str, int]) -> None:
        for kind, count in now.items():
            self._metrics.left_out.labels(kind).inc(count - before[kind])

    def _apply(self, work: DetectWork, record: ConsumerRecord[bytes, bytes], sample: Sample) -> None:
        outcome = guarded(lambda: work.partition.shard.apply([(record.offset, sample)]), record)
        if isinstance(outcome, Letter):
            work.letters.append(outcome)
        else:
            work.signals.extend(outcome)

    async def _obey(self, work: DetectWork, record: ConsumerRecord[bytes, bytes], order: Order) -> None:
        partition = work.partition
        signals, answers = await self._orders.obey(partition.number, partition.shard, record.offset, order)
        work.signals.extend(signals)
        work.answers.extend(answers)

    async def bury_refused(self, work: DetectWork) -> None:
        """Write the letters."""
        await self._dead_letters.bury(work.letters)
        self._metrics.count_damage(work.batch.damage)
        for letter in work.letters:
            self._metrics.rejected.labels(letter.reason).inc()

    async def publish_signals(self, work: DetectWork) -> None:
        """Write the signals."""
        await self._outbox.publish(self._signals_topic, notice_messages(work.signals))
        for signal in work.signals:
            self._metrics.signals.labels(signal.kind.value, signal.state.value).inc()

    async def publish_answers(self, work: DetectWork) -> None:
        """Write the answers."""
        await self._orders.publish(work.answers)

    async def note_changes(self, work: DetectWork) -> None:
        """Hand the batch over to the saving of state."""
        self._metrics.records.labels("samples").inc(len(work.batch.records))
        self._metrics.heartbeat.labels("detect").set_to_current_time()
        work.partition.note_changes(work.batch.next_offset, work.batch)
