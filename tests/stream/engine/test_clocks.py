"""On a real Kafka: an engine that is told of a clock that is off, or of readings that can not be used, says so."""

import time
from pathlib import Path

import msgspec
import pytest

from detectors.signals import HostState, HostStatus, Signal, Unread
from remediations.records import DecisionMade, Verdict
from tests.engines import FakeRunner, fleet, raised, status
from tests.kafka import Kafka


def dated(signal: Signal, behind: float) -> Signal:
    """The signal by a clock that is so many seconds behind."""
    return msgspec.structs.replace(signal, time=time.time() - behind)


def seen(behind: float, known: float) -> HostStatus:
    """A roster entry of an anomalous host whose readings come so late, of which so much is known to be its clock's."""
    return msgspec.structs.replace(status("h1", HostState.ANOMALOUS, behind), behind_seconds=known)


UNREAD = Unread("in_future", "121 s ahead", time.time(), time.time())
CASES = {
    "a clock that is off": (7200.0, seen(7200.0, 7199.7), "clock_off", "clock or time zone of h1 is 2 h behind"),
    "a backlog": (7200.0, seen(7200.0, 0.0), "event_too_old", ""),
    "no reading can be used": (
        1.0,
        msgspec.structs.replace(seen(1.0, 0.0), state=HostState.UNREADABLE, unread=UNREAD),
        "host_unreadable",
        "in_future",
    ),
}


@pytest.mark.parametrize(("behind", "entry", "reason", "value"), CASES.values(), ids=CASES.keys())
async def test_the_reason_of_a_denial_is_the_true_one(
    kafka: Kafka, tmp_path: Path, behind: float, entry: HostStatus, reason: str, value: str
) -> None:
    """Nothing is run in any case; a constant offset is named, and is no backlog."""
    now = msgspec.structs.replace(entry, time=time.time(), last_sample_time=time.time() - behind)
    async with fleet(kafka, tmp_path) as one:
        async with one.engine(runner=FakeRunner()):
            await one.publish(now, dated(raised("h1"), behind))
            records = await one.wait_for("decision.made")
        (decided,) = [record for record in records if isinstance(record, DecisionMade)]
        gate = decided.gates[-1]
        assert (decided.verdict, decided.reason, gate.gate) == (Verdict.DENY, reason, "event_freshness")
        assert value in gate.value
