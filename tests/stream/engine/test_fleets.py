"""Fleet events on a real Kafka: raised once, whoever is there to see it, through restarts, and cleared once."""

import asyncio
from pathlib import Path

import msgspec

from remediations.records import DecisionMade, FleetCleared, FleetRaised, Record, RunFinished, Verdict
from tests.engines import FakeRunner, Fleet, Rules, fleet, policy, until
from tests.kafka import Kafka

WINDOW_SECONDS = 3.0


def write_policy(one: Fleet, rules: Rules, **limits: object) -> None:
    """The fleet's policy, with a short window and further limits."""
    whole = msgspec.yaml.decode(policy(rules))
    whole["fleet"] = {"window_seconds": WINDOW_SECONDS}
    whole["limits"] |= limits
    (one.folder / "policy.yml").write_bytes(msgspec.yaml.encode(whole))


def fleet_tags(records: list[Record]) -> list[str]:
    """The records of fleet events, in order."""
    return [type(record).__name__ for record in records if isinstance(record, FleetRaised | FleetCleared)]


async def test_an_event_is_raised_once_through_restarts_and_cleared_once(kafka: Kafka, tmp_path: Path) -> None:
    """Three of six hosts raise it; an engine that starts later, and a second one, add nothing; it clears once."""
    async with fleet(kafka, tmp_path, hosts=6) as one:
        write_policy(one, Rules(mode="observe"))
        async with one.engine(runner=FakeRunner()):
            signals = [await one.fail(host) for host in ("h1", "h4", "h6")]
            records = await one.wait_for("fleet.raised")
        (event,) = [record for record in records if isinstance(record, FleetRaised)]
        assert (event.group, event.view.known, set(event.view.hosts)) == ("web", 6, {"h1", "h4", "h6"})
        async with one.engine(runner=FakeRunner()), one.beside(tmp_path / "other").engine(runner=FakeRunner()):
            await asyncio.sleep(WINDOW_SECONDS + 1.5)  # as long as they are in trouble it stays raised
            assert fleet_tags(await one.records()) == ["FleetRaised"]
            for signal in signals:
                await one.recover(signal)
            await one.wait_for("fleet.cleared", seconds=20)
            ledger = await until(one.ledger, lambda found: not found.open_incidents(), 10)
        async with one.engine(runner=FakeRunner()):
            await asyncio.sleep(1.5)
        assert {group: standing.event for group, standing in ledger.state.fleets.items()} == {"web": None}
        heard = [entry for entry in await one.entries() if isinstance(entry.record, FleetRaised)]
        assert len(heard) == 1
        cleared = [record for record in await one.records() if isinstance(record, FleetCleared)]
        assert {record.fleet_id for record in cleared} == {event.fleet_id}  # two engines may both say so, one is heard
        assert ledger.state.ignored.get("no_fleet_event", 0) == len(cleared) - 1


async def test_an_engine_that_is_killed_right_after_saying_so_says_it_no_second_time(
    kafka: Kafka, tmp_path: Path
) -> None:
    """SIGKILL as soon as the record is in the log; the next life folds it and goes on."""
    async with fleet(kafka, tmp_path, hosts=3) as one:
        write_policy(one, Rules(mode="observe"))
        async with one.engine_process("WF", "1", "SIGKILL") as process:
            for host in ("h1", "h2", "h3"):
                await one.fail(host)
            assert await asyncio.wait_for(process.wait(), 30) == -9
        async with one.engine(runner=FakeRunner()):
            await until(one.tags, lambda tags: tags.count("engine.started") == 2, 15)
            await asyncio.sleep(1.5)
        assert fleet_tags(await one.records()) == ["FleetRaised"]


async def test_hosts_are_left_alone_during_an_event_if_the_policy_says_so(kafka: Kafka, tmp_path: Path) -> None:
    """Denied with the event as the reason while it is raised; when it has cleared, a host in trouble is helped."""
    async with fleet(kafka, tmp_path, hosts=3) as one:
        write_policy(one, Rules(), fleet_events="refuse", group_concurrency_maximum=1)
        hosts = ("h1", "h2", "h3")
        runner = FakeRunner()
        signals = [await one.fail(host) for host in hosts]  # before any engine looks
        async with one.engine(runner=runner):
            await one.wait_for("fleet.raised")
            denied = await until(one.records, lambda found: len(reasons(found)) == 3, 15)
            assert set(reasons(denied)) == {"fleet_event: 3 of 3 in web"}
            assert runner.played == []
            for signal in signals[1:]:
                await one.recover(signal)
            records = await one.wait_for("fleet.cleared", "run.finished", seconds=20)
        assert len(runner.played) == 1
        assert [record.host for record in records if isinstance(record, RunFinished)] == ["h1"]


def reasons(records: list[Record]) -> list[str]:
    """Why decisions denied."""
    denials = [record for record in records if isinstance(record, DecisionMade) and record.verdict is Verdict.DENY]
    return [f"{record.reason}: {record.gates[-1].value}" for record in denials]
