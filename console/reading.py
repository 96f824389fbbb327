"""What the commands read from Kafka and write to it, as plain values."""

import asyncio
import contextlib
import threading
import time
import uuid
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Sequence

import msgspec
from aiokafka import TopicPartition

from detectors.signals import Notice
from remediations.chain import ChainReport
from remediations.records import Entry, Seen
from stream.audit.log import open_reader, verify_log
from stream.kafka import open_consumer, open_producer
from stream.settings import Settings
from stream.topics import require_topics

POLL_SECONDS = 0.5
# The whole roster is repeated once in `roster_seconds`: this many rounds surely hold it.
ROSTER_ROUNDS = 3
UNACKNOWLEDGED_MAXIMUM = 1000


async def read_notices(settings: Settings) -> list[Notice]:
    """The notices of the last rounds of the roster, oldest first; what can not be decoded is left out."""
    partition = TopicPartition(settings.topics.signals, 0)
    since = time.time() - ROSTER_ROUNDS * settings.detect.roster_seconds
    notices: list[Notice] = []
    await require_topics(settings.kafka, settings.topics.signals)
    consumer = await open_consumer(settings.kafka)
    try:
        consumer.assign([partition])
        end = (await consumer.end_offsets([partition]))[partition]
        first = (await consumer.offsets_for_times({partition: int(since * 1000)}))[partition]
        consumer.seek(partition, first.offset if first else end)
        while await consumer.position(partition) < end:
            found = await consumer.getmany(partition, timeout_ms=int(POLL_SECONDS * 1000))
            notices.extend(decoded(record.value or b"" for record in found.get(partition, [])))
    finally:
        await consumer.stop()
    return notices


def decoded(values: Iterable[bytes]) -> Iterator[Notice]:
    """The notices among these values."""
    decoder: msgspec.json.Decoder[Notice] = msgspec.json.Decoder(Notice)
    for value in values:
        with contextlib.suppress(msgspec.DecodeError):
            yield decoder.decode(value)


async def read_audit(settings: Settings) -> list[Entry]:
    """Every record of the audit log, as it is now."""
    await require_topics(settings.kafka, settings.topics.audit)
    async with open_reader(settings.kafka, settings.topics.audit) as reader:
        return [read.entry async for read in reader.read_all()]


async def verify_topic(settings: Settings, topic: str, checkpoints: Sequence[Seen]) -> ChainReport:
    """Check the whole chain of an audit log; TopicError if there is none to check."""
    await require_topics(settings.kafka, topic)
    return await verify_log(settings.kafka, topic, checkpoints)


async def tail_audit(settings: Settings, lines: int, *, follow: bool) -> AsyncGenerator[Entry]:
    """The newest `lines` records of the audit log; with `follow` then each new one, for ever."""
    await require_topics(settings.kafka, settings.topics.audit)
    async with open_reader(settings.kafka, settings.topics.audit) as reader:
        newest = deque([read.entry async for read in reader.read_all()], maxlen=lines)
        for entry in newest:
            yield entry
        if follow:
            async for read in reader.follow():
                yield read.entry


async def publish(settings: Settings, topic: str, lines: Iterable[bytes]) -> int:
    """Write each line that is not empty as one record, as soon as it is there; returns how many were acknowledged.

    All of them have one key, and so their order. TopicError for a topic that is not there.
    """
    await require_topics(settings.kafka, topic)
    producer = await open_producer(settings.kafka, linger_milliseconds=5)
    key = uuid.uuid4().bytes
    count, sent = 0, list[asyncio.Future[object]]()
    try:
        async for line in _arriving(lines):
            sent.append(await producer.send(topic, line.rstrip(b"\r\n"), key=key))
            if len(sent) == UNACKNOWLEDGED_MAXIMUM:
                count += len(await asyncio.gather(*sent))
                sent.clear()
        return count + len(await asyncio.gather(*sent))
    finally:
        await producer.stop()


async def _arriving(lines: Iterable[bytes]) -> AsyncIterator[bytes]:
    """The lines that are not empty. A thread waits for them: what was read before is sent meanwhile."""
    loop, found = asyncio.get_running_loop(), asyncio.Queue[bytes | None](UNACKNOWLEDGED_MAXIMUM)

    def read() -> None:
        with contextlib.suppress(RuntimeError):  # nobody listens any more
            for line in filter(bytes.strip, lines):
                asyncio.run_coroutine_threadsafe(found.put(line), loop).result()
            asyncio.run_coroutine_threadsafe(found.put(None), loop).result()

    threading.Thread(target=read, daemon=True, name="lines").start()
    while (line := await found.get()) is not None:
        yield line
