"""The signals topic as the engine reads it: position, what is skipped, and which topic is refused."""

import time
from pathlib import Path

import pytest

from detectors.signals import HostState
from stream.engine.notices import NOTICE_BYTES_MAXIMUM, open_notices
from stream.errors import AuditError
from stream.kafka import open_producer
from tests.engines import Fleet, fleet, raised, status
from tests.kafka import Kafka


async def offsets(one: Fleet, handled: int, since: float) -> list[int]:
    """Offsets of the notices that a reader gives which begins there."""
    topic = one.settings.topics.signals
    async with open_notices(one.settings.kafka, topic, handled, since) as reader:
        return [offset for offset, _ in await reader.read(2.0)]


async def test_a_reader_begins_behind_what_is_handled_or_earlier_for_the_roster(kafka: Kafka, tmp_path: Path) -> None:
    """Signals that the log rests on are over; roster entries of the last minutes are read again all the same."""
    async with fleet(kafka, tmp_path) as one:
        await one.publish(status("h1", HostState.NORMAL), raised("h1"), raised("h2"))
        now = time.time()
        assert await offsets(one, handled=1, since=now + 60) == [2]
        assert await offsets(one, handled=1, since=now - 60) == [0, 1, 2]
        assert await offsets(one, handled=-1, since=now + 60) == [0, 1, 2]


async def test_what_can_not_be_read_is_skipped_and_counted(kafka: Kafka, tmp_path: Path) -> None:
    """A damaged or oversized record stops nothing, and is told of."""
    async with fleet(kafka, tmp_path) as one:
        topic = one.settings.topics.signals
        producer = await open_producer(one.settings.kafka)
        for value in (b"", b'{"type":"signal"}', b'"' + b"x" * NOTICE_BYTES_MAXIMUM + b'"'):
            await producer.send_and_wait(topic, value, partition=0)
        await producer.stop()
        await one.publish(raised("h1"))
        async with open_notices(one.settings.kafka, topic, -1, 0.0) as reader:
            assert [offset for offset, _ in await reader.read(2.0)] == [3]
            assert (reader.damaged, reader.next_offset) == (3, 4)


async def test_a_rewound_reader_gives_the_same_again(kafka: Kafka, tmp_path: Path) -> None:
    """A signal whose audit record got lost is read once more."""
    async with fleet(kafka, tmp_path) as one:
        signals = [raised(f"h{number}") for number in range(3)]
        await one.publish(*signals)
        async with open_notices(one.settings.kafka, one.settings.topics.signals, -1, 0.0) as reader:
            assert [notice for _, notice in await reader.read(2.0)] == signals
            reader.rewind(1)
            assert [notice for _, notice in await reader.read(2.0)] == signals[1:]


async def test_a_topic_shorter_than_the_audit_log_is_refused(kafka: Kafka, tmp_path: Path) -> None:
    """Signals of another cluster would be taken for handled ones: better nothing than that."""
    async with fleet(kafka, tmp_path) as one:
        await one.publish(raised("h1"))
        with pytest.raises(AuditError, match="ends at offset 1, but the audit log rests on its record 7"):
            await offsets(one, handled=7, since=0.0)
