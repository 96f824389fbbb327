"""A topic that is made anew, in the same cluster or another, is noticed, told and read from its beginning."""

import asyncio
import json
import shutil
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace

import aiohttp
import msgspec
import pytest
from aiokafka.structs import OffsetAndMetadata

from stream.broker.embedded import EmbeddedBroker, free_ports
from stream.detect.outbox import Message
from stream.detect.starts import LogRange, Start, start_of
from stream.kafka import open_admin
from stream.settings import Settings
from stream.testing import Tally
from stream.topics import ensure_topics
from tests.kafka import Kafka
from tests.stream.detect.storms import Fleet
from tests.stream.detect.test_faults import counted, send
from tests.stream.detect.test_storm import storm_settings

NOTICE_SECONDS = 30.0

STARTS = [
    pytest.param(LogRange(3, 9, "a"), None, {}, Start(3, "a"), id="nothing is committed"),
    pytest.param(LogRange(0, 9, "a"), (5, "a"), {}, Start(5, "a"), id="committed in this life"),
    pytest.param(LogRange(0, 9, "a"), (5, ""), {}, Start(5, "a"), id="committed by a version that knew no lives"),
    pytest.param(LogRange(0, 9, "b"), (5, "a"), {}, Start(0, "b", is_anew=True), id="another topic of the same name"),
    pytest.param(LogRange(2, 9, "a"), (12, "a"), {}, Start(2, "a-12", is_anew=True), id="the log has lost its end"),
    pytest.param(LogRange(2, 12, "a"), (12, "a-12"), {}, Start(12, "a-12"), id="and that was noticed before"),
    pytest.param(
        LogRange(0, 30, "a"),
        (12, "a"),
        {"went_back": True},
        Start(0, "a-12", is_anew=True),
        id="lost, and written on since",
    ),
    pytest.param(
        LogRange(0, 9, "b"),
        None,
        {"known_life": "a"},
        Start(0, "b", is_anew=True),
        id="Kafka forgot the commits, too",
    ),
    pytest.param(LogRange(0, 9, ""), (5, "a"), {}, Start(5, "a"), id="a Kafka that tells no ids"),
]


@pytest.mark.parametrize(("found", "committed", "more", "start"), STARTS)
def test_offsets_count_within_one_life(
    found: LogRange, committed: tuple[int, str] | None, more: dict[str, bool], start: Start
) -> None:
    """What was committed is gone on from if it was in this life of the topic, else reading begins at its beginning."""
    known = None if committed is None else OffsetAndMetadata(*committed)
    assert start_of(found, known, **more) == start


def with_health(settings: Settings) -> Settings:
    """The settings with a port for health."""
    (port,) = free_ports(1)
    return msgspec.structs.replace(settings, detect=msgspec.structs.replace(settings.detect, health_port=port))


async def ask(settings: Settings, path: str) -> str:
    """An endpoint of the worker; empty while there is none."""
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{settings.detect.health_port}") as client:
            return await (await client.get(path)).text()
    except aiohttp.ClientError:
        return ""


async def readiness(settings: Settings) -> SimpleNamespace:
    """What the worker says of itself."""
    text = await ask(settings, "/readyz")
    told = json.loads(text) if text else {}
    return SimpleNamespace(ready=told.get("ready", False), cause=told.get("causes", {}).get("feed_metrics", ""))


async def until(fact: Callable[[], Awaitable[bool]], what: str) -> None:
    """Wait for a fact."""
    deadline = time.monotonic() + NOTICE_SECONDS
    while not await fact():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.3)


async def write(settings: Settings, *hosts: str) -> None:
    """A reading of each host."""
    values = [{"name": "cpu", "tags": {"host": host}, "fields": {"a": 1.5}, "timestamp": time.time()} for host in hosts]
    messages = [Message(key=b"k", value=json.dumps(value).encode(), partition=0) for value in values]
    await send(settings.kafka, settings.topics.metrics, messages)


async def applied(settings: Settings, host: str) -> int:
    """How many readings of a host are saved."""
    return (await counted(settings)).get(host, Tally(host)).samples


async def is_ready(settings: Settings) -> bool:
    """Whether the worker says so."""
    return bool((await readiness(settings)).ready)


