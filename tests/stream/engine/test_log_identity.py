"""Ids and markers where an audit log begins anew on the same hosts, on a real Kafka with real Ansible."""

from pathlib import Path

import msgspec

from console.sentences import results
from remediations.records import EngineStarted, RunFinished
from remediations.runs import RunStatus
from stream.topics import ensure_topics
from tests.engines import Fleet, fleet
from tests.kafka import Kafka


async def repaired(one: Fleet) -> RunFinished:
    """The host fails and is repaired once."""
    async with one.engine():
        signal = await one.fail()
        (finished,) = [each for each in await one.wait_for("run.finished", seconds=60) if isinstance(each, RunFinished)]
        await one.recover(signal)
        await one.wait_for("incident.closed")
    return finished


async def test_a_log_that_begins_anew_is_not_refused_by_old_markers(kafka: Kafka, tmp_path: Path) -> None:
    """The same host, the same first episode: the run takes a marker of its own, and tells of the other log's."""
    async with fleet(kafka, tmp_path) as one:
        first = await repaired(one)
        topics = msgspec.structs.replace(
            one.settings.topics,
            audit=f"{one.settings.topics.audit}.anew",
            signals=f"{one.settings.topics.signals}.anew",
        )
        one.settings = msgspec.structs.replace(one.settings, topics=topics, state_folder=str(tmp_path / "anew"))
        await ensure_topics(one.settings)
        second = await repaired(one)
        (started,) = [each for each in await one.records() if isinstance(each, EngineStarted)]
    assert (first.status, second.status) == (RunStatus.SUCCESSFUL, RunStatus.SUCCESSFUL)
    assert one.effects() == [first.action_id, second.action_id]
    assert second.action_id[:32] == first.action_id[:32]
    assert second.action_id.endswith(started.log_id)
    assert first.result == {}
    assert results(second) == (f"result on h1: marker of another audit log: {first.action_id}",)
    assert second.result == {"marker_of_another_audit_log": {"h1": first.action_id}}


async def test_a_log_keeps_its_identity(kafka: Kafka, tmp_path: Path) -> None:
    """The first engine makes it; those that come later, also with state folders of their own, take it from the log."""
    left = tmp_path / "left"
    left.mkdir()
    async with fleet(kafka, left) as one:
        async with one.engine():
            await one.wait_for("engine.started")
        other = one.beside(tmp_path / "right")
        first = await repaired(other)
        started = [each.log_id for each in await one.records() if isinstance(each, EngineStarted)]
    assert len(started) == 2
    assert {started[0]} == {*started, first.action_id[32:]}
