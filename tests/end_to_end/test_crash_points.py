"""An engine that is killed or stopped at any point of the write order: no effect twice, no run without an end.

Real Kafka, real ansible-playbook, real SIGKILL. The playbook appends the action's id to a file: one line, one effect.
"""

import asyncio
import os
import shutil
import signal
from collections import Counter
from pathlib import Path

import msgspec

from detectors.signals import Signal
from remediations.records import HumanNeeded, Record, RunFinished, RunNotExecuted, RunStarted
from stream.audit.log import verify_log
from tests.engines import Fleet, Rules, fleet, tag_of, until
from tests.kafka import Kafka

WAIT_SECONDS = 100.0
AT_A_TIME = 3


class Crash(msgspec.Struct, frozen=True):
    """Where the engine is killed, and what must come of it once it is started again."""

    point: str
    number: int = 1
    effects: tuple[int, ...] = (1,)
    """How many effects there may be in all."""
    tags: tuple[str, ...] = ()
    """Records that the way back must have left."""
    then: str = "true"
    """What the playbook does after its effect."""
    idempotent: bool = False
    starts: int = 1
    """How many runs must have started in the end."""

    @property
    def name(self) -> str:
        """How messages name the case."""
        return f"{self.point}:{self.number}{' idempotent' if self.idempotent else ''}"


CRASHES = (
    Crash("W0"),
    Crash("W1"),
    Crash("W2"),
    Crash("W3", tags=("run.revoked",)),
    Crash("W4", tags=("run.revoked",)),
    Crash("W5", tags=("run.unknown", "run.not_executed"), starts=2),
    Crash("W6", number=1, effects=(0, 1), tags=("run.unknown",)),  # the marker may just have been taken
    Crash("W6", number=2, effects=(0, 1), tags=("run.unknown", "incident.needs_human"), then="sleep 3"),
    Crash("W6", number=5, tags=("run.unknown",)),  # the marker may just have been marked done
    Crash("W6", number=2, effects=(1, 2), tags=("run.unknown",), then="sleep 3", idempotent=True, starts=2),
    Crash("W7"),
    Crash("W8"),
    Crash("W9"),
    Crash("W10"),
)


async def survive(kafka: Kafka, folder: Path, crash: Crash) -> list[str]:
    """Kill an engine at the point, start it again, cure the host; what is wrong in the end."""
    rules = Rules(then=crash.then, idempotent=crash.idempotent, attempts_maximum=2 if crash.idempotent else 1)
    async with fleet(kafka, folder, rules) as one:
        async with one.engine_process(crash.point, str(crash.number), "SIGKILL") as process:
            failed = await one.fail()
            if crash.point in {"W8", "W9", "W10"}:
                await one.wait_for("run.finished", seconds=WAIT_SECONDS)
            if crash.point in {"W9", "W10"}:
                await one.recover(failed)
            await asyncio.wait_for(process.wait(), WAIT_SECONDS)
            assert process.returncode == -signal.SIGKILL, crash.name
        async with one.engine_process():
            await cure(one, failed, crash)
        return await problems(one, crash)


async def cure(one: Fleet, failed: Signal, crash: Crash) -> None:
    """When nothing more is under way the host recovers, and the incident must close."""
    await until(one.tags, lambda tags: is_settled(tags, crash), WAIT_SECONDS)
    await one.recover(failed)
    await one.wait_for("incident.closed", seconds=WAIT_SECONDS)


def is_settled(tags: list[str], crash: Crash) -> bool:
    """Whether the engine is back and has brought every run to an end, or called a human."""
    starts, ends = tags.count("run.started"), tags.count("run.finished") + tags.count("run.not_executed")
    ran = starts >= crash.starts and starts == ends and "run.finished" in tags
    return tags.count("engine.started") > 1 and (ran or "incident.needs_human" in tags)


async def problems(one: Fleet, crash: Crash) -> list[str]:
    """Every promise that was broken, in words."""
    records, tags = await one.records(), await one.tags()
    effects = Counter(one.effects())
    report = await verify_log(one.settings.kafka, one.settings.topics.audit)
    found = [f"{action} had its effect {count} times" for action, count in effects.items() if count > 1]
    found += [f"run of {action} has no end" for action in endless(records)]
    found += [f"record {tag} is missing" for tag in crash.tags if tag not in tags]
    if effects.total() not in crash.effects:
        found.append(f"{effects.total()} effects, wanted {crash.effects}")
    if report.fault is not None:
        found.append(report.fault.detail)
    return [f"{crash.name}: {problem} ({' '.join(tags)})" for problem in found]


def endless(records: list[Record]) -> set[str]:
    """Actions that started and neither ended nor were left to a human."""
    started = {record.action_id for record in records if isinstance(record, RunStarted)}
    ended = {record.action_id for record in records if isinstance(record, RunFinished | RunNotExecuted | HumanNeeded)}
    return started - ended


async def test_killed_at_every_point(kafka: Kafka, tmp_path: Path) -> None:
    """Wherever it is killed: at most one effect an attempt, every run ends, the incident closes, the chain holds."""
    slots = asyncio.Semaphore(AT_A_TIME)

    async def one_case(folder: Path, crash: Crash) -> list[str]:
        async with slots:
            return await survive(kafka, folder, crash)

    folders = [tmp_path / str(number) for number in range(len(CRASHES))]
    for folder in folders:
        folder.mkdir()
    found = await asyncio.gather(*map(one_case, folders, CRASHES))
    assert [] == [problem for problems_of_case in found for problem in problems_of_case]


async def test_an_engine_back_from_the_dead_is_refused_by_the_target(kafka: Kafka, tmp_path: Path) -> None:
    """Stopped between its start and its run, recovered by another engine, woken up: the marker refuses its run."""
    successor = tmp_path / "successor"
    async with fleet(kafka, tmp_path) as one:
        other = one.beside(successor)
        identities = [folder / "state" / "engine" / "identity" for folder in (tmp_path, successor)]
        async with one.engine_process("W5", "1", "SIGSTOP") as zombie:
            await one.fail()
            await one.wait_for("run.started", seconds=WAIT_SECONDS)
            # The successor takes over at once, as it would when the zombie's time is over: it bears its name.
            identities[1].parent.mkdir(parents=True)
            shutil.copy(*identities)
            async with other.engine_process():
                await one.wait_for("run.not_executed", "run.finished", seconds=WAIT_SECONDS)
                assert zombie.pid is not None
                os.kill(zombie.pid, signal.SIGCONT)
                records = await until(one.records, lambda records: 2 == ends(records), WAIT_SECONDS)
        refused = [record for record in records if isinstance(record, RunFinished)][-1]
        assert "refused" == refused.status.value
        assert 1 == len(one.effects())
        ledger = await one.ledger()
        assert ledger.state.ignored.get("not_started") is not None


def ends(records: list[Record]) -> int:
    """How many ends of runs there are."""
    return sum(tag_of(record) == "run.finished" for record in records)
