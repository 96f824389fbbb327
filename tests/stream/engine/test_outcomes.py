"""What becomes of an incident by the way its run ended, on a real Kafka with targets in memory."""

import asyncio
from pathlib import Path

import aiohttp
import msgspec
import pytest

from detectors.signals import HostState
from remediations.incidents import IncidentStatus
from remediations.records import (
    DecisionMade,
    HumanNeeded,
    IncidentClosed,
    RunFinished,
    RunVerified,
    VerificationOutcome,
)
from remediations.runs import RunResult, RunStatus
from stream.engine.flow import work
from tests.engines import FakeRunner, Fleet, Rules, fleet, status, until
from tests.kafka import Kafka
from tests.playbooks.conftest import free_port

UNREACHABLE = RunResult(RunStatus.UNREACHABLE, 4, reason="h1 could not be reached: no route", artifacts="/runs/1")


async def test_a_target_that_is_not_reached_is_tried_again_by_the_limits(kafka: Kafka, tmp_path: Path) -> None:
    """No effect is no unknown: the host is free at once, the next attempt waits for the cooldown; then a human."""
    async with fleet(kafka, tmp_path, Rules(attempts_maximum=2, cooldown_seconds=3)) as one:
        runner = FakeRunner(UNREACHABLE, UNREACHABLE)
        async with one.engine(runner=runner):
            await one.fail()
            await one.wait_for("run.finished")
            await until(one.ledger, lambda ledger: not ledger.unfinished(), 5)
            await asyncio.sleep(2)
            assert len(runner.played) == 1
            await one.publish(status("h1", HostState.ANOMALOUS))
            records = await one.wait_for("incident.needs_human")
        assert "run.unknown" not in await one.tags()
        ended = [record for record in records if isinstance(record, RunFinished)]
        assert [(record.status, record.artifacts) for record in ended] == [(RunStatus.UNREACHABLE, "/runs/1")] * 2
        outcomes = [record.outcome for record in records if isinstance(record, RunVerified)]
        assert outcomes == [VerificationOutcome.UNREACHABLE] * 2
        reasons = [record.reason for record in records if isinstance(record, DecisionMade)]
        assert reasons[:2] == ["all_gates_passed", "cooldown"]
        (human,) = [record for record in records if isinstance(record, HumanNeeded)]
        assert human.reason == "attempts_exhausted: 2 run, the last one unreachable"


@pytest.mark.parametrize(
    ("status_", "reason"),
    [
        (RunStatus.FAILED, "other_target: the machine at the address of h1 was first met as h2"),
        (RunStatus.UNREACHABLE, "host_key_changed: h1 could not be reached: REMOTE HOST IDENTIFICATION HAS CHANGED"),
    ],
)
async def test_another_machine_is_for_a_human(kafka: Kafka, tmp_path: Path, status_: RunStatus, reason: str) -> None:
    """A target that is not the machine that it was is not tried again: a human gets the reason."""
    async with fleet(kafka, tmp_path, Rules(attempts_maximum=5)) as one:
        runner = FakeRunner(RunResult(status_, 2, reason=reason))
        async with one.engine(runner=runner):
            await one.fail()
            records = await one.wait_for("incident.needs_human")
        (human,) = [record for record in records if isinstance(record, HumanNeeded)]
        assert human.reason == reason
        assert len(runner.played) == 1


@pytest.mark.parametrize("idempotent", [False, True])
async def test_a_host_that_is_well_after_a_run_that_broke_off_is_looked_at(
    kafka: Kafka, tmp_path: Path, *, idempotent: bool
) -> None:
    """That its signals cleared does not prove what the run did: a human is called, and nothing is closed before."""
    async with fleet(kafka, tmp_path, Rules(idempotent=idempotent)) as one:
        runner = FakeRunner(seconds=60)
        async with one.engine(runner=runner, grace_seconds=0.2):
            signal = await one.fail()
            await until(one.effects_now, lambda _effects: len(runner.played) == 1, 20)
        assert (await one.tags())[-1] == "run.unknown"
        await one.recover(signal)
        async with one.engine(runner=runner):
            records = await one.wait_for("incident.needs_human")
            await asyncio.sleep(2)
            assert "incident.closed" not in await one.tags()
            (incident,) = (await one.ledger()).open_incidents()
            assert incident.status is IncidentStatus.NEEDS_HUMAN
            (human,) = [record for record in records if isinstance(record, HumanNeeded)]
            assert human.reason.startswith("run_unknown: append")
            assert "broke off" in human.reason
            await one.recover(await one.fail(number=2))
            records = await one.wait_for("incident.closed")
        (closed,) = [record for record in records if isinstance(record, IncidentClosed)]
        assert (closed.reason, closed.outcome) == ("recovered_unproven", VerificationOutcome.UNKNOWN)


async def test_a_run_that_reached_nothing_proves_nothing_of_the_one_before(kafka: Kafka, tmp_path: Path) -> None:
    """What a run that broke off has done stays unproven, though the next one is known to have had no effect."""
    async with fleet(kafka, tmp_path, Rules(attempts_maximum=2, idempotent=True)) as one:
        runner = FakeRunner(RunResult(RunStatus.TIMEOUT, None, reason="too slow"), UNREACHABLE)
        async with one.engine(runner=runner):
            signal = await one.fail()
            await one.wait_for("incident.needs_human")
            assert len(runner.played) == 2
            await one.recover(signal)
            records = await one.wait_for("incident.closed")
    (closed,) = [record for record in records if isinstance(record, IncidentClosed)]
    assert (closed.reason, closed.outcome) == ("recovered_unproven", VerificationOutcome.UNREACHABLE)


