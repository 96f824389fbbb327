"""The engine on a real Kafka with targets in memory: what it decides, runs, judges and writes down."""

import asyncio
from pathlib import Path

import pytest

from detectors.signals import HostState
from remediations.acceptance import accept
from remediations.loading import load_rulebook
from remediations.records import (
    DecisionMade,
    EngineStarted,
    Entry,
    HumanNeeded,
    IncidentClosed,
    RulesChanged,
    RulesRefused,
    RunFinished,
    RunStarted,
    RunVerified,
    VerificationOutcome,
)
from remediations.runner import PreparedRun, RunRefusedError
from remediations.runs import RunRequest, RunResult, RunStatus
from stream.audit.log import verify_log
from stream.engine.flow import accepted_file, rule_files
from stream.errors import StreamError
from tests.engines import FakeRunner, Rules, fleet, raised, status, tag_of, until
from tests.kafka import Kafka

HELPED = [
    "engine.started",
    "incident.opened",
    "decision.made",
    "run.claimed",
    "run.started",
    "run.finished",
    "incident.updated",
    "run.verified",
    "incident.closed",
]


async def test_a_run_that_helps_leaves_exactly_these_records(kafka: Kafka, tmp_path: Path) -> None:
    """Signal → incident → decision → claim → start → end → clear → verified → closed, and nothing else."""
    async with fleet(kafka, tmp_path) as one:
        runner = FakeRunner()
        async with one.engine(runner=runner):
            signal = await one.fail()
            await one.wait_for("run.finished")
            await one.recover(signal)
            await one.wait_for("incident.closed")
        assert await one.tags() == HELPED
        closed = (await one.records())[-1]
        assert isinstance(closed, IncidentClosed)
        assert closed.reason == "verified"
        report = await verify_log(one.settings.kafka, one.settings.topics.audit)
        assert report.fault is None


@pytest.mark.parametrize(
    ("result", "state", "sample_age", "outcome"),
    [
        pytest.param(
            RunResult(RunStatus.SUCCESSFUL, 0),
            HostState.ANOMALOUS,
            0.0,
            VerificationOutcome.INEFFECTIVE,
            id="rc 0 but still anomalous",
        ),
        pytest.param(
            RunResult(RunStatus.SUCCESSFUL, 0), HostState.SILENT, 60.0, VerificationOutcome.UNKNOWN, id="rc 0, no data"
        ),
        pytest.param(
            RunResult(RunStatus.FAILED, 2, reason="it broke"),
            HostState.ANOMALOUS,
            0.0,
            VerificationOutcome.FAILED,
            id="rc 2",
        ),
    ],
)
async def test_only_the_stream_makes_a_success(
    kafka: Kafka, tmp_path: Path, result: RunResult, state: HostState, sample_age: float, outcome: VerificationOutcome
) -> None:
    """A run counts by what the data after it shows; when it did not help and no attempt is left, a human is called."""
    async with fleet(kafka, tmp_path, Rules(deadline_seconds=1.5)) as one:
        async with one.engine(runner=FakeRunner(result)):
            await one.fail()
            await one.wait_for("run.finished")
            await asyncio.sleep(0.1)
            await one.publish(status("h1", state, sample_age))
            records = await one.wait_for("incident.needs_human")
        (verified,) = [record for record in records if isinstance(record, RunVerified)]
        assert verified.outcome is outcome
        (human,) = [record for record in records if isinstance(record, HumanNeeded)]
        assert human.reason == f"attempts_exhausted: 1 run, the last one {outcome.value}"


async def test_a_run_is_judged_by_the_signals_that_its_start_wrote_down(kafka: Kafka, tmp_path: Path) -> None:
    """Asked for silence alone, a host that is heard is a success; the anomaly that goes on is left to a human."""
    async with fleet(kafka, tmp_path, Rules(signals=("silence",))) as one:
        async with one.engine(runner=FakeRunner()):
            await one.fail()
            await one.wait_for("run.finished")
            await asyncio.sleep(0.1)
            await one.publish(status("h1", HostState.ANOMALOUS))
            records = await one.wait_for("incident.needs_human")
        assert [record.outcome for record in records if isinstance(record, RunVerified)] == [
            VerificationOutcome.SUCCESS
        ]
        started = [record.verification.signals for record in records if isinstance(record, RunStarted)]
        assert started == [("silence",)]


async def test_an_incident_left_to_a_human_closes_when_its_signals_clear(kafka: Kafka, tmp_path: Path) -> None:
    """Once the host is well again the incident is over, whoever cured it; the call for a human stays in the log."""
    async with fleet(kafka, tmp_path) as one:
        async with one.engine(runner=FakeRunner(RunResult(RunStatus.FAILED, 2))):
            signal = await one.fail()
            await one.wait_for("incident.needs_human")
            await one.recover(signal)
            records = await one.wait_for("incident.closed")
        closed = records[-1]
        assert isinstance(closed, IncidentClosed)
        assert closed.reason == "recovered"


