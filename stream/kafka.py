"""Clients of Kafka: the one place that knows how Tidegate connects, and what it promises by its client settings."""

import asyncio
import time
from typing import Any, Protocol

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaConnectionError

from stream.errors import UnreachableError
from stream.settings import KafkaSettings

CONNECT_SECONDS = 30.0
RETRY_SECONDS = 0.5
RECORD_BYTES_MAXIMUM = 2_000_000
"""Largest request of our producers; the state and dead-letter topics take records of this size."""


class Startable(Protocol):
    """What the three kinds of client have in common."""

    async def start(self) -> None:
        """Connect."""


def connection(kafka: KafkaSettings) -> dict[str, Any]:
    """Keyword arguments that every aiokafka client needs to connect."""
    return {"bootstrap_servers": kafka.bootstrap_servers}


async def open_producer(
    kafka: KafkaSettings,
    *,
    client_id: str = "tidegate",
    linger_milliseconds: int = 0,
    wait_seconds: float = CONNECT_SECONDS,
) -> AIOKafkaProducer:
    """Connected producer: a send that was awaited is on all in-sync replicas, once and in order. The caller stops it.

    A broker that is away for less than `request_timeout_ms` delays a send and fails none. UnreachableError as `connect`.
    """
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
        await connect(producer, kafka, wait_seconds)
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
    **changes: Any,
) -> AIOKafkaConsumer:
    """Connected consumer that reads from the earliest record and commits only when told. The caller stops it.

    Without `topics` it has nothing assigned yet: call `assign`. `changes` are further aiokafka settings.
    UnreachableError as `connect`.
    """
    settings = {
        "group_id": group,
        "auto_offset_reset": "earliest",
        "enable_auto_commit": False,
        "isolation_level": "read_committed",
    }
    consumer = AIOKafkaConsumer(*topics, **connection(kafka), client_id=client_id, **(settings | changes))
    try:
        await connect(consumer, kafka, wait_seconds)
    except BaseException:
        await consumer.stop()
        raise
    return consumer


async def open_admin(kafka: KafkaSettings, *, wait_seconds: float = CONNECT_SECONDS) -> AIOKafkaAdminClient:
    """Connected admin client; the caller closes it. Its answers carry error codes: they must be looked at.

    Never use its `alter_configs`: it resets every setting that the call does not name. UnreachableError as `connect`.
    """
    admin = AIOKafkaAdminClient(**connection(kafka))
    try:
        await connect(admin, kafka, wait_seconds)
    except BaseException:
        await admin.close()
        raise
    return admin


async def connect(client: Startable, kafka: KafkaSettings, wait_seconds: float = CONNECT_SECONDS) -> None:
    """Start a client, trying again until a broker answers. UnreachableError names the servers after `wait_seconds`."""
    started = time.monotonic()
    reason = "no answer"
    try:
        async with asyncio.timeout(wait_seconds):
            while True:
                try:
                    return await client.start()
                except KafkaConnectionError as error:
                    reason = str(error)
                await asyncio.sleep(RETRY_SECONDS)
    except TimeoutError as error:
        waited = time.monotonic() - started
        raise UnreachableError(
            f"No Kafka broker answers at kafka.bootstrap_servers {kafka.bootstrap_servers!r} ({waited:.0f} s, {reason})."
        ) from error
