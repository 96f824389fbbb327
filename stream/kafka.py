"""Clients of Kafka: the one place that knows how Tidegate connects, and what it promises by its client settings."""

import asyncio
from typing import Protocol

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaConnectionError

from stream import forms
from stream.errors import SettingsError, UnreachableError
from stream.settings import KafkaSettings

CONNECT_SECONDS = 30.0
RETRY_SECONDS = 0.5
RECORD_BYTES_MAXIMUM = 2_000_000
"""Largest request of our producers; the state and dead-letter topics take records of this size."""


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
    consumer = AIOKafkaConsumer(*topics, **connection(kafka), client_id=client_id, **(settings | changes))
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