async def test_the_outcome_of_the_last_run_is_part_of_the_close(kafka: Kafka, tmp_path: Path) -> None:
    """A host that recovered after a run that failed did not recover by that run, and the record says both."""
    async with fleet(kafka, tmp_path) as one, one.engine(runner=FakeRunner(RunResult(RunStatus.FAILED, 2))):
        signal = await one.fail()
        await one.wait_for("incident.needs_human")
        await one.recover(signal)
        records = await one.wait_for("incident.closed")
    (closed,) = [record for record in records if isinstance(record, IncidentClosed)]
    assert (closed.reason, closed.outcome) == ("recovered", VerificationOutcome.FAILED)


async def test_a_stop_waits_for_the_run_and_says_so(
    kafka: Kafka, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a grace of its own a stop lasts as long as the run may take, and tells which run that is."""
    async with fleet(kafka, tmp_path) as one:
        async with one.engine(runner=FakeRunner(seconds=3), grace_seconds=None):
            await one.fail()
            await one.wait_for("run.started")
        assert "run.finished" in await one.tags()
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "engine.waits" in line]
    assert "host=h1" in line
    assert "playbook=append" in line
    (seconds,) = [int(word.partition("=")[2]) for word in line.split() if word.startswith("at_most_seconds=")]
    assert 45 <= seconds <= 60  # the playbook's 30, and 30 to end what it started


async def test_a_stop_begins_nothing_new(kafka: Kafka, tmp_path: Path) -> None:
    """A run that was claimed when the stop came is given back: no attempt, and the next start decides anew."""
    async with fleet(kafka, tmp_path) as one:
        stopping, runner = asyncio.Event(), FakeRunner()

        def at(name: str) -> None:
            if name == "W4":  # claimed, not started
                stopping.set()

        engine = asyncio.create_task(work(one.settings, stopping, checkpoint=at, runner=runner))
        await one.fail()
        await asyncio.wait_for(engine, 40)
        assert runner.played == []
        assert [tag for tag in await one.tags() if tag.startswith("run.")] == ["run.claimed", "run.revoked"]
        async with one.engine(runner=runner):
            await one.wait_for("run.finished")
        assert len(runner.played) == 1


async def test_a_second_signal_ends_the_run_at_once(kafka: Kafka, tmp_path: Path) -> None:
    """Who does not want to wait gets an unknown outcome, which the next start looks into."""
    async with fleet(kafka, tmp_path) as one:
        stopping, hurry = asyncio.Event(), asyncio.Event()
        runner = FakeRunner(seconds=60)
        engine = asyncio.create_task(work(one.settings, stopping, hurry, checkpoint=lambda _name: None, runner=runner))
        await one.fail()
        await until(one.effects_now, lambda _effects: len(runner.played) == 1, 20)
        stopping.set()
        await asyncio.sleep(1)
        assert not engine.done()
        hurry.set()
        await asyncio.wait_for(engine, 15)
        assert (await one.tags())[-1] == "run.unknown"


async def counted(one: Fleet) -> list[str]:
    """The engine's counts of runs."""
    async with aiohttp.ClientSession(f"http://127.0.0.1:{one.settings.engine.health_port}") as client:
        text = await (await client.get("/metrics")).text()
    return [line for line in text.splitlines() if line.startswith("tidegate_engine_runs_total{")]


def with_port(one: Fleet) -> Fleet:
    """The fleet whose engine answers on a known port."""
    engine = msgspec.structs.replace(one.settings.engine, health_port=free_port())
    one.settings = msgspec.structs.replace(one.settings, engine=engine)
    return one


async def test_a_run_that_the_marker_resolves_is_counted(kafka: Kafka, tmp_path: Path) -> None:
    """A run whose engine was stopped is counted by the engine that finds out what became of it."""
    async with fleet(kafka, tmp_path) as bare:
        one, runner = with_port(bare), FakeRunner(seconds=60)
        async with one.engine(runner=runner, grace_seconds=0.2):
            await one.fail()
            await until(one.effects_now, lambda _effects: len(runner.played) == 1, 20)
            assert await counted(one) == []
        async with one.engine(runner=runner):
            await one.wait_for("incident.needs_human")
            assert await counted(one) == ['tidegate_engine_runs_total{playbook="append",status="unknown"} 1.0']


async def test_a_run_that_ends_without_an_outcome_is_counted_once(kafka: Kafka, tmp_path: Path) -> None:
    """It counts when it ends, as what it ended, and not again when the marker has told what it did."""
    async with fleet(kafka, tmp_path) as bare:
        one = with_port(bare)
        async with one.engine(runner=FakeRunner(RunResult(RunStatus.TIMEOUT, None, reason="too slow"))):
            await one.fail()
            await one.wait_for("incident.needs_human")
            assert await counted(one) == ['tidegate_engine_runs_total{playbook="append",status="timeout"} 1.0']
