"""Drift through real workers and a real Kafka: told once, whichever worker is there, and cleared."""

import json
import random
import time
from pathlib import Path

import msgspec
import pytest

from detectors.drift.settings import DriftSettings
from detectors.signals import Notice, Signal, SignalKind, SignalState
from stream.detect.outbox import Message, Outbox
from stream.kafka import open_producer
from stream.settings import Settings
from stream.topics import ensure_topics
from tests.kafka import Kafka
from tests.stream.detect.storms import Fleet, read_all, wait_until_all_committed

ROW_SECONDS = 300.0
STEP = 200
DRIFT = DriftSettings(history_seconds=7200.0, confirm_blocks=12)


def records(begin: int, end: int, since: float) -> list[Message]:
    """Telegraf's records of one host; its load steps from 10 to 40 after 200 of them."""
    noise = random.Random(begin)  # noqa: S311 - noise for tests, not a secret
    rows = [
        {
            "name": "cpu",
            "tags": {"host": "web-1"},
            "fields": {"load": noise.gauss(10.0 if number < STEP else 40.0, 1.0)},
            "timestamp": since + number * ROW_SECONDS,
        }
        for number in range(begin, end)
    ]
    return [Message(key=b"k", value=json.dumps(row).encode()) for row in rows]


async def notices(settings: Settings) -> list[Notice]:
    """Everything on the signals topic."""
    logs = await read_all(settings.kafka, settings.topics.signals)
    return [msgspec.json.decode(record.value or b"", type=Notice) for record in logs[0]]


@pytest.mark.timeout(240)
async def test_a_new_normal_is_told_once_though_workers_are_killed(kafka: Kafka, tmp_path: Path) -> None:
    """The worker that told it is killed: the next one knows what has moved, and clears it under the same id."""
    settings = kafka.settings(partitions=1)
    detect = msgspec.structs.replace(
        settings.detect, session_timeout_seconds=6.0, past_maximum_seconds=1e7, silence_seconds=1e6, drift=DRIFT
    )
    settings = msgspec.structs.replace(settings, detect=detect)
    await ensure_topics(settings)
    topics, since = settings.topics, time.time() - 400 * ROW_SECONDS
    producer, fleet = await open_producer(settings.kafka), Fleet(tmp_path, settings, "models")
    try:
        outbox = Outbox(producer)
        for worker, (begin, end) in enumerate(((0, 260), (260, 360))):
            fleet.start(f"w{worker}")
            await fleet.wait_ready(f"w{worker}")
            await outbox.publish(topics.metrics, records(begin, end, since))
            await wait_until_all_committed(settings, (topics.metrics, topics.samples), 90.0)
            fleet.kill(f"w{worker}")
        found = await notices(settings)
    finally:
        fleet.close()
        await producer.stop()
    drifts = {(each.state, each.id): each for each in found if isinstance(each, Signal) and is_drift(each)}
    raised, cleared = sorted(drifts.values(), key=lambda signal: signal.time)
    assert (SignalState.RAISED, SignalState.CLEARED) == (raised.state, cleared.state)
    assert raised.id == cleared.raised_id
    assert STEP < (raised.time - since) / ROW_SECONDS < 260 < (cleared.time - since) / ROW_SECONDS
    assert ["cpu.load"] == [series.series for series in raised.evidence.series]


def is_drift(signal: Signal) -> bool:
    """Whether it tells of a new normal."""
    return signal.kind is SignalKind.DRIFT
