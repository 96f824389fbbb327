"""From bytes to a signal.

Twenty hosts go strange now and then, each ten readings a second. A signal names the reading that raised or cleared it;
the time is from just before that reading was published to the moment a consumer of the signals topic has the signal.
"""

import asyncio
import time

import msgspec
from aiokafka import AIOKafkaConsumer

from benchmarks.latency.load import Load, delays, publish_steadily, read_samples, warm_up
from detectors.signals import Notice, Signal
from stream.detect.outbox import Outbox
from stream.kafka import open_consumer, open_producer
from stream.settings import Settings

HOSTS = 20
# A host is strange for ten readings, then ordinary for fifteen: time enough to raise and to clear.
STRANGE_ROWS, CYCLE_ROWS = 10, 25
DRAIN_SECONDS = 5.0


def is_strange(host: int, row: int) -> bool:
    """Hosts go strange at different rows."""
    return (row + host) % CYCLE_ROWS < STRANGE_ROWS


async def collect(consumer: AIOKafkaConsumer, arrivals: list[tuple[Signal, float]]) -> None:
    """Note when each signal arrives, until cancelled."""
    async for record in consumer:
        arrived = time.monotonic()
        notice: Notice = msgspec.json.decode(record.value, type=Notice)
        if isinstance(notice, Signal):
            arrivals.append((notice, arrived))


async def measure(settings: Settings, seconds: float) -> list[float]:
    """Seconds from produce to signal, of each signal."""
    load, arrivals = Load(HOSTS, is_strange), list[tuple[Signal, float]]()
    producer = await open_producer(settings.kafka)
    consumer = await open_consumer(settings.kafka, settings.topics.signals)
    collecting = asyncio.create_task(collect(consumer, arrivals))
    try:
        outbox = Outbox(producer)
        await warm_up(settings, load, outbox)
        published = await publish_steadily(settings, load, outbox, seconds)
        await asyncio.sleep(DRAIN_SECONDS)
    finally:
        collecting.cancel()
        await consumer.stop()
        await producer.stop()
    return delays(arrivals, await read_samples(settings), published, load)
