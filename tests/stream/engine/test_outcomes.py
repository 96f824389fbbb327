"""What becomes of an incident by the way its run ended, on a real Kafka with targets in memory."""

import asyncio
from pathlib import Path

from detectors.signals import HostState
from remediations.records import DecisionMade, HumanNeeded, RunFinished, RunVerified, VerificationOutcome
from remediations.runs import RunResult, RunStatus
from tests.engines import FakeRunner, Rules, fleet, status, until
from tests.kafka import Kafka

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
