"""The signals topic as the engine reads it: signals and the roster, each with its offset."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from detectors.signals import Notice
from stream.audit.log import stop_client
from stream.errors import AuditError
from stream.kafka import open_consumer
from stream.settings import KafkaSettings

NOTICE_BYTES_MAXIMUM = 500_000
"""A signal becomes part of an audit record, which must fit into the audit topic: detect's own are far smaller."""


class NoticeReader:
    """Reads signals and roster entries, from a position derived from the audit log; made by `open_notices`.

    Attributes:
        damaged: How many records could not be decoded; they are skipped, and told in the log.
        next_offset: The offset that is read next.
    """

    def __init__(self, consumer: AIOKafkaConsumer, topic: str) -> None:
        self.damaged = 0
        self.next_offset = 0
        self._consumer = consumer
        self._partition = TopicPartition(topic, 0)
        self._decoder: msgspec.json.Decoder[Notice] = msgspec.json.Decoder(Notice)
        self._log = structlog.get_logger("tidegate.notices")

    async def seek(self, handled: int, since: float) -> None:
        """Stand after `handled`, the last offset that the audit log rests on, or at time `since` if that is earlier.

        Raises AuditError if the topic is shorter than the audit log says: then the log was not made from it.
        """
        topic, partition = self._partition.topic, self._partition
        try:
            end = (await self._consumer.end_offsets([partition]))[partition]
            found = await self._consumer.offsets_for_times({partition: int(since * 1000)})
        except KafkaError as error:
            raise AuditError(f"signals topic {topic} can not be read: {error!r}") from error
        if end <= handled:
            raise AuditError(
                f"signals topic {topic} ends at offset {end}, but the audit log rests on its record {handled}: "
                "they are not from the same cluster, nothing is run"
            )
        recent = found[partition]
        self.next_offset = min(handled + 1, recent.offset if recent else end)
        self._consumer.assign([partition])
        self._consumer.seek(partition, self.next_offset)

    async def read(self, timeout_seconds: float) -> list[tuple[int, Notice]]:
        """The next notices with their offsets; none if none came in time."""
        try:
            found = await self._consumer.getmany(self._partition, timeout_ms=int(timeout_seconds * 1000))
        except KafkaError as error:
            raise AuditError(f"signals topic {self._partition.topic} can not be read: {error!r}") from error
        notices = [self._decode(message) for message in found.get(self._partition, [])]
        return [notice for notice in notices if notice is not None]

    def rewind(self, offset: int) -> None:
        """Read from this offset again."""
        self.next_offset = offset
        self._consumer.seek(self._partition, offset)

    def _decode(self, message: ConsumerRecord) -> tuple[int, Notice] | None:
        self.next_offset = message.offset + 1
        value = message.value or b""
        problem = f"has {len(value)} bytes, wanted at most {NOTICE_BYTES_MAXIMUM}"
        if len(value) <= NOTICE_BYTES_MAXIMUM:
            try:
                return message.offset, self._decoder.decode(value)
            except msgspec.DecodeError as error:
                problem = str(error)
        self.damaged += 1
        self._log.error("notice.damaged", offset=message.offset, reason=problem)
        return None


@asynccontextmanager
async def open_notices(kafka: KafkaSettings, topic: str, handled: int, since: float) -> AsyncIterator[NoticeReader]:
    """A reader that stands where `NoticeReader.seek` says. Raises UnreachableError without a broker."""
    consumer = await open_consumer(kafka, client_id="tidegate-engine")
    try:
        reader = NoticeReader(consumer, topic)
        await reader.seek(handled, since)
        yield reader
    finally:
        await stop_client(consumer)
