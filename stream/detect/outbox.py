"""Appends to topics so that a record is acknowledged before anything rests on it, and order is never broken.

Each partition is a lane: a batch of it is sent only after the one before was acknowledged, and what may not have
arrived is sent again in the same order. So a reader that skips what it has seen before never skips anything new.
"""

import asyncio
import functools
from collections import defaultdict
from collections.abc import Sequence
from typing import Protocol

import msgspec
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, KafkaTimeoutError, UnknownTopicOrPartitionError
from aiokafka.partitioner import murmur2
from aiokafka.producer.message_accumulator import BatchBuilder

log = structlog.get_logger()

RETRY_FIRST_SECONDS = 0.1
RETRY_MAXIMUM_SECONDS = 2.0


class Message(msgspec.Struct, frozen=True):
    """A record to append. Without `partition` the key chooses it as every Kafka client does; without a key it is 0."""

    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()
    partition: int | None = None


class Publisher(Protocol):
    """Appends to topics; `Outbox` is the one in use."""

    async def publish(self, topic: str, messages: Sequence[Message]) -> None:
        """Append all messages; returns when all are acknowledged."""


@functools.lru_cache(maxsize=65_536)
def partition_of(key: bytes, partitions: int) -> int:
    """The partition that Kafka's default partitioner gives a key."""
    return int((murmur2(key) & 0x7FFFFFFF) % partitions)


class Outbox:
    """Publishes through one idempotent producer, which its owner starts and stops."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer
        self._partitions: dict[str, int] = {}

    async def publish(self, topic: str, messages: Sequence[Message]) -> None:
        """Append all messages; returns when all are acknowledged, however long Kafka is away.

        Messages of one partition keep their order. Raises KafkaError for what no waiting cures.
        """
        if not messages:
            return
        partitions = await self._partition_count(topic)
        lanes: dict[int, list[Message]] = defaultdict(list)
        for message in messages:
            lanes[self._lane_of(message, partitions)].append(message)
        try:
            async with asyncio.TaskGroup() as group:
                for partition, lane in lanes.items():
                    group.create_task(self._publish_lane(topic, partition, lane))
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from failed

    async def append(self, topic: str, partition: int, message: Message) -> int:
        """Append one message to this partition; its offset, -1 if the broker could not tell. As `publish`."""
        _end, offset = await self._publish_chunk(topic, partition, [message], 0)
        return offset

    async def _partition_count(self, topic: str) -> int:
        known = self._partitions.get(topic)
        if known is None:
            found = await self._producer.partitions_for(topic)
            if not found:
                raise UnknownTopicOrPartitionError(f"topic {topic} has no partitions")
            known = self._partitions[topic] = len(found)
        return known

    @staticmethod
    def _lane_of(message: Message, partitions: int) -> int:
        if message.partition is not None:
            return message.partition
        return 0 if message.key is None else partition_of(message.key, partitions)

    async def _publish_lane(self, topic: str, partition: int, lane: Sequence[Message]) -> None:
        start = 0
        while start < len(lane):
            start, _offset = await self._publish_chunk(topic, partition, lane, start)

    async def _publish_chunk(self, topic: str, partition: int, lane: Sequence[Message], start: int) -> tuple[int, int]:
        """Append as many messages from `start` on as fit one batch; the index of the next, the offset of the first."""
        pause = RETRY_FIRST_SECONDS
        while True:
            builder, end = self._fill(lane, start)
            try:
                acknowledged = await self._producer.send_batch(builder, topic, partition=partition)
                written = await acknowledged
            except KafkaError as error:
                if not (error.retriable or isinstance(error, KafkaTimeoutError)):
                    raise
                log.warning("publish_retried", topic=topic, partition=partition, error=repr(error), after_seconds=pause)
            else:
                return end, int(written.offset)
            await asyncio.sleep(pause)
            pause = min(2 * pause, RETRY_MAXIMUM_SECONDS)

    def _fill(self, lane: Sequence[Message], start: int) -> tuple[BatchBuilder, int]:
        builder = self._producer.create_batch()
        end = start
        while end < len(lane):
            message = lane[end]
            added = builder.append(key=message.key, value=message.value, timestamp=None, headers=list(message.headers))
            if added is None:
                break
            end += 1
        builder.close()
        return builder, end
