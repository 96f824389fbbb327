"""What a verification waits for comes in time: detect and engine on one Kafka, with a roster that is far too slow."""

import asyncio
import json
import sys
import time
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import msgspec
import pytest
from aiokafka import TopicPartition

from detectors.signals import HostStatus, Notice
from remediations.records import RunFinished, RunVerified, VerificationOutcome
from stream.kafka import open_consumer, open_producer
from tests.engines import SHIPPED, FakeRunner, Fleet, Rules, cleared, fleet, until
from tests.kafka import Kafka

CLI = "from console.cli import main; main()"
SECONDS = 0.5


@asynccontextmanager
async def detect(one: Fleet) -> AsyncIterator[None]:
    """A detect worker in a process of its own, and a reading of h1 and of h2 each half second."""
    with (one.folder / "detect.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", CLI, "detect", "--config", str(one.settings_file)),
            cwd=SHIPPED.parent,
            stdin=DEVNULL,
            stdout=log,
            stderr=log,
        )
    reporting = asyncio.create_task(report(one))
    try:
        yield
    finally:
        reporting.cancel()
        with suppress(asyncio.CancelledError):
            await reporting
        process.kill()
        await process.wait()


async def report(one: Fleet) -> None:
    """Readings, for ever."""
    producer = await open_producer(one.settings.kafka)
    try:
        while True:
            for host in ("h1", "h2"):
                reading = {"name": "m", "tags": {"host": host}, "fields": {"v": 1.5}, "timestamp": time.time()}
                await producer.send_and_wait(one.settings.topics.metrics, json.dumps(reading).encode())
            await asyncio.sleep(SECONDS)
    finally:
        await producer.stop()


async def statuses_of(one: Fleet) -> list[HostStatus]:
    """Every entry of the roster that was told so far."""
    consumer, partition = await open_consumer(one.settings.kafka), TopicPartition(one.settings.topics.signals, 0)
    found: list[HostStatus] = []
    try:
        consumer.assign([partition])
        await consumer.seek_to_beginning(partition)
        end = (await consumer.end_offsets([partition]))[partition]
        while await consumer.position(partition) < end:
            for record in (await consumer.getmany(partition, timeout_ms=200)).get(partition, []):
                notice = msgspec.json.decode(record.value or b"", type=Notice)
                found += [notice] if isinstance(notice, HostStatus) else []
    finally:
        await consumer.stop()
    return found


@pytest.mark.timeout(180)
async def test_a_run_is_judged_before_the_roster_is_repeated(kafka: Kafka, tmp_path: Path) -> None:
    """The signal clears while the run settles; what comes after that is told at once, of this host and of no other."""
    wanted = Rules(settle_seconds=4, deadline_seconds=20, signals=("silence",))
    async with fleet(kafka, tmp_path, wanted, hosts=2) as one:
        slow = msgspec.structs.replace(one.settings.detect, roster_seconds=600.0, health_port=0)
        one.settings = msgspec.structs.replace(one.settings, detect=slow)
        one.settings_file.write_bytes(msgspec.json.encode(one.settings))
        async with detect(one):
            await until(lambda: statuses_of(one), lambda found: {"h1", "h2"} <= {each.host for each in found}, 60)
            async with one.engine(runner=FakeRunner()):
                signal = await one.fail()
                await one.wait_for("run.finished")
                await one.publish(cleared(signal))
                records = await one.wait_for("run.verified")
            statuses = await statuses_of(one)
        (verified,) = [record for record in records if isinstance(record, RunVerified)]
        assert (verified.outcome, verified.reason) == (VerificationOutcome.SUCCESS, "signals_cleared")
        (ended,) = [entry.time for entry in await one.entries() if isinstance(entry.record, RunFinished)]
        assert verified.observed_time > ended + 4
        assert told_after(statuses, "h1", ended) >= 3
        assert told_after(statuses, "h2", ended) == 0


def told_after(statuses: list[HostStatus], host: str, since: float) -> int:
    """How often the roster told of newer readings of a host."""
    return sum(each.host == host and each.last_sample_time > since for each in statuses)