async def test_a_further_attempt_goes_through_the_gates_again(kafka: Kafka, tmp_path: Path) -> None:
    """An ineffective run is followed by another attempt, with an id of its own, while attempts are left."""
    async with fleet(kafka, tmp_path, Rules(attempts_maximum=2, deadline_seconds=0.5)) as one:
        runner = FakeRunner()
        async with one.engine(runner=runner):
            signal = await one.fail()
            await one.wait_for("run.finished")
            await asyncio.sleep(0.1)
            await one.publish(status("h1", HostState.ANOMALOUS))
            await until(one.ledger, lambda ledger: len(runner.played) == 2 and not ledger.unfinished(), 15)
            await one.recover(signal)
            records = await one.wait_for("incident.closed")
        outcomes = [record.outcome for record in records if isinstance(record, RunVerified)]
        assert outcomes == [VerificationOutcome.INEFFECTIVE, VerificationOutcome.SUCCESS]
        attempts = [record.attempt for record in records if isinstance(record, DecisionMade)]
        assert attempts == [1, 2]
        assert len(set(runner.played)) == 2


async def test_observing_says_once_what_it_would_do(kafka: Kafka, tmp_path: Path) -> None:
    """In mode observe nothing runs; the decision is written once, however often the roster is repeated."""
    async with fleet(kafka, tmp_path, Rules(mode="observe")) as one:
        runner = FakeRunner()
        async with one.engine(runner=runner):
            signal = await one.fail()
            await one.wait_for("decision.made")
            for _ in range(5):
                await one.publish(status("h1", HostState.ANOMALOUS))
                await asyncio.sleep(0.1)
            await one.recover(signal)
            await one.wait_for("incident.closed")
        assert await one.tags() == [
            "engine.started",
            "incident.opened",
            "decision.made",
            "incident.updated",
            "incident.closed",
        ]
        assert runner.played == []


async def test_a_denied_action_is_looked_at_again_in_time(kafka: Kafka, tmp_path: Path) -> None:
    """Inside the cooldown the second incident of a host is denied with the time; at that time it is acted on."""
    async with fleet(kafka, tmp_path, Rules(cooldown_seconds=4)) as one:
        runner = FakeRunner()
        async with one.engine(runner=runner):
            first = await one.fail()
            await one.wait_for("run.finished")
            await one.recover(first)
            await one.wait_for("incident.closed")
            await one.fail(number=2)
            entries = await until(one.entries, lambda entries: 2 == len(finishes(entries)), 15)
        decisions = [entry.record for entry in entries if isinstance(entry.record, DecisionMade)]
        assert [decision.reason for decision in decisions] == ["all_gates_passed", "cooldown", "all_gates_passed"]
        first_end, second_end = finishes(entries)
        assert second_end - first_end >= 4
        assert decisions[1].gates[-1].next_time == pytest.approx(first_end + 4)


def finishes(entries: list[Entry]) -> list[float]:
    """Times at which runs finished."""
    return [entry.time for entry in entries if isinstance(entry.record, RunFinished)]


async def test_two_engines_make_one_run(kafka: Kafka, tmp_path: Path) -> None:
    """Engines that share a log race for every action; each action is run by exactly one of them."""
    left, right = tmp_path / "left", tmp_path / "right"
    left.mkdir()
    async with fleet(kafka, left, hosts=6, concurrency=6) as one:
        other = one.beside(right)
        runners = FakeRunner(), FakeRunner()
        async with one.engine(runner=runners[0]), other.engine(runner=runners[1]):
            await until(one.tags, lambda tags: tags.count("engine.started") == 2, 15)
            await one.publish(*(status(f"h{number}", HostState.ANOMALOUS) for number in range(1, 7)))
            await one.publish(*(raised(f"h{number}") for number in range(1, 7)))
            ledger = await until(one.ledger, lambda ledger: len(ledger.unverified()) == 6, 30)
        played = runners[0].played + runners[1].played
        assert sorted(played) == sorted(ledger.state.actions)
        report = await verify_log(one.settings.kafka, one.settings.topics.audit)
        assert report.fault is None


async def test_runs_never_exceed_their_slots(kafka: Kafka, tmp_path: Path) -> None:
    """With one slot three hosts are repaired one after the other."""
    async with fleet(kafka, tmp_path, hosts=3, concurrency=1) as one:
        runner = FakeRunner(seconds=0.3)
        async with one.engine(runner=runner):
            for number in range(1, 4):
                await one.fail(f"h{number}")
            await until(one.ledger, lambda ledger: len(ledger.unverified()) == 3, 30)
        assert runner.together == 1


