"""A cluster that is restored from a mirror: other ids of cluster and topics, other offsets, no commits."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from stream.broker.embedded import EmbeddedBroker
from stream.detect.outbox import Message
from stream.kafka import open_producer
from stream.settings import KafkaSettings, Settings
from stream.topics import ensure_topics
from tests.kafka import Kafka
from tests.stream.detect.storms import Fleet, read_all, wait_until_all_committed
from tests.stream.detect.test_faults import counted, letters, send
from tests.stream.detect.test_lives import ask, is_ready, until, with_health, write
from tests.stream.detect.test_storm import header, storm_settings

PARTITIONS = 2


async def copy(source: Settings, target: Settings, *, skipped: int) -> None:
    """Mirror every topic of detect, without the first records of each partition of the users' topics and samples."""
    names = source.topics
    await ensure_topics(target)
    for topic in (
        names.metrics,
        names.logs,
        names.samples,
        names.state,
        names.commands,
        names.signals,
        names.deadletter,
    ):
        left_out = skipped if topic in {names.metrics, names.samples} else 0
        producer = await open_producer(target.kafka)
        try:
            for partition, records in (await read_all(source.kafka, topic)).items():
                for record in records[left_out:]:
                    await producer.send_and_wait(
                        topic,
                        record.value,
                        record.key,
                        partition=partition,
                        timestamp_ms=record.timestamp,
                        headers=list(record.headers),
                    )
        finally:
            await producer.stop()


@pytest.mark.timeout(240)
async def test_a_cluster_restored_from_a_mirror_is_read_from_what_is_there(
    private_broker: Callable[[], EmbeddedBroker], tmp_path: Path
) -> None:
    """The state of hosts is kept, what is there is read from its beginning, no reading is a duplicate, it is told."""
    first, second = [await asyncio.to_thread(private_broker) for _ in range(2)]
    before = with_health(storm_settings(Kafka(first.bootstrap_servers)))
    before = with_kafka(before, msgspec.structs.replace(before.kafka, partitions=PARTITIONS))
    after = with_kafka(before, msgspec.structs.replace(before.kafka, bootstrap_servers=second.bootstrap_servers))
    await ensure_topics(before)
    await write(before, *["web-1", "web-2"] * 6)
    await send(before.kafka, before.topics.metrics, [Message(None, b"no metric", partition=0)])
    await run_until_committed(before, tmp_path)
    assert await samples(before) == {"web-1": 6, "web-2": 6}
    await copy(before, after, skipped=3)
    fleet = Fleet(tmp_path, after, "served")
    try:
        fleet.start("after")
        await until(lambda: has(after, {"web-1": 6 + 4, "web-2": 6 + 5}), "what the mirror holds is read")
        await write(after, *["web-1", "web-2"] * 3)
        await until(lambda: has(after, {"web-1": 6 + 4 + 3, "web-2": 6 + 5 + 3}), "what comes is read")
        await until(lambda: is_ready(after), "ready")
        assert f'made_anew_total{{topic="{after.topics.samples}"}}' in await ask(after, "/metrics")
        assert await fleet.stop("after") == {"after": 0}
    finally:
        fleet.close()
    assert "state_of_another_topic" in (tmp_path / "after.log").read_text()
    assert [header(one, "error.reason") for one in await letters(after)] == ["malformed"] * 2


def with_kafka(settings: Settings, kafka: KafkaSettings) -> Settings:
    """The same topics elsewhere."""
    return msgspec.structs.replace(settings, kafka=kafka)


async def run_until_committed(settings: Settings, folder: Path) -> None:
    """One worker from start to end."""
    fleet = Fleet(folder, settings, "counting")
    try:
        fleet.start("before")
        for topic in (settings.topics.metrics, settings.topics.samples):
            await wait_until_all_committed(settings, [topic], 60.0)
        assert await fleet.stop("before") == {"before": 0}
    finally:
        fleet.close()


async def samples(settings: Settings) -> dict[str, int]:
    """How many readings of each host were applied."""
    return {host: tally.samples for host, tally in (await counted(settings)).items()}


async def has(settings: Settings, wanted: dict[str, int]) -> bool:
    """Whether so many are, no more and no fewer."""
    return await samples(settings) == wanted
