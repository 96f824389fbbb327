"""Clients connect, or say clearly that and where they can not; what was acknowledged is there."""

import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest
from aiokafka import TopicPartition

from stream.broker.embedded import EmbeddedBroker
from stream.errors import SettingsError, UnreachableError
from stream.kafka import open_admin, open_consumer, open_producer
from stream.settings import KafkaSettings
from stream.topics import Topic, ensure_topics
from tests.batches import batch, write_batch
from tests.kafka import Kafka

OPENERS = [open_producer, open_consumer, open_admin]


def closed_address() -> str:
    """Address where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize("opener", OPENERS)
async def test_unreachable(opener: Callable[..., Awaitable[object]]) -> None:
    """When nobody answers within the deadline the error names the servers and how long was waited."""
    address = closed_address()

    with pytest.raises(UnreachableError) as caught:
        await opener(KafkaSettings(bootstrap_servers=address), wait_seconds=0.2)

    assert str(caught.value).startswith(f"No Kafka broker answers at {address} (waited 0.2 s): ")


async def test_silent_server_is_unreachable() -> None:
    """A server that takes the connection and never answers is given up after the deadline, too."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(UnreachableError, match=address):
            await open_producer(KafkaSettings(bootstrap_servers=address), wait_seconds=0.2)


@pytest.mark.parametrize("servers", ["", "localhost", "localhost:", "localhost:kafka", "one:9092,", ":9092"])
async def test_servers_that_are_none(servers: str) -> None:
    """A value that names no server is refused at once, with the setting's name and the value."""
    with pytest.raises(SettingsError) as caught:
        await open_producer(KafkaSettings(bootstrap_servers=servers))

    assert str(caught.value) == (f"kafka.bootstrap_servers is {servers!r}, wanted host:port, several joined by commas.")


async def test_one_of_several_servers_is_enough(kafka: Kafka) -> None:
    """Servers of the list that are down do no harm."""
    servers = f"{closed_address()}, {kafka.bootstrap_servers}"
    admin = await open_admin(KafkaSettings(bootstrap_servers=servers))
    cluster = await admin.describe_cluster()
    await admin.close()

    assert len(cluster["brokers"]) == 1


async def test_waits_for_a_broker_that_comes_up(private_broker: Callable[[], EmbeddedBroker]) -> None:
    """A client opened before the broker serves connects as soon as it does."""
    broker = private_broker()
    kafka = KafkaSettings(bootstrap_servers=broker.bootstrap_servers)
    broker.stop()

    opening = asyncio.create_task(open_producer(kafka, wait_seconds=30))
    await asyncio.to_thread(broker.start)
    producer = await opening
    brokers = producer.client.cluster.brokers()
    await producer.stop()

    assert [kafka.bootstrap_servers] == [f"{broker.host}:{broker.port}" for broker in brokers]


async def test_acknowledged_records_survive_a_crash_of_the_broker(private_broker: Callable[[], EmbeddedBroker]) -> None:
    """Awaited sends go on across a SIGKILL and a restart of the broker: each record is there once, in order."""
    broker = private_broker()
    settings = Kafka(broker.bootstrap_servers).settings()
    await ensure_topics(settings, [Topic("kept", 1)])
    producer = await open_producer(settings.kafka)
    expected = [str(number).encode() for number in range(60)]

    async def send() -> None:
        for value in expected:
            await producer.send_and_wait("kept", value)
            await asyncio.sleep(0.01)

    sending = asyncio.create_task(send())
    await asyncio.sleep(0.2)
    await asyncio.to_thread(broker.kill)
    await asyncio.to_thread(broker.start)
    await sending
    await producer.stop()

    consumer = await open_consumer(settings.kafka, "kept")
    found = [(await consumer.getone()).value for _ in expected]
    rest = await consumer.getmany(timeout_ms=200)
    await consumer.stop()
    assert found == expected
    assert rest == {}


@pytest.mark.timeout(60)
async def test_a_header_that_can_not_be_read_keeps_no_reader_from_its_record(kafka: Kafka) -> None:
    """Engine and console read signals, audit and commands by such consumers, also where a log must be whole."""
    settings = kafka.settings(partitions=1)
    await ensure_topics(settings)
    topic = settings.topics.signals
    await write_batch(settings.kafka, topic, 0, batch(0, b"a", b"b", b"c", header_of=1, header=b"\xff"))
    for reset in ("earliest", "none"):
        consumer = await open_consumer(settings.kafka, auto_offset_reset=reset)
        try:
            source = TopicPartition(topic, 0)
            consumer.assign([source])
            await consumer.seek_to_beginning(source)
            found: list[bytes | None] = []
            while len(found) < 3:
                found += [record.value for record in (await consumer.getmany(source, timeout_ms=1000)).get(source, [])]
            assert found == [b"a", b"b", b"c"]
        finally:
            await consumer.stop()
