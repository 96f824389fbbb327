"""A steady load: readings of hosts that go strange at known rows, with event times a second apart."""

import asyncio
import json
import random
import time
from collections.abc import Callable

import msgspec
from aiokafka import TopicPartition

from detectors.samples import Sample
from detectors.signals import Signal
from stream.detect.outbox import Message, Outbox
from stream.kafka import open_consumer
from stream.settings import Settings

RECORDS_PER_SECOND = 200
WARM_UP_ROWS = 150
WARM_UP_LIMIT_SECONDS = 60.0

type Place = tuple[int, int]
"""Host and row, or partition and offset."""


class Load:
    """Readings of `hosts` hosts, row by row; `is_strange` says which (host, row) of the steady part are."""

    def __init__(self, hosts: int, is_strange: Callable[[int, int], bool]) -> None:
        self.hosts = hosts
        self.start_time = time.time() - 3600.0
        self._is_strange = is_strange
        self._random = random.Random(1)  # noqa: S311 - a reproducible load

    def record(self, host: int, row: int) -> Message:
        """One reading."""
        strange = row > WARM_UP_ROWS and self._is_strange(host, row - WARM_UP_ROWS)
        document = {
            "name": "cpu",
            "tags": {"host": f"host-{host}"},
            "fields": {"usage": self._random.gauss(60.0 if strange else 10.0, 1.0)},
            "timestamp": self.start_time + row,
        }
        return Message(key=f"host-{host}".encode(), value=json.dumps(document).encode())

    def place(self, sample: Sample) -> Place:
        """The host and row that a sample was made from."""
        return int(sample.host.removeprefix("host-")), round(sample.time - self.start_time)


async def warm_up(settings: Settings, load: Load, outbox: Outbox) -> None:
    """Publish the first rows at once, and wait until they are samples."""
    rows = [load.record(host, row) for row in range(WARM_UP_ROWS) for host in range(load.hosts)]
    await outbox.publish(settings.topics.metrics, rows)
    deadline = time.monotonic() + WARM_UP_LIMIT_SECONDS
    while len(await read_samples(settings)) < len(rows):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{len(rows)} readings were not ingested in {WARM_UP_LIMIT_SECONDS:.0f} s")
        await asyncio.sleep(0.5)


async def publish_steadily(settings: Settings, load: Load, outbox: Outbox, seconds: float) -> dict[Place, float]:
    """Publish reading after reading at the rate; (host, row) → when, on the monotonic clock."""
    published: dict[Place, float] = {}
    started = time.monotonic()
    for number in range(int(seconds * RECORDS_PER_SECOND)):
        row, host = divmod(number, load.hosts)
        await asyncio.sleep(max(0.0, started + number / RECORDS_PER_SECOND - time.monotonic()))
        published[host, WARM_UP_ROWS + row] = time.monotonic()
        await outbox.publish(settings.topics.metrics, [load.record(host, WARM_UP_ROWS + row)])
    return published


async def read_samples(settings: Settings) -> dict[Place, Sample]:
    """(partition, offset) → sample, of the whole samples topic."""
    consumer = await open_consumer(settings.kafka)
    try:
        sources = [TopicPartition(settings.topics.samples, number) for number in range(settings.kafka.partitions)]
        consumer.assign(sources)
        await consumer.seek_to_beginning(*sources)
        ends = await consumer.end_offsets(sources)
        found: dict[Place, Sample] = {}
        left = sources
        while left := [source for source in left if await consumer.position(source) < ends[source]]:
            for source, records in (await consumer.getmany(*left, timeout_ms=500)).items():
                for record in records:
                    found[source.partition, record.offset] = msgspec.json.decode(record.value, type=Sample)
        return found
    finally:
        await consumer.stop()


def delays(
    arrivals: list[tuple[Signal, float]], samples: dict[Place, Sample], published: dict[Place, float], load: Load
) -> list[float]:
    """Seconds from publishing the reading that decided a signal to the arrival, for readings of the steady part."""
    places = [
        (load.place(samples[signal.evidence.partition, signal.evidence.last_offset]), arrived)
        for signal, arrived in arrivals
    ]
    return [arrived - published[place] for place, arrived in places if place in published]
