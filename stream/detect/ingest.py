"""Ingest: the users' topics, any format and any key, become samples keyed by host."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping

import msgspec
from aiokafka import ConsumerRecord

from detectors.samples import Source
from stream.detect.deadletters import DeadLetters, Letter, letters_of
from stream.detect.outbox import Message, Publisher
from stream.detect.poison import guarded
from stream.detect.transport import KafkaBatch
from stream.metrics import DetectMetrics
from stream.wire import Decoded, Refused, WireLimits, decode

# The event loop also answers health checks: it is given back after this many records.
SLICE_RECORDS = 200


class Feed(msgspec.Struct, frozen=True):
    """One topic of the users: its wire format (a row of stream/wire/formats.py), and its name in metrics."""

    topic: str
    format_name: str
    source: str


class IngestWork:
    """What the steps know of the batch at hand: they fill it in, one after the other."""

    __slots__ = ("batch", "feed", "letters", "messages")

    def __init__(self, batch: KafkaBatch, feed: Feed) -> None:
        self.batch = batch
        self.feed = feed
        self.messages: list[Message] = []
        self.letters: list[Letter] = letters_of(batch.damage)


class Ingest:
    """The ingest agent's work on one batch, in `steps`."""

    def __init__(
        self,
        feeds: tuple[Feed, ...],
        samples_topic: str,
        limits: WireLimits,
        outbox: Publisher,
        dead_letters: DeadLetters,
        metrics: DetectMetrics,
    ) -> None:
        self._feeds: Mapping[str, Feed] = {feed.topic: feed for feed in feeds}
        self._samples_topic = samples_topic
        self._limits = limits
        self._outbox = outbox
        self._dead_letters = dead_letters
        self._metrics = metrics
        self.steps: tuple[Callable[[IngestWork], Awaitable[None]], ...] = (
            self.read_records,  # bytes → samples; what cannot be used → letters
            self.bury_refused,  # letters → dead-letter topic, acknowledged
            self.publish_samples,  # samples → samples topic, acknowledged, in order
            self.finish,  # only now may the records be committed
        )

    async def handle(self, batch: KafkaBatch) -> None:
        """Take one batch through all steps. An exception leaves it undone."""
        work = IngestWork(batch, self._feeds[batch.source.topic])
        for step in self.steps:
            await step(work)

    async def read_records(self, work: IngestWork) -> None:
        """Decode record by record, so that a bad one harms no other."""
        now = time.time()
        for place, record in enumerate(work.batch.records):
            if place % SLICE_RECORDS == SLICE_RECORDS - 1:
                await asyncio.sleep(0)
            self._read(work, record, now)

    async def bury_refused(self, work: IngestWork) -> None:
        """Write the letters."""
        await self._dead_letters.bury(work.letters)
        self._metrics.count_damage(work.batch.damage)
        for letter in work.letters:
            self._metrics.rejected.labels(letter.reason).inc()

    async def publish_samples(self, work: IngestWork) -> None:
        """Write the samples."""
        await self._outbox.publish(self._samples_topic, work.messages)

    async def finish(self, work: IngestWork) -> None:
        """The batch is done."""
        self._metrics.records.labels(work.feed.source).inc(len(work.batch.records))
        self._metrics.heartbeat.labels("ingest").set_to_current_time()
        work.batch.done()

    def _read(self, work: IngestWork, record: ConsumerRecord[bytes, bytes], now: float) -> None:
        outcome = guarded(lambda: self._decode(work, record, now), record)
        if isinstance(outcome, Letter):
            work.letters.append(outcome)
        else:
            self._accept(work, record, outcome)

    def _decode(self, work: IngestWork, record: ConsumerRecord[bytes, bytes], now: float) -> Decoded | Letter:
        source = Source(record.topic, record.partition, record.offset, life=work.batch.life)
        format_name = work.feed.format_name
        try:
            return decode(format_name, record.value, record.key, record.timestamp / 1000.0, source, self._limits, now)
        except Refused as refused:
            return Letter(record, refused.reason.value, refused.detail)

    def _accept(self, work: IngestWork, record: ConsumerRecord[bytes, bytes], decoded: Decoded) -> None:
        for sample in decoded.samples:
            work.messages.append(Message(key=sample.host.encode(), value=msgspec.json.encode(sample)))
        if decoded.refusal is not None:
            work.letters.append(Letter(record, decoded.refusal.reason.value, decoded.refusal.detail))
        for reason, count in Counter(decoded.dropped).items():
            self._metrics.dropped.labels(reason.value).inc(count)
