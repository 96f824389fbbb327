"""The broker goes away for 20 s in the middle of a real run, and comes back: nothing lost, nothing run twice."""

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path

from remediations.records import RunFinished, RunStarted
from stream.audit.log import verify_log
from stream.broker.embedded import EmbeddedBroker
from tests.engines import Rules, fleet, tag_of, until
from tests.kafka import Kafka

AWAY_SECONDS = 20.0
STOP_SECONDS = 30.0


async def test_an_engine_survives_its_broker(private_broker: Callable[[], EmbeddedBroker], tmp_path: Path) -> None:
    """A run that began goes on without the broker; its records and the next decision are written when it is back."""
    broker = private_broker()
    async with fleet(Kafka(broker.bootstrap_servers), tmp_path, Rules(then="sleep 3"), hosts=2) as one:
        async with one.engine():
            first = await one.fail("h1")
            await one.wait_for("run.started", seconds=60)
            await asyncio.to_thread(broker.kill)
            await until(one.effects_now, lambda effects: len(effects) == 1, 60)
            await asyncio.sleep(AWAY_SECONDS)
            await asyncio.to_thread(broker.start)
            await one.wait_for("run.finished", seconds=90)
            second = await one.fail("h2")
            await one.recover(first)
            await until(one.effects_now, lambda effects: len(effects) == 2, 60)
            await until(one.ledger, lambda ledger: not ledger.unfinished(), 60)
            await one.recover(second)
            records = await until(one.records, lambda found: [*map(tag_of, found)].count("incident.closed") == 2, 60)
        assert [tag for tag in await one.tags() if tag.startswith("run.")].count("run.started") == 2
        assert {record.action_id for record in records if isinstance(record, RunStarted)} == set(one.effects())
        assert {record.how for record in records if isinstance(record, RunFinished)} == {"runner"}
        report = await verify_log(one.settings.kafka, one.settings.topics.audit)
        assert report.fault is None


async def test_without_a_log_nothing_runs(private_broker: Callable[[], EmbeddedBroker], tmp_path: Path) -> None:
    """A claim that can not be written is no permission: with the broker gone before it, nothing has an effect."""
    broker = private_broker()
    settled = asyncio.Event()
    killed: list[str] = []

    def kill_before_the_claim(point: str) -> None:
        if point == "W2" and not killed:
            killed.append(point)
            broker.kill()
            settled.set()

    async with fleet(Kafka(broker.bootstrap_servers), tmp_path) as one:
        async with one.engine(checkpoint=kill_before_the_claim):
            failed = await one.fail()
            await settled.wait()
            await asyncio.sleep(5)
            assert one.effects() == []
            await asyncio.to_thread(broker.start)
            await one.wait_for("run.finished", seconds=90)
            await one.recover(failed)
            await one.wait_for("incident.closed", seconds=60)
        assert len(one.effects()) == 1
        assert (await one.tags()).count("run.claimed") == 1


async def test_a_stop_without_a_broker_is_a_stop(private_broker: Callable[[], EmbeddedBroker], tmp_path: Path) -> None:
    """An engine that waits for its broker still ends when it is asked to, and goes on at the next start."""
    broker = private_broker()
    async with fleet(Kafka(broker.bootstrap_servers), tmp_path) as one:
        async with one.engine_process("W2", "1", "SIGSTOP") as engine:
            await one.fail()
            await one.wait_for("decision.made")
            await asyncio.to_thread(broker.kill)
            engine.send_signal(signal.SIGCONT)
            await asyncio.sleep(3)
            engine.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(engine.wait(), STOP_SECONDS) == 0
        assert one.effects() == []
        await asyncio.to_thread(broker.start)
        async with one.engine_process():
            await one.wait_for("run.finished", seconds=90)
        assert len(one.effects()) == 1
