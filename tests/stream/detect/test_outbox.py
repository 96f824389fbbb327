"""Appending: acknowledged, in order, whatever fails on the way."""

import asyncio
from collections.abc import Sequence

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    NotLeaderForPartitionError,
)
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.structs import RecordMetadata

from stream.detect.outbox import Message, Outbox, partition_of
from stream.kafka import open_producer
from stream.topics import ensure_topics
from tests.kafka import Kafka
from tests.stream.detect.storms import read_all

BATCH_BYTES = 400


class FlakyProducer:
    """A producer of three partitions that fails as scripted, one error (or None) a batch; else offsets are counted.

    Attributes:
        sent: (partition, records) of each batch tried.
    """

    def __init__(self, script: Sequence[KafkaError | None] = ()) -> None:
        self.sent: list[tuple[int, int]] = []
        self._script = list(script)

    async def partitions_for(self, _topic: str) -> set[int]:
        """Three."""
        return {0, 1, 2}

    def create_batch(self) -> BatchBuilder:
        """A small batch."""
        return BatchBuilder(BATCH_BYTES, 0)

    async def send_batch(self, batch: BatchBuilder, _topic: str, *, partition: int) -> asyncio.Future[RecordMetadata]:
        """Acknowledge or fail."""
        self.sent.append((partition, batch.record_count()))
        outcome: asyncio.Future[RecordMetadata] = asyncio.get_running_loop().create_future()
        error = self._script.pop(0) if self._script else None
        if error is None:
            place = TopicPartition("topic", partition)
            outcome.set_result(RecordMetadata("topic", partition, place, len(self.sent) - 1, 0, 0, 0))
        else:
            outcome.set_exception(error)
        return outcome


async def test_an_append_tells_the_offset() -> None:
    """That of the attempt that was acknowledged."""
    outbox = Outbox(FlakyProducer([KafkaConnectionError(), None]))
    offsets = [await outbox.append("topic", 2, message) for message in letters(2)]
    assert offsets == [1, 2]


def letters(count: int, size: int = 100) -> list[Message]:
    """Messages of one lane."""
    return [Message(key=None, value=b"x" * size) for _ in range(count)]


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(NotLeaderForPartitionError(), id="leader moved"),
        pytest.param(KafkaConnectionError(), id="connection lost"),
        pytest.param(KafkaTimeoutError(), id="given up by the client"),
    ],
)
async def test_what_may_not_have_arrived_is_sent_again_before_anything_later(error: KafkaError) -> None:
    """A later batch is never in the log without the earlier one."""
    producer = FlakyProducer([None, error])
    await Outbox(producer).publish("topic", letters(7))
    assert producer.sent == [(0, 3), (0, 3), (0, 3), (0, 1)]


async def test_what_no_waiting_cures_is_raised() -> None:
    """Nothing after it is sent."""
    producer = FlakyProducer([MessageSizeTooLargeError()])
    with pytest.raises(MessageSizeTooLargeError):
        await Outbox(producer).publish("topic", letters(7))
    assert producer.sent == [(0, 3)]


async def test_a_message_larger_than_a_batch_is_a_batch() -> None:
    """Pages are larger than the producer's usual batch."""
    producer = FlakyProducer()
    await Outbox(producer).publish("topic", [*letters(1), *letters(1, size=5000), *letters(1)])
    assert producer.sent == [(0, 1), (0, 1), (0, 1)]


async def test_nothing_to_publish_asks_nobody() -> None:
    """An empty batch of letters costs no request."""
    producer = FlakyProducer()
    await Outbox(producer).publish("topic", [])
    assert producer.sent == []


@pytest.mark.parametrize(
    ("key", "java_hash"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"abc", 479470107),
    ],
)
def test_keys_go_where_every_kafka_client_puts_them(key: bytes, java_hash: int) -> None:
    """The hashes are those of the Java client's own tests of murmur2."""
    assert partition_of(key, 8) == (java_hash & 0x7FFFFFFF) % 8


async def test_order_of_each_partition_is_kept_on_a_real_kafka(kafka: Kafka) -> None:
    """Thousands of messages of every size, also larger than a batch, arrive once and in order."""
    settings = kafka.settings(partitions=4)
    await ensure_topics(settings)
    sizes = [10, 70_000, 300, 1_500_000, 0]
    messages = [
        Message(key=b"%d" % number, value=b"%d " % number + b"x" * (sizes[number % 5] if number % 100 < 5 else 20))
        for number in range(3000)
    ]
    producer = await open_producer(settings.kafka)
    try:
        await Outbox(producer).publish(settings.topics.state, messages)
    finally:
        await producer.stop()
    logs = await read_all(settings.kafka, settings.topics.state)
    numbers = {partition: [int(record.key or b"") for record in records] for partition, records in logs.items()}
    wanted: dict[int, list[int]] = {partition: [] for partition in range(4)}
    for number in range(3000):
        wanted[partition_of(b"%d" % number, 4)].append(number)
    assert numbers == wanted
