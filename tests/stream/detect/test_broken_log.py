"""A log that is broken on disk so that a real broker can not read it: the client asks for ever."""

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from stream.broker.embedded import EmbeddedBroker
from stream.detect.outbox import Message
from stream.topics import ensure_topics
from tests.kafka import Kafka
from tests.stream.detect.storms import KafkaRecord
from tests.stream.detect.test_damage import reading, samples_of
from tests.stream.detect.test_faults import letters, send
from tests.stream.detect.test_storm import header, storm_settings

BATCHES = 20
# By partition, what the second batch says of its length: none, less than none, less than it has, more than there is.
LENGTHS = (0, -5, 70, 1_000_000_000)
SOUND = len(LENGTHS)


@pytest.mark.timeout(150)
async def test_a_length_that_is_broken_on_disk_holds_up_no_partition(
    private_broker: Callable[[], EmbeddedBroker], tmp_path: Path
) -> None:
    """Reading goes on where the broker can read again; each record is read, or in the range of a dead letter."""
    broker = await asyncio.to_thread(private_broker)
    settings = storm_settings(Kafka(broker.bootstrap_servers))
    await ensure_topics(settings)
    topic = settings.topics.metrics
    for number in range(BATCHES):
        messages = [Message(None, reading(f"web-{part}-{number}"), partition=part) for part in range(SOUND + 1)]
        await send(settings.kafka, topic, messages)
    await asyncio.to_thread(broker.stop)
    for partition, length in enumerate(LENGTHS):
        break_length(broker.folder / "data" / f"{topic}-{partition}" / f"{0:020}.log", length)
    await asyncio.to_thread(broker.start)
    found = await samples_of(settings, tmp_path)
    lost = Counter(place for letter in await letters(settings) for place in places(letter))
    read = Counter(tuple(int(part) for part in host.split("-")[1:]) for host in found)
    assert set(read) | set(lost) == {(part, number) for part in range(SOUND + 1) for number in range(BATCHES)}
    assert not set(read) & set(lost)
    assert all((part, number) in read for part in range(SOUND + 1) for number in (0, BATCHES - 1))
    assert all((SOUND, number) in read for number in range(BATCHES))


def break_length(log: Path, length: int) -> None:
    """Write another length into the second batch of a log."""
    data = bytearray(log.read_bytes())
    begin = 12 + int.from_bytes(data[8:12])
    data[begin + 8 : begin + 12] = length.to_bytes(4, signed=True)
    log.write_bytes(data)


def places(letter: KafkaRecord) -> list[tuple[int, int]]:
    """Partition and offset of each record that a dead letter stands for."""
    first = int(header(letter, "src.offset"))
    last = int(dict(letter.headers).get("src.offset.last", first))
    return [(int(header(letter, "src.partition")), offset) for offset in range(first, last + 1)]
