"""What the thread of the Kafka client takes is delivered, or read again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import faust
import pytest
from aiokafka import AIOKafkaConsumer
from faust.types import TP

from stream.detect.client_thread import BatchThread, Fetched
from stream.detect.offsets import Partition
from stream.detect.outbox import Message, Outbox
from stream.detect.transport import BatchConsumer, BatchTransport
from stream.kafka import open_producer
from stream.settings import Settings
from stream.topics import ensure_topics
from tests.kafka import Kafka

WAIT_SECONDS = 10.0


@pytest.fixture
async def settings(kafka: Kafka) -> Settings:
    """Topics of one partition."""
    made = kafka.settings(partitions=1)
    await ensure_topics(made)
    return made


@asynccontextmanager
async def thread_of(settings: Settings) -> AsyncIterator[tuple[BatchThread, AIOKafkaConsumer]]:
    """The client's thread, run in the test's own, with a real client that owns the metrics topic."""
    app = faust.App(
        "test",
        broker=f"kafka://{settings.kafka.bootstrap_servers}",
        autodiscover=False,
        loop=asyncio.get_running_loop(),
    )
    transport = BatchTransport(app.conf.broker_consumer, app, cast("Any", None))  # nothing is owned here
    revoked, assigned = app.on_partitions_revoked, app.on_partitions_assigned
    made = transport.create_consumer(asyncio.sleep, on_partitions_revoked=revoked, on_partitions_assigned=assigned)
    consumer = cast("BatchConsumer", made)
    client = AIOKafkaConsumer(
        settings.topics.metrics,
        bootstrap_servers=settings.kafka.bootstrap_servers,
        group_id=settings.detect.group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    await client.start()
    thread: Any = consumer._thread  # noqa: SLF001 - what is tested
    thread._consumer = client  # noqa: SLF001 - as above
    try:
        yield thread, client
    finally:
        await client.stop()
        thread.thread_loop.close()


async def write(settings: Settings, *values: bytes) -> None:
    """Records of the metrics topic."""
    producer = await open_producer(settings.kafka)
    await Outbox(producer).publish(settings.topics.metrics, [Message(b"k", value, partition=0) for value in values])
    await producer.stop()


def values_of(fetched: Fetched) -> list[bytes | None]:
    """What was taken."""
    return [record.value for part in fetched.parts.values() for record in part.records]


async def test_what_a_fetch_takes_that_waited_through_a_seek_is_read_again(settings: Settings) -> None:
    """A short rebalance ends while a fetch still waits: nobody would deliver what comes then, so it comes once more."""
    source = TP(settings.topics.metrics, 0)
    async with thread_of(settings) as (thread, client):
        waiting = asyncio.create_task(thread._fetch_records(client, {source}, timeout=WAIT_SECONDS))  # noqa: SLF001
        await asyncio.sleep(0.5)
        sought = await thread._seek_all()  # noqa: SLF001 - as the thread does when it is asked to seek
        assert sought is not None
        assert {Partition(*source): 0} == sought.offsets
        await write(settings, b"one", b"two")
        late = await waiting
        assert (late.epoch, values_of(late)) == (sought.epoch - 1, [])
        again = await thread._fetch_records(client, {source}, timeout=WAIT_SECONDS)  # noqa: SLF001
        assert (again.epoch, values_of(again)[:1]) == (sought.epoch, [b"one"])


async def test_after_the_client_has_stopped_nothing_is_known_of_a_partition(settings: Settings) -> None:
    """What looks at partitions every second may do so once more in a stop: that is no failure."""
    async with thread_of(settings) as (thread, _client):
        consumer: Any = thread.consumer
    consumer._stopped.set()  # noqa: SLF001 - as the app does, before it stops the thread
    assert await consumer.fetch_state(Partition(settings.topics.metrics, 0)) is None
