"""Faults around one or two detect workers: a broker that is away, and input that is bad in every way."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from aiokafka import TopicPartition

from stream.broker.embedded import EmbeddedBroker
from stream.detect.outbox import Message, Outbox
from stream.kafka import open_admin, open_producer
from stream.settings import KafkaSettings, Settings
from stream.testing import CountingShard, Tally
from stream.topics import ensure_topics
from tests.kafka import Kafka
from tests.stream.detect.storm_worker import SETTLES
from tests.stream.detect.storms import (
    BAD_RECORDS,
    Fleet,
    KafkaRecord,
    Load,
    committed_offsets,
    produce,
    read_all,
    wait_until_all_committed,
)
from tests.stream.detect.test_storm import header, make_topics, saved_run, storm_settings

OUTAGE_SECONDS = 20.0


async def counted(settings: Settings) -> dict[str, Tally]:
    """What the state topic holds of every host."""
    tallies: dict[str, Tally] = {}
    for partition, pages in (await read_all(settings.kafka, settings.topics.state)).items():
        shard = CountingShard(partition)
        saved_run(shard, pages)
        tallies |= {tally.host: tally for tally in shard.tallies}
    return tallies


async def letters(settings: Settings) -> list[KafkaRecord]:
    """All dead letters."""
    logs = await read_all(settings.kafka, settings.topics.deadletter)
    return [record for records in logs.values() for record in records]


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_a_broker_that_is_away_for_20_seconds_costs_nothing(
    private_broker: Callable[[], EmbeddedBroker], tmp_path: Path
) -> None:
    """Workers and producers go on by themselves when it is back; every record is applied once, none is lost."""
    broker = await asyncio.to_thread(private_broker)
    settings = storm_settings(Kafka(broker.bootstrap_servers))
    await make_topics(settings)
    fleet, load = Fleet(tmp_path, settings, "counting"), Load(seed=5, hosts=20, poison_every=50, breaks_shard=True)
    try:
        fleet.start("w0")
        fleet.start("w1")
        await fleet.wait_ready("w0", "w1")
        async with asyncio.TaskGroup() as group:
            group.create_task(produce(settings.kafka, settings.topics.metrics, load, [50] * 200, 0.05))
            await asyncio.sleep(4.0)
            await asyncio.to_thread(broker.stop)
            await asyncio.sleep(OUTAGE_SECONDS)
            await asyncio.to_thread(broker.start)
        await wait_until_all_committed(settings, (settings.topics.metrics, settings.topics.samples), 60.0)
        assert fleet.ended() == {}
        assert set((await fleet.stop(*fleet.names)).values()) == {0}
    finally:
        fleet.close()
    assert {host: tally.samples for host, tally in (await counted(settings)).items()} == load.good
    assert len({place(letter) for letter in await letters(settings)}) >= sum(load.bad.values())


def place(letter: KafkaRecord) -> tuple[str, str, str]:
    """Where a dead letter came from."""
    return header(letter, "src.topic"), header(letter, "src.partition"), header(letter, "src.offset")


@pytest.mark.timeout(90)
async def test_one_bad_record_in_five_harms_no_other(kafka: Kafka, tmp_path: Path) -> None:
    """Every bad record is in the dead letter once, whole, with reason and place; every good one is applied."""
    settings = storm_settings(kafka)
    await make_topics(settings)
    fleet, load = Fleet(tmp_path, settings, "counting"), Load(seed=7, hosts=10, poison_every=5, breaks_shard=True)
    try:
        fleet.start("w0")
        await produce(settings.kafka, settings.topics.metrics, load, [500] * 10, 0.0)
        await wait_until_all_committed(settings, (settings.topics.metrics, settings.topics.samples), 60.0)
        assert await fleet.stop("w0") == {"w0": 0}
    finally:
        fleet.close()
    assert {host: tally.samples for host, tally in (await counted(settings)).items()} == load.good
    found = await letters(settings)
    assert Counter(header(letter, "error.reason") for letter in found) == load.bad
    assert len({place(letter) for letter in found}) == len(found)
    whole = {(reason, value) for reason, value in BAD_RECORDS if value is None or b"NOW" not in value}
    assert whole <= {(header(letter, "error.reason"), letter.value) for letter in found}


async def test_logs_are_counted_and_bad_lines_are_buried(kafka: Kafka, tmp_path: Path) -> None:
    """The logs topic takes JSON and text; what names no host goes to the dead letter."""
    settings = storm_settings(kafka)
    await make_topics(settings)
    messages = [
        Message(key=None, value=json.dumps({"host": "web-1", "level": "warn", "message": "slow"}).encode()),
        Message(key=b"web-2", value=b"ERROR it broke"),
        Message(key=None, value=b"a line of nobody"),
        Message(key=b"web-2", value=None),
    ]
    await send(settings.kafka, settings.topics.logs, messages)
    fleet = Fleet(tmp_path, settings, "counting")
    try:
        fleet.start("w0")
        await wait_until_all_committed(settings, (settings.topics.logs, settings.topics.samples), 60.0)
        assert await fleet.stop("w0") == {"w0": 0}
    finally:
        fleet.close()
    assert {host: tally.samples for host, tally in (await counted(settings)).items()} == {"web-1": 1, "web-2": 1}
    assert {header(letter, "error.reason") for letter in await letters(settings)} == {"no_host", "tombstone"}


async def send(kafka: KafkaSettings, topic: str, messages: list[Message]) -> None:
    """Append messages, acknowledged."""
    producer = await open_producer(kafka)
    try:
        await Outbox(producer).publish(topic, messages)
    finally:
        await producer.stop()


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_a_stop_is_over_in_time_though_kafka_is_away(
    private_broker: Callable[[], EmbeddedBroker], tmp_path: Path
) -> None:
    """A worker that cannot save or leave the group ends within 30 s; nothing is lost, for nothing was committed."""
    broker = await asyncio.to_thread(private_broker)
    settings = storm_settings(Kafka(broker.bootstrap_servers))
    fleet = Fleet(tmp_path, settings, "counting")
    try:
        fleet.start("w0")
        await fleet.wait_ready("w0")
        await asyncio.to_thread(broker.stop)
        assert (await fleet.stop("w0"))["w0"] in {0, 70}
    finally:
        fleet.close()


@pytest.mark.timeout(120)
async def test_a_stop_in_a_revoke_waits_for_its_commit_and_ends(kafka: Kafka, tmp_path: Path) -> None:
    """The client answers until the revoke has settled and committed; stopped before, each would wait for the other."""
    settings = kafka.settings(partitions=1)
    await ensure_topics(settings)
    fleet, source = Fleet(tmp_path, settings, "slow"), TopicPartition(settings.topics.metrics, 0)
    try:
        fleet.start("leaves")
        await send(settings.kafka, source.topic, [Message(key=b"k", value=b"one")])
        await fleet.wait_ready("leaves")
        fleet.start("joins")  # so everything is revoked
        await fleet.wait_said("leaves", SETTLES)
        assert await fleet.stop("leaves") == {"leaves": 0}
    finally:
        fleet.close()
    admin = await open_admin(settings.kafka)
    try:
        assert (await committed_offsets(admin, settings.detect.group))[source].offset == 1
    finally:
        await admin.close()