@pytest.mark.timeout(150)
async def test_a_topic_made_anew_is_read_from_its_beginning(kafka: Kafka, tmp_path: Path) -> None:
    """While it is gone the worker is not ready and says why; of the new one nothing is taken for known."""
    settings = with_health(storm_settings(kafka))
    await ensure_topics(settings)
    fleet = Fleet(tmp_path, settings, "served")
    admin = await open_admin(settings.kafka)
    try:
        fleet.start("w0")
        await until(lambda: is_ready(settings), "ready at first")
        await write(settings, *["web-1"] * 5)
        await until(lambda: is_applied(settings, 5), "read at first")
        await admin.delete_topics([settings.topics.metrics])
        await until(lambda: says(settings, f"topic {settings.topics.metrics} does not exist"), "not ready")
        await ensure_topics(settings)
        await write(settings, *["web-1"] * 3)
        await until(lambda: is_applied(settings, 8), "read anew")
        await until(lambda: is_ready(settings), "ready again")
        assert f'made_anew_total{{topic="{settings.topics.metrics}"}}' in await ask(settings, "/metrics")
        assert await fleet.stop("w0") == {"w0": 0}
    finally:
        await admin.close()
        fleet.close()
    assert "topic_made_anew" in (tmp_path / "w0.log").read_text()


async def is_applied(settings: Settings, wanted: int) -> bool:
    """Whether so many readings are saved, no more and no fewer."""
    return await applied(settings, "web-1") == wanted


async def says(settings: Settings, cause: str) -> bool:
    """Whether the worker is not ready, with this cause."""
    told = await readiness(settings)
    return not told.ready and told.cause == cause


@pytest.mark.timeout(150)
async def test_a_topic_made_anew_at_once_and_filled_beyond_the_old_offset_is_noticed(
    kafka: Kafka, tmp_path: Path
) -> None:
    """No offset tells it from the old one: the topic's id does."""
    settings = storm_settings(kafka)
    await ensure_topics(settings)
    fleet = Fleet(tmp_path, settings, "counting")
    admin = await open_admin(settings.kafka)
    try:
        await write(settings, *["web-1"] * 3)
        fleet.start("w0")
        await until(lambda: is_applied(settings, 3), "read at first")
        assert await fleet.stop("w0") == {"w0": 0}
        await admin.delete_topics([settings.topics.metrics])
        await asyncio.sleep(1.0)
        await ensure_topics(settings)
        await write(settings, *["web-1"] * 7)
        fleet.start("w1")
        await until(lambda: is_applied(settings, 10), "read anew")
        assert await fleet.stop("w1") == {"w1": 0}
    finally:
        await admin.close()
        fleet.close()


@pytest.mark.timeout(150)
async def test_a_samples_topic_made_anew_makes_no_reading_a_duplicate(kafka: Kafka, tmp_path: Path) -> None:
    """The state of the hosts stays; how far it was applied counted in the old topic."""
    settings = storm_settings(kafka)
    await ensure_topics(settings)
    fleet = Fleet(tmp_path, settings, "counting")
    admin = await open_admin(settings.kafka)
    try:
        await write(settings, *["web-1"] * 5)
        fleet.start("w0")
        await until(lambda: is_applied(settings, 5), "read at first")
        assert await fleet.stop("w0") == {"w0": 0}
        await admin.delete_topics([settings.topics.samples])
        await asyncio.sleep(1.0)
        await ensure_topics(settings)
        fleet.start("w1")
        await write(settings, *["web-1"] * 3)
        await until(lambda: is_applied(settings, 8), "applied anew")
        assert await fleet.stop("w1") == {"w1": 0}
    finally:
        await admin.close()
        fleet.close()


@pytest.mark.timeout(180)
async def test_a_cluster_built_anew_at_the_same_address_is_read(
    private_broker: Callable[[], EmbeddedBroker], tmp_path: Path
) -> None:
    """Another cluster id, no topics: once they are there the worker, or the one started in its place, reads them."""
    broker = await asyncio.to_thread(private_broker)
    settings = storm_settings(Kafka(broker.bootstrap_servers))
    await ensure_topics(settings)
    fleet = Fleet(tmp_path, settings, "counting")
    try:
        fleet.start("w0")
        await fleet.wait_ready("w0")
        await write(settings, *["web-1"] * 5)
        await until(lambda: is_applied(settings, 5), "read at first")
        await asyncio.to_thread(broker.stop)
        shutil.rmtree(broker.folder / "data")
        await asyncio.to_thread(broker.start)
        await ensure_topics(settings)
        await write(settings, *["web-1"] * 3)
        for _ in range(int(NOTICE_SECONDS)):
            if fleet.ended():  # a supervisor starts it again
                fleet.kill("w0")
                fleet.start("w0")
            if await is_applied(settings, 3):
                break
            await asyncio.sleep(1.0)
        assert await is_applied(settings, 3)
    finally:
        fleet.close()
