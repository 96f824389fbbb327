"""What the demo reads of Tidegate: the signals topic and the audit topic, folded into the story.

It lives in slices: the owner polls it, and between two polls nothing of it runs. So the demo needs no thread, and
whatever interrupts it finds it at rest.
"""

import msgspec
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from console.demo.story import Story, hear, read
from detectors.signals import Notice
from remediations.chain import ChainReport, Link, verify
from remediations.records import Entry
from stream.audit.cloudevents import decode
from stream.kafka import open_consumer
from stream.settings import Settings

END_SECONDS = 10.0

_NOTICES: msgspec.json.Decoder[Notice] = msgspec.json.Decoder(Notice)


class Feed:
    """Reads both topics from their beginning."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._signals = TopicPartition(settings.topics.signals, 0)
        self._audit = TopicPartition(settings.topics.audit, 0)
        self._consumer: AIOKafkaConsumer | None = None

    async def open(self) -> None:
        """Connect and stand before the first record of both topics."""
        self._consumer = await open_consumer(self._settings.kafka, client_id="tidegate-demo")
        self._consumer.assign([self._signals, self._audit])

    async def poll(self, story: Story, seconds: float) -> Story:
        """The story with what arrives within `seconds`, returning at the first arrival."""
        assert self._consumer is not None  # noqa: S101 - opened before it is polled
        found = await self._consumer.getmany(timeout_ms=int(seconds * 1000))
        for record in found.get(self._signals, []):
            story = _heard(story, record)
        for record in found.get(self._audit, []):
            story = _read(story, record)
        return story

    async def close(self) -> None:
        """Disconnect."""
        if self._consumer is not None:
            await self._consumer.stop()


def _heard(story: Story, record: ConsumerRecord) -> Story:
    try:
        notice = _NOTICES.decode(record.value or b"")
    except msgspec.DecodeError:
        return story  # told by the engine, which reads the same topic
    return hear(story, notice, record.timestamp / 1000)


def _read(story: Story, record: ConsumerRecord) -> Story:
    try:
        event = decode(record.value)
    except msgspec.DecodeError:
        return story  # found by the check of the chain
    return read(story, Entry(record.offset, record.timestamp / 1000, event.record, event.seen))


async def verify_audit(settings: Settings) -> ChainReport:
    """Read the whole audit topic anew from the broker and check its chain."""
    partition = TopicPartition(settings.topics.audit, 0)
    consumer = await open_consumer(settings.kafka, client_id="tidegate-demo")
    links: list[Link] = []
    try:
        consumer.assign([partition])
        end = (await consumer.end_offsets([partition]))[partition]
        while len(links) < end:
            found = await consumer.getmany(partition, timeout_ms=int(END_SECONDS * 1000))
            if not found:
                break  # fewer records than offsets: the check names the gap
            links += [_link(record) for record in found[partition]]
    finally:
        await consumer.stop()
    return verify(links)


def _link(record: ConsumerRecord) -> Link:
    try:
        return Link(record.offset, record.value or b"", decode(record.value).seen)
    except msgspec.DecodeError:
        return Link(record.offset, record.value or b"", None)
