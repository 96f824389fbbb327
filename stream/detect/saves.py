"""The models topic: saved states of models to go back to, each found by its offset.

They are not in the state topic: that is read as a whole at every recovery, these only when somebody goes back. The key
is one of a few slots of a host, so compaction keeps a bounded number of states of each host.
"""

import asyncio
import zlib
from typing import Protocol

import structlog
from aiokafka import TopicPartition

from detectors.saves import SavedState, TakenState
from stream.detect.outbox import Message
from stream.errors import UnreachableError
from stream.kafka import RECORD_BYTES_MAXIMUM, open_consumer
from stream.settings import KafkaSettings

log = structlog.get_logger()

READ_SECONDS = 30.0
FETCH_BYTES = 4 * 1024  # a fetch gives one whole record, however large, and with this no second one
FRAME_BYTES_MAXIMUM = 16 * 1024
PACK_LEVEL = 1  # halves a row in 3 ms; higher levels gain nothing
UNPACKED_BYTES_MAXIMUM = 64 * 1024 * 1024


class Appender(Protocol):
    """Appends one message to a partition and tells its offset; `stream.detect.outbox.Outbox` is the one in use."""

    async def append(self, topic: str, partition: int, message: Message) -> int:
        """Append one message; its offset, -1 if the broker could not tell."""


class ModelStore(Protocol):
    """Where saved states are kept; `ModelsTopic` is the one in use."""

    async def write(self, partition: int, taken: TakenState) -> SavedState | None:
        """Keep a state; returns its place when it is durable, None if it has none."""

    async def read(self, partition: int, host: str, state: SavedState) -> bytes | None:
        """The row of a saved state; None if it is gone."""


def key_of(host: str, slot: int) -> bytes:
    """The key of a slot of a host."""
    return f"{slot}@{host}".encode()


def host_of(key: bytes | None) -> str:
    """The host of a key, empty for a key of another form."""
    return (key or b"").partition(b"@")[2].decode(errors="replace")


def unpacked(value: bytes) -> bytes:
    """The row of a record; what is damaged is given as it is, and no model will take it."""
    try:
        return zlib.decompressobj().decompress(value, UNPACKED_BYTES_MAXIMUM)
    except zlib.error:
        return value


class ModelsTopic:
    """Access to the saved states of all partitions of `topic`."""

    def __init__(self, kafka: KafkaSettings, topic: str, outbox: Appender) -> None:
        self._kafka = kafka
        self._topic = topic
        self._outbox = outbox

    async def write(self, partition: int, taken: TakenState) -> SavedState | None:
        """Keep a state; returns its place when it is acknowledged, None if it is too large or its place is unknown.

        Raises KafkaError.
        """
        packed = zlib.compress(taken.row, PACK_LEVEL)
        size = len(packed)
        if size > RECORD_BYTES_MAXIMUM - FRAME_BYTES_MAXIMUM:
            log.warning("state_too_large_to_save", host=taken.host, bytes=size, limit=RECORD_BYTES_MAXIMUM)
            return None
        message = Message(key=key_of(taken.host, taken.slot), value=packed)
        offset = await self._outbox.append(self._topic, partition, message)
        return SavedState(taken.time, offset, size) if offset >= 0 else None

    async def read(self, partition: int, host: str, state: SavedState) -> bytes | None:
        """The row of a saved state; None if it is gone. Raises KafkaError, UnreachableError."""
        source = TopicPartition(self._topic, partition)
        consumer = await open_consumer(
            self._kafka, client_id="tidegate-models", max_partition_fetch_bytes=FETCH_BYTES, auto_offset_reset="none"
        )
        try:
            consumer.assign([source])
            beginning = (await consumer.beginning_offsets([source]))[source]
            end = (await consumer.end_offsets([source]))[source]
            if not beginning <= state.offset < end:
                return None
            consumer.seek(source, state.offset)
            async with asyncio.timeout(READ_SECONDS):
                record = await consumer.getone(source)
        except TimeoutError as error:
            servers = self._kafka.bootstrap_servers
            raise UnreachableError(f"{servers} gave no record of {self._topic} for {READ_SECONDS:g} s") from error
        finally:
            await consumer.stop()
        # Where compaction has removed the record, the next one that is left comes instead.
        return unpacked(record.value or b"") if record.offset == state.offset and host_of(record.key) == host else None
