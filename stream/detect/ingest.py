"""Ingest: the users' topics, any format and any key, become samples keyed by host."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

import msgspec
from aiokafka import ConsumerRecord

from detectors.samples import Sample, Source, UnreadSample
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

    __slots__ = ("batch", "feed", "letters", "samples")

    def __init__(self, batch: KafkaBatch, feed: Feed) -> None:
        self.batch = batch
        self.feed = feed
        self.samples: list[Sample] = []
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
            self.read_records,  # bytes → samples, signs of life; what cannot be used → letters
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
        messages = [Message(sample.host.encode(), msgspec.json.encode(sample)) for sample in thinned(work.samples)]
        await self._outbox.publish(self._samples_topic, messages)

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
            self._accept(work, record, outcome, now)

    def _decode(self, work: IngestWork, record: ConsumerRecord[bytes, bytes], now: float) -> Decoded:
        source = Source(record.topic, record.partition, record.offset, life=work.batch.life)
        format_name = work.feed.format_name
        try:
            return decode(format_name, record.value, record.key, record.timestamp / 1000.0, source, self._limits, now)
        except Refused as refused:
            return Decoded(refused.signs, refusal=refused.refusal)

    def _accept(self, work: IngestWork, record: ConsumerRecord[bytes, bytes], decoded: Decoded, now: float) -> None:
        work.samples += [msgspec.structs.replace(sample, arrived=now) for sample in decoded.samples]
        if decoded.refusal is not None:
            work.letters.append(Letter(record, decoded.refusal.reason.value, decoded.refusal.detail))
        self._metrics.gaps.inc(decoded.gaps)
        for reason, count in Counter(decoded.dropped).items():
            self._metrics.dropped.labels(reason.value).inc(count)


def thinned(samples: Sequence[Sample]) -> Iterator[Sample]:
    """All readings in order, and the last sign of life of each host of which there is no reading."""
    read = {one.host for one in samples if not isinstance(one, UnreadSample)}
    latest = {one.host: one for one in samples if isinstance(one, UnreadSample) and one.host not in read}
    return (one for one in samples if latest.get(one.host) is one or not isinstance(one, UnreadSample))
