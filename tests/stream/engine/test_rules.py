"""Rules that turn wrong while the engine works: the last right ones are kept, and that is seen, on a real Kafka."""

import asyncio
from http import HTTPStatus
from pathlib import Path

import aiohttp
import msgspec
import pytest

from console.queries import refused_rules
from remediations.records import RulesChanged, RulesRefused
from stream.broker.embedded import free_ports
from tests.engines import FakeRunner, Fleet, Rules, fleet, until
from tests.kafka import Kafka

READY = {"ready": True, "checks": {"audit_log": True, "runner": True}}


async def ready(one: Fleet) -> dict[str, object]:
    """What the engine says of its readiness."""
    async with aiohttp.ClientSession() as client:
        answer = await client.get(f"http://127.0.0.1:{one.settings.engine.health_port}/readyz")
        told = dict(await answer.json())
        assert told["ready"] == (answer.status == HTTPStatus.OK)
        return told


async def metric(one: Fleet) -> str:
    """The engine's own word on whether its rules are refused."""
    async with aiohttp.ClientSession() as client:
        answer = await client.get(f"http://127.0.0.1:{one.settings.engine.health_port}/metrics")
        lines = (await answer.text()).splitlines()
    return next(line.split()[1] for line in lines if line.startswith("tidegate_engine_rules_refused "))


@pytest.mark.parametrize("problem", ["wrong", "gone"])
async def test_rules_that_turn_wrong_are_kept_and_seen(kafka: Kafka, tmp_path: Path, problem: str) -> None:
    """In the log once, by a record of its own, in readiness and as a metric, until they are right again."""
    async with fleet(kafka, tmp_path) as one:
        engine = msgspec.structs.replace(one.settings.engine, health_port=free_ports(1)[0])
        one.settings = msgspec.structs.replace(one.settings, engine=engine)
        file = tmp_path / "policy.yml"
        async with one.engine(runner=FakeRunner()):
            await one.wait_for("engine.started")
            await until(lambda: ready(one), lambda told: told == READY, 5)
            assert await metric(one) == "0.0"
            file.write_text("rules: [\n") if problem == "wrong" else file.unlink()
            await one.wait_for("rules.refused")
            await asyncio.sleep(6)  # read a second time
            told = await ready(one)
            assert (told["ready"], "policy.yml" in str(told["notes"])) == (True, True)
            assert await metric(one) == "1.0"
            assert ["policy.yml" in each.problem for each in refused_rules(await one.entries())] == [True]
            one.write_policy(Rules())
            await one.wait_for("rules.changed")
            await until(lambda: metric(one), lambda value: value == "0.0", 5)
            assert "notes" not in await ready(one)
        assert await one.tags() == ["engine.started", "rules.refused", "rules.changed"]
        assert refused_rules(await one.entries()) == ()
        records = await one.records()
        assert [type(record) for record in records[1:]] == [RulesRefused, RulesChanged]
