"""Clients of Kafka: the one place that knows how Tidegate connects, and what it promises by its client settings."""

import asyncio
from operator import attrgetter
from typing import Protocol, cast, override

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import CorruptRecordException, KafkaConnectionError, KafkaError, UnsupportedCodecError

from stream import forms
from stream.damage import DamageReason, KafkaRecord
from stream.errors import SettingsError, UnreachableError
from stream.salvage import position_of, salvage_partition, waiting
from stream.settings import KafkaSettings

log = structlog.get_logger()

CONNECT_SECONDS = 30.0
RETRY_SECONDS = 0.5
OF_DATA = (CorruptRecordException, UnsupportedCodecError)  # what the client raises on what it has read
RECORD_BYTES_MAXIMUM = 2_000_000
"""Largest request of our producers; the state and dead-letter topics take records of this size."""


class TolerantConsumer(AIOKafkaConsumer):  # type: ignore[misc]  # aiokafka ships no types
    """A consumer that goes on where its client gives up: at a header key, a checksum or a codec.

    A record of which only a header can not be read is given without headers. Other damage is skipped and told in the
    log; with `auto_offset_reset="none"`, which is for logs that must be whole, it raises.
    """

    def __init__(self, *topics: str, **settings: object) -> None:
        super().__init__(*topics, **settings)
        self._must_be_whole = settings.get("auto_offset_reset") == "none"

    @override
    async def getmany(
        self, *partitions: TopicPartition, timeout_ms: int = 0, max_records: int | None = None
    ) -> dict[TopicPartition, list[KafkaRecord]]:
        """As the client's own."""
        try:
            found = await super().getmany(*partitions, timeout_ms=timeout_ms, max_records=max_records)
        except Exception as error:  # whatever a codec, a header or a checksum leads to
            if isinstance(error, KafkaError) and not isinstance(error, OF_DATA):
                raise
            found = {}
            for source in waiting(self, partitions or self.assignment()):
                found[source] = await self._salvaged(source, error)
        return cast("dict[TopicPartition, list[KafkaRecord]]", found)

    async def _salvaged(self, source: TopicPartition, error: Exception) -> list[KafkaRecord]:
        offset = position_of(self, source)
        if offset is None:
            return []
        found = await salvage_partition(self, source, offset)
        lost = [one for one in found.damage if one.reason is not DamageReason.HEADER_KEY]
        if lost and self._must_be_whole:
            raise CorruptRecordException(f"{source.topic} at offset {lost[0].record.offset}: {error!r}") from error
        for one in lost:
            log.error("record_damaged", topic=source.topic, offset=one.record.offset, reason=one.reason.value)
        self.seek(source, found.next_offset)
        kept = [one.record for one in found.damage if one.reason is DamageReason.HEADER_KEY]
        return sorted([*found.records, *kept], key=attrgetter("offset"))


class Startable(Protocol):
    """What the kinds of client have in common."""

    async def start(self) -> None:
        """Connect."""


def connection(kafka: KafkaSettings) -> dict[str, object]:
    """Keyword arguments that every aiokafka client needs to connect; SettingsError if the servers are named badly."""
    problem = forms.servers(kafka.bootstrap_servers)
    if problem:
        raise SettingsError(f"kafka.bootstrap_servers is {kafka.bootstrap_servers!r}, {problem}.")
    servers = [server.strip() for server in kafka.bootstrap_servers.split(",")]
    return {"bootstrap_servers": servers}


async def open_producer(
    kafka: KafkaSettings,
    *,
    client_id: str = "tidegate",
    linger_milliseconds: int = 0,
    wait_seconds: float = CONNECT_SECONDS,
) -> AIOKafkaProducer:
    """Connected producer: a send that was awaited is on all in-sync replicas, once and in order. The caller stops it.

    A broker that is away for less than 40 s delays sends and fails none. UnreachableError as `reach`.
    """
    await reach(kafka, wait_seconds)
    producer = AIOKafkaProducer(
        **connection(kafka),
        client_id=client_id,
        acks="all",
        enable_idempotence=True,
        linger_ms=linger_milliseconds,
        compression_type=None,
        max_batch_size=65_536,
        max_request_size=RECORD_BYTES_MAXIMUM,
        request_timeout_ms=40_000,
    )
    try:
        await _start(producer, kafka)
    except BaseException:
        await producer.stop()
        raise
    return producer


async def open_consumer(
    kafka: KafkaSettings,
    *topics: str,
    client_id: str = "tidegate",
    group: str | None = None,
    wait_seconds: float = CONNECT_SECONDS,
    **changes: object,
) -> AIOKafkaConsumer:
    """Connected consumer that reads from the earliest record and commits only when told. The caller stops it.

    Without `topics` it has nothing assigned yet: call `assign`. `changes` are further aiokafka settings.
    In a group it returns when it has its partitions, however long the group takes. UnreachableError as `reach`.
    """
    await reach(kafka, wait_seconds)
    settings: dict[str, object] = {
        "group_id": group,
        "auto_offset_reset": "earliest",
        "enable_auto_commit": False,
        "isolation_level": "read_committed",
    }
    consumer = TolerantConsumer(*topics, **connection(kafka), client_id=client_id, **(settings | changes))
    try:
        await _start(consumer, kafka)
    except BaseException:
        await consumer.stop()
        raise
    return consumer


async def open_admin(kafka: KafkaSettings, *, wait_seconds: float = CONNECT_SECONDS) -> AIOKafkaAdminClient:
    """Connected admin client; the caller closes it. Its answers carry error codes: they must be looked at.

    Never use its `alter_configs`: it resets every setting that the call does not name. UnreachableError as `reach`.
    """
    await reach(kafka, wait_seconds)
    admin = AIOKafkaAdminClient(**connection(kafka))
    try:
        await _start(admin, kafka)
    except BaseException:
        await admin.close()
        raise
    return admin


async def reach(kafka: KafkaSettings, wait_seconds: float = CONNECT_SECONDS) -> None:
    """Return when a broker answers a metadata request; UnreachableError names the servers after `wait_seconds`."""
    client = AIOKafkaClient(**connection(kafka))
    reason = "no answer"
    try:
        async with asyncio.timeout(wait_seconds):
            while True:
                try:
                    await client.bootstrap()
                except KafkaConnectionError as error:
                    reason = str(error)
                else:
                    return
                await asyncio.sleep(RETRY_SECONDS)
    except TimeoutError as error:
        raise UnreachableError(
            f"No Kafka broker answers at {kafka.bootstrap_servers} (waited {wait_seconds:g} s): {reason}"
        ) from error
    finally:
        await client.close()


async def _start(client: Startable, kafka: KafkaSettings) -> None:
    """Start a client after `reach`: no deadline, as joining a group may rightly take longer than connecting."""
    try:
        await client.start()
    except KafkaConnectionError as error:
        raise UnreachableError(f"The Kafka broker at {kafka.bootstrap_servers} has just gone: {error}") from error