async def test_a_run_that_the_runner_refuses_is_denied(kafka: Kafka, tmp_path: Path) -> None:
    """What can not even be prepared is a denial with the runner's reason, and never claimed."""

    class Refusing(FakeRunner):
        def prepare(self, request: RunRequest) -> PreparedRun:
            raise RunRefusedError("free space of the run folder", 1, f"more, for {request.action_id}")

    async with fleet(kafka, tmp_path) as one:
        async with one.engine(runner=Refusing()):
            await one.fail()
            records = await one.wait_for("decision.made")
        assert [tag_of(record) for record in records] == ["engine.started", "incident.opened", "decision.made"]
        decision = records[-1]
        assert isinstance(decision, DecisionMade)
        assert decision.reason == "run_refused"
        assert decision.gates[-1].value.startswith("free space of the run folder is 1; wanted: more")


async def test_a_stop_lets_the_run_end(kafka: Kafka, tmp_path: Path) -> None:
    """An engine that is asked to stop starts nothing more, and writes down the end of what runs."""
    async with fleet(kafka, tmp_path) as one:
        async with one.engine(runner=FakeRunner(seconds=1.0)):
            await one.fail()
            await one.wait_for("run.started")
        assert "run.finished" in await one.tags()


async def test_a_run_that_outlives_the_grace_is_looked_into_at_the_next_start(kafka: Kafka, tmp_path: Path) -> None:
    """It is ended and unknown; the next start asks the target, where it had begun, and calls a human."""
    async with fleet(kafka, tmp_path) as one:
        runner = FakeRunner(seconds=60)
        async with one.engine(runner=runner, grace_seconds=0.2):
            await one.fail()
            await one.wait_for("run.started")
            await until(one.effects_now, lambda _effects: len(runner.played) == 1, 10)
        assert (await one.tags())[-1] == "run.unknown"
        async with one.engine(runner=runner):
            records = await one.wait_for("incident.needs_human")
        human = records[-1]
        assert isinstance(human, HumanNeeded)
        assert human.reason == "run_unknown: append had begun on h1 and broke off, it may be half done"
        assert len(runner.played) == 1


async def test_changed_rules_hold_without_a_restart(kafka: Kafka, tmp_path: Path) -> None:
    """A rule that is set to auto acts from then on; a file that is wrong changes nothing."""
    async with fleet(kafka, tmp_path, Rules(mode="observe")) as one:
        runner = FakeRunner()
        async with one.engine(runner=runner):
            await one.fail()
            await one.wait_for("decision.made")
            one.write_policy(Rules(mode="sometimes"))
            await asyncio.sleep(6)
            assert runner.played == []
            one.write_policy(Rules(mode="auto"))
            records = await one.wait_for("run.finished")
        assert [tag_of(record) for record in records[:4]] == [
            "engine.started",
            "incident.opened",
            "decision.made",
            "rules.refused",
        ]
        (refused,) = [record for record in records if isinstance(record, RulesRefused)]
        (changed,) = [record for record in records if isinstance(record, RulesChanged)]
        assert isinstance(records[0], EngineStarted)
        assert refused.policy_digest == records[0].policy_digest != changed.policy_digest


async def test_a_playbook_changed_after_the_decision_is_not_run(kafka: Kafka, tmp_path: Path) -> None:
    """What is run is what was decided on and accepted: other bytes are a denial, until somebody accepts them."""
    async with fleet(kafka, tmp_path) as one:
        runner = FakeRunner()
        async with one.engine(runner=runner):
            await one.wait_for("engine.started")
            await until(one.tags, lambda tags: tags == ["engine.started"], 10)
            one.change_playbook()
            await one.fail()
            await until(one.tags, lambda tags: tags.count("decision.made") == 2, 20)
            changed = load_rulebook(*map(Path, rule_files(one.settings))).playbook_digests
            accept(accepted_file(one.settings), changed)
            records = await one.wait_for("run.finished")
        decisions = [record for record in records if isinstance(record, DecisionMade)]
        reasons = ["playbook_changed", "playbook_not_accepted", "all_gates_passed"]
        assert [decision.reason for decision in decisions] == reasons
        assert decisions[0].playbook_digest != decisions[2].playbook_digest
        assert len(runner.played) == 1


async def test_a_state_folder_has_one_engine(kafka: Kafka, tmp_path: Path) -> None:
    """A second engine on the same folder is refused, by name of the folder."""
    async with fleet(kafka, tmp_path) as one, one.engine(runner=FakeRunner()):
        await one.wait_for("engine.started")
        with pytest.raises(StreamError, match="is in use by another engine"):
            async with one.engine(runner=FakeRunner()):
                pass


async def test_a_restarted_engine_does_nothing_twice(kafka: Kafka, tmp_path: Path) -> None:
    """Signals that are in the log already are not handled again, nor is their run repeated."""
    async with fleet(kafka, tmp_path) as one:
        runner = FakeRunner()
        async with one.engine(runner=runner):
            signal = await one.fail()
            await one.wait_for("run.finished")
        async with one.engine(runner=runner):
            await one.recover(signal)
            await one.wait_for("incident.closed")
        assert [tag for tag in await one.tags() if tag != "engine.started"] == HELPED[1:]
        assert len(runner.played) == 1
