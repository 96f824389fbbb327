"""A host that is well after each run and in trouble again soon: in the end a human is called, on a real Kafka."""

from pathlib import Path

from remediations.records import DecisionMade, HumanNeeded, RunStarted
from tests.engines import FakeRunner, Fleet, Rules, fleet, until
from tests.kafka import Kafka


async def repair(one: Fleet, runner: FakeRunner, number: int) -> None:
    """The host fails, is repaired, and is well again."""
    signal = await one.fail(number=number)
    await until(one.ledger, lambda ledger: len(runner.played) == number and not ledger.unfinished(), 15)
    await one.recover(signal)
    await until(one.ledger, lambda ledger: not ledger.open_incidents(), 15)


async def test_a_host_that_is_repaired_again_and_again_is_left_to_a_human(kafka: Kafka, tmp_path: Path) -> None:
    """Each run helps, each incident closes; the incident after the last allowed run is denied, a human called."""
    async with fleet(kafka, tmp_path, Rules(host_attempts_maximum=2)) as one:
        runner = FakeRunner()
        async with one.engine(runner=runner):
            await repair(one, runner, 1)
            await repair(one, runner, 2)
            await one.fail(number=3)
            records = await one.wait_for("incident.needs_human")
        assert len(runner.played) == 2
        denied = [record for record in records if isinstance(record, DecisionMade)][-1]
        assert (denied.reason, denied.gates[-1].value) == ("host_attempts_exhausted", "2")
        (human,) = [record for record in records if isinstance(record, HumanNeeded)]
        assert human.reason.startswith("host_attempts_exhausted: 2 runs on h1 lately, limit 2 in 14400 s")


async def test_another_engine_counts_the_runs_of_the_first(kafka: Kafka, tmp_path: Path) -> None:
    """The count is in the log: an engine with a state folder of its own goes on with it."""
    left = tmp_path / "left"
    left.mkdir()
    async with fleet(kafka, left, Rules(host_attempts_maximum=1)) as one:
        runner = FakeRunner()
        async with one.engine(runner=runner):
            await repair(one, runner, 1)
        other, second = one.beside(tmp_path / "right"), FakeRunner()
        async with other.engine(runner=second):
            await one.fail(number=2)
            await one.wait_for("incident.needs_human")
        assert second.played == []
        assert [record.action_id for record in await one.records() if isinstance(record, RunStarted)] == runner.played


async def test_a_rule_that_only_observes_calls_nobody(kafka: Kafka, tmp_path: Path) -> None:
    """What would be denied is written down as such; a human is called where automation gives up, not where it looks."""
    async with fleet(kafka, tmp_path, Rules(mode="observe", host_attempts_maximum=0)) as one:
        async with one.engine(runner=FakeRunner()):
            signal = await one.fail()
            await one.wait_for("decision.made")
            await one.recover(signal)
            await one.wait_for("incident.closed")
        decisions = [record for record in await one.records() if isinstance(record, DecisionMade)]
        assert decisions[0].reason == "host_attempts_exhausted"
        assert "incident.needs_human" not in await one.tags()
