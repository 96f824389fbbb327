"""What Kafka holds is read, however it was compressed; what can not be read stops nobody. On a real broker."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import NewTopic

from stream.broker.embedded import EmbeddedBroker
from stream.kafka import connection, open_admin
from stream.settings import KafkaSettings, Settings
from stream.topics import ensure_topics
from tests.batches import ZSTD, batch, write_batch
from tests.java import write_by_java
from tests.kafka import Kafka
from tests.stream.detect.storms import Fleet, wait_until_all_committed
from tests.stream.detect.test_faults import counted, letters
from tests.stream.detect.test_storm import header, storm_settings

CODECS = ("gzip", "snappy", "lz4", "zstd")
PADDING = "fields that make it worth while to compress " * 20


def reading(host: str, filler: str = PADDING) -> bytes:
    """A metric of a host."""
    tags = {"host": host, "filler": filler[:200]}
    return json.dumps({"name": "cpu", "tags": tags, "fields": {"usage": 1.5}, "timestamp": time.time()}).encode()


async def write_by_python(
    kafka: KafkaSettings, topic: str, values: list[bytes], codec: str | None, **more: int
) -> None:
    """One batch of these records."""
    producer = AIOKafkaProducer(**connection(kafka), compression_type=codec, linger_ms=100, **more)
    await producer.start()
    try:
        await asyncio.gather(*[await producer.send(topic, value, partition=0) for value in values])
    finally:
        await producer.stop()


async def samples_of(settings: Settings, folder: Path, seconds: float = 60.0) -> dict[str, int]:
    """Run one worker until all is read: how many samples of each host were applied."""
    fleet = Fleet(folder, settings, "counting")
    topics = settings.topics
    try:
        fleet.start("w0")
        await wait_until_all_committed(settings, (topics.metrics, topics.logs), seconds)
        await wait_until_all_committed(settings, [topics.samples], seconds)  # no sample comes after the ends were asked
        assert await fleet.stop("w0") == {"w0": 0}
    finally:
        fleet.close()
    return {host: tally.samples for host, tally in (await counted(settings)).items()}


@pytest.mark.timeout(180)
async def test_every_codec_of_kafka_is_read(kafka: Kafka, tmp_path: Path) -> None:
    """Compressed by Python's producer, by Java's, and by the broker where the topic says so."""
    settings = storm_settings(kafka)
    await ensure_topics(settings)
    for codec in CODECS:
        await write_by_python(settings.kafka, settings.topics.metrics, [reading(f"python-{codec}")] * 3, codec)
        lines = [reading(f"java-{codec}")] * 3
        await asyncio.to_thread(
            write_by_java, kafka.bootstrap_servers, settings.topics.metrics, lines, f"compression.type={codec}"
        )
    assert await samples_of(settings, tmp_path) == {
        f"{writer}-{codec}": 3 for writer in ("python", "java") for codec in CODECS
    }
    assert await letters(settings) == []


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.timeout(90)
async def test_a_topic_that_the_broker_compresses_is_read(kafka: Kafka, tmp_path: Path, codec: str) -> None:
    """`compression.type` of the topic: the broker packs anew what came in plain."""
    settings = storm_settings(kafka)
    admin = await open_admin(settings.kafka)
    await admin.create_topics([NewTopic(settings.topics.metrics, 1, 1, topic_configs={"compression.type": codec})])
    await admin.close()
    await ensure_topics(settings)
    await write_by_python(settings.kafka, settings.topics.metrics, [reading("web-1")] * 3, None)
    assert await samples_of(settings, tmp_path) == {"web-1": 3}


@pytest.mark.parametrize("codec", [0, 1, 2, 3, 4])
@pytest.mark.timeout(90)
async def test_a_header_key_that_is_not_utf8_costs_one_record(kafka: Kafka, tmp_path: Path, codec: int) -> None:
    """In whatever codec, in every topic that detect reads: the record is in the dead letter, all others are used."""
    settings = storm_settings(kafka)
    await ensure_topics(settings)
    topics = settings.topics
    values = [reading(f"web-{number}") for number in range(3)]
    spoiled = batch(0, *values, codec=codec, header_of=1, header=b"caf\xe9")
    for topic in (topics.metrics, topics.samples, topics.commands):
        await write_batch(settings.kafka, topic, 0, spoiled)
    await write_by_python(settings.kafka, topics.metrics, [reading("later")], None)
    found = await samples_of(settings, tmp_path)
    reasons = Counter(header(letter, "error.reason") for letter in await letters(settings))
    assert reasons == {"bad_header_key": 3, "bad_sample": 2, "bad_command": 2}
    assert found == {"web-0": 1, "web-2": 1, "later": 1}
    told = [letter for letter in await letters(settings) if header(letter, "error.reason") == "bad_header_key"]
    places = [tuple(header(one, f"src.{name}") for name in ("topic", "partition", "offset")) for one in told]
    assert sorted(places) == sorted((topic, "0", "1") for topic in (topics.metrics, topics.samples, topics.commands))
    assert {(one.key, one.value) for one in told} == {(b"k", values[1])}


@pytest.mark.timeout(90)
async def test_a_record_of_five_megabytes_is_refused_by_name(kafka: Kafka, tmp_path: Path) -> None:
    """Larger than a fetch asks for, packed or not: it is in the dead letter, and reading goes on."""
    settings = storm_settings(kafka)
    admin = await open_admin(settings.kafka)
    await admin.create_topics([NewTopic(settings.topics.metrics, 1, 1, topic_configs={"max.message.bytes": "9000000"})])
    await admin.close()
    await ensure_topics(settings)
    for codec in (None, "zstd"):
        await write_by_python(
            settings.kafka,
            settings.topics.metrics,
            [reading("web-1"), b"x" * 5_000_000],
            codec,
            max_request_size=9_000_000,
        )
    assert await samples_of(settings, tmp_path) == {"web-1": 2}
    assert Counter(header(one, "error.reason") for one in await letters(settings)) == {"oversize": 2}


@pytest.mark.timeout(120)
async def test_a_log_that_is_damaged_on_disk_stops_nobody(
    private_broker: Callable[[], EmbeddedBroker], tmp_path: Path
) -> None:
    """What is lost is in the dead letter with its range; what comes after it, and every other partition, is read."""
    broker = await asyncio.to_thread(private_broker)
    settings = storm_settings(Kafka(broker.bootstrap_servers))
    await ensure_topics(settings)
    topic = settings.topics.metrics
    for number in range(6):
        await write_by_python(settings.kafka, topic, [reading(f"web-{number}")] * 2, None)
    await write_batch(settings.kafka, topic, 1, batch(0, reading("other")))
    await asyncio.to_thread(broker.stop)
    log = broker.folder / "data" / f"{topic}-0" / f"{0:020}.log"
    log.write_bytes(spoil(log.read_bytes()))
    await asyncio.to_thread(broker.start)
    found = await samples_of(settings, tmp_path)
    assert found == {"web-0": 2, "web-2": 2, "web-4": 2, "web-5": 2, "other": 1}
    told = [
        (header(one, "error.reason"), header(one, "src.offset"), header(one, "src.offset.last"))
        for one in await letters(settings)
    ]
    assert sorted(told) == [("bad_checksum", "2", "3"), ("unknown_magic", "6", "7")]


@pytest.mark.timeout(120)
async def test_batches_that_explode_or_are_of_the_future_stop_nobody(
    private_broker: Callable[[], EmbeddedBroker], tmp_path: Path
) -> None:
    """A checksum tells neither: each is in the dead letter, and what stands before and after it is read."""
    broker = await asyncio.to_thread(private_broker)
    settings = storm_settings(Kafka(broker.bootstrap_servers))
    await ensure_topics(settings)
    topic = settings.topics.metrics
    for number in range(4):
        if number == 2:
            await write_batch(settings.kafka, topic, 0, batch(0, b"x" * 100_000_000, codec=ZSTD))
        await write_by_python(settings.kafka, topic, [reading(f"web-{number}")], None)
    await asyncio.to_thread(broker.stop)
    log = broker.folder / "data" / f"{topic}-0" / f"{0:020}.log"
    log.write_bytes(of_the_future(log.read_bytes(), 1))
    await asyncio.to_thread(broker.start)
    assert await samples_of(settings, tmp_path) == {"web-0": 1, "web-2": 1, "web-3": 1}
    told = [(header(one, "error.reason"), header(one, "src.offset")) for one in await letters(settings)]
    assert sorted(told) == [("unknown_magic", "1"), ("unpacks_too_large", "2")]


def of_the_future(data: bytes, batch_number: int) -> bytes:
    """One batch of a log has another magic number, and a sound checksum."""
    spoiled, place = bytearray(data), 0
    for _ in range(batch_number):
        place += 12 + int.from_bytes(data[place + 8 : place + 12])
    spoiled[place + 16] = 3
    return bytes(spoiled)


def spoil(data: bytes) -> bytes:
    """The second batch of a log has a wrong byte in it, the fourth also a magic of the future."""
    spoiled, place = bytearray(data), 0
    for number in range(6):
        length = 12 + int.from_bytes(data[place + 8 : place + 12])
        if number in {1, 3}:
            spoiled[place + length - 4] ^= 0xFF
        if number == 3:
            spoiled[place + 16] = 9
        place += length
    return bytes(spoiled)


@pytest.mark.timeout(90)
async def test_what_a_transaction_has_not_committed_is_not_read(kafka: Kafka, tmp_path: Path) -> None:
    """What was aborted is never read, what was committed is; the offsets go on past the marks of both."""
    settings = storm_settings(kafka)
    await ensure_topics(settings)
    topic = settings.topics.metrics
    await write_in_transaction(settings.kafka, topic, reading("committed"), commits=True)
    await write_in_transaction(settings.kafka, topic, reading("aborted"), commits=False)
    await write_by_python(settings.kafka, topic, [reading("plain")], None)
    await write_in_transaction(settings.kafka, topic, reading("aborted"), commits=False)
    assert await samples_of(settings, tmp_path) == {"committed": 1, "plain": 1}
    assert await letters(settings) == []


async def write_in_transaction(kafka: KafkaSettings, topic: str, value: bytes, *, commits: bool) -> None:
    """One record in a transaction."""
    producer = AIOKafkaProducer(**connection(kafka), transactional_id=f"{topic}-writer")
    await producer.start()
    try:
        await producer.begin_transaction()
        await producer.send_and_wait(topic, value, partition=0)
        await (producer.commit_transaction() if commits else producer.abort_transaction())
    finally:
        await producer.stop()
