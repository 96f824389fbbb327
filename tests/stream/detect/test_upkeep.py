"""Commands to models on a real Kafka, with workers that are killed: each is carried out once, and survives."""

import asyncio
import contextlib
import json
import random
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec
import pytest

from console.models import ModelAnswer, model_of
from console.reading import read_notices
from console.requests import ask, request
from detectors.commands import (
    Answer,
    Command,
    MaintenanceEnd,
    MaintenanceStart,
    ModelReset,
    ModelRollback,
    Order,
    Refusal,
)
from detectors.host import HostRow, RowHeading
from detectors.samples import Source
from detectors.saves import DAY_SECONDS, SavedState, TakenState, next_due
from detectors.signals import HostState
from stream.detect.outbox import Message, Outbox
from stream.detect.pages import decode_page
from stream.detect.saves import ModelsTopic
from stream.detect.state import StateTopic
from stream.kafka import open_producer
from stream.settings import Settings
from stream.topics import ensure_topics
from tests.kafka import Kafka
from tests.stream.detect.storms import Fleet, read_all, wait_until_all_committed

HOST = "web-1"
ROW_SECONDS = 300.0
DAYS = 2.8
ANSWER_SECONDS = 60.0


class World:
    """Kafka, one detect worker at a time, and one host that reports every five minutes of its own time."""

    def __init__(self, settings: Settings, folder: Path, fleet: Fleet, outbox: Outbox) -> None:
        self.settings = settings
        self.settings_file = str(folder / "settings.json")  # which the fleet has written
        self.fleet = fleet
        self.outbox = outbox
        self.rows = 0
        self.workers = 0
        # Half a day of the host's before a state of it is due, whatever time of day it is now.
        self.start_time = next_due(HOST, time.time() - DAYS * DAY_SECONDS) - DAY_SECONDS / 2

    async def start_worker(self) -> None:
        """Start the next worker."""
        self.workers += 1
        self.fleet.start(f"w{self.workers}")
        await self.fleet.wait_ready(f"w{self.workers}")

    async def replace_worker(self) -> None:
        """Kill the worker, start another."""
        self.fleet.kill(f"w{self.workers}")
        await self.start_worker()

    async def report(self, rows: int, level: float = 10.0) -> None:
        """The host's next readings; they are applied, and saved."""
        values = []
        for number in range(self.rows, self.rows + rows):
            fields = {"usage": level + 7 * number % 5 * 0.1, "load": level + 3 * number % 7 * 0.1}
            row = {"name": "cpu", "tags": {"host": HOST}, "fields": fields}
            values.append(json.dumps(row | {"timestamp": self.start_time + number * ROW_SECONDS}).encode())
        self.rows += rows
        await self.outbox.publish(self.settings.topics.metrics, [Message(key=b"k", value=value) for value in values])
        await self.settle()

    async def settle(self) -> None:
        """Wait until all that was written is done, and durable."""
        topics = self.settings.topics
        await wait_until_all_committed(self.settings, (topics.metrics, topics.commands, topics.samples), 90.0)

    async def ask(self, command: Command) -> Answer:
        """Give a command and wait for the answer."""
        (answer,) = await ask(self.settings, [command], ANSWER_SECONDS)
        return answer

    async def command(self, *words: str) -> tuple[int, str, str]:
        """Run the command line: exit status, errors, output."""
        program = [sys.executable, "-m", "console.cli", *words, "--config", self.settings_file]
        ended = await asyncio.to_thread(subprocess.run, program, capture_output=True, text=True, check=False)
        return ended.returncode, ended.stderr, ended.stdout

    async def model(self, is_there: Callable[[ModelAnswer], bool]) -> ModelAnswer:
        """What the roster says of the host, as soon as it says this."""
        async with asyncio.timeout(ANSWER_SECONDS):
            while True:
                notices = await read_notices(self.settings)
                if notices and is_there(answer := model_of(notices, HOST)):
                    return answer
                await asyncio.sleep(0.3)

    async def row(self) -> HostRow:
        """The host as the state topic has it."""
        await self.settle()
        pages = await StateTopic(self.settings.kafka, self.settings.topics.state, self.outbox).read(range(2))
        found = [
            msgspec.msgpack.decode(row, type=HostRow)
            for of_partition in pages.values()
            for key, value in of_partition.items()
            for row in decode_page(key, value).rows
            if msgspec.msgpack.decode(row, type=RowHeading).host == HOST
        ]
        return max(found, key=lambda row: row.applied)

    async def partition(self) -> int:
        """The partition of the host."""
        logs = await read_all(self.settings.kafka, self.settings.topics.samples)
        return next(number for number, records in logs.items() if records)

    async def answers_to(self, command: Command) -> list[Answer]:
        """The answers to a command; a replay may have repeated one."""
        logs = await read_all(self.settings.kafka, self.settings.topics.commands)
        said = [msgspec.json.decode(record.value or b"", type=Command | Answer) for record in logs[0]]
        return [one for one in said if isinstance(one, Answer) and one.command.id == command.id]

    async def saved_row(self, state: SavedState) -> HostRow:
        """A saved state, from the models topic."""
        models = ModelsTopic(self.settings.kafka, self.settings.topics.models, self.outbox)
        data = await models.read(await self.partition(), HOST, state)
        return msgspec.msgpack.decode(data or b"", type=HostRow)


@contextlib.asynccontextmanager
async def world_of(kafka: Kafka, folder: Path) -> AsyncIterator[World]:
    """A world whose worker runs."""
    settings = kafka.settings(partitions=2)
    detect = msgspec.structs.replace(
        settings.detect,
        session_timeout_seconds=6.0,
        silence_seconds=1e6,
        roster_seconds=5.0,
        past_maximum_seconds=5 * DAY_SECONDS,
    )
    settings = msgspec.structs.replace(settings, detect=detect)
    await ensure_topics(settings)
    producer, fleet = await open_producer(settings.kafka), Fleet(folder, settings, "models")
    try:
        world = World(settings, folder, fleet, Outbox(producer))
        await world.start_worker()
        yield world
    finally:
        fleet.close()
        await producer.stop()


def reset(host: str = HOST) -> ModelReset:
    """A command of now."""
    return ModelReset(**request("ann", "new disk").stamp(host))


@pytest.mark.timeout(240)
async def test_a_reset_makes_a_host_young_and_survives_the_worker(kafka: Kafka, tmp_path: Path) -> None:
    """Killed right after the answer, or much later: the next worker has the young model, and says the same."""
    async with world_of(kafka, tmp_path) as world:
        await world.report(200)
        assert (await world.model(lambda model: model.samples == 200)).state is HostState.NORMAL
        command = reset()
        answer = await world.ask(command)
        assert (answer.done, answer.words) == (True, "web-1 is young again: what 200 samples had taught is forgotten")
        await world.replace_worker()
        assert (await world.model(lambda model: model.samples == 0)).state is HostState.YOUNG
        await world.report(10)
        await world.replace_worker()
        assert (await world.model(lambda model: model.samples == 10)).state is HostState.YOUNG
        assert all(said == answer for said in await world.answers_to(command))


@pytest.mark.timeout(240)
async def test_a_rollback_restores_the_saved_state_to_the_byte(kafka: Kafka, tmp_path: Path) -> None:
    """What the state topic holds of the judges then is what the models topic holds, before and after a kill."""
    async with world_of(kafka, tmp_path) as world:
        await world.report(int(2.1 * DAY_SECONDS / ROW_SECONDS))
        states = (await world.model(lambda model: len(model.saves) == 2)).saves
        answer = await world.ask(ModelRollback(**request("ann", "leak").stamp(HOST), to_time=states[1].time))
        assert answer.done, answer.words
        saved, row = await world.saved_row(states[1]), await world.row()
        assert (row.panel, row.alarm, row.samples) == (saved.panel, saved.alarm, saved.samples)
        assert row.applied > saved.applied
        await world.replace_worker()
        assert (await world.model(lambda model: model.samples == saved.samples)).saves == states
        assert (await world.row()).panel == saved.panel


@pytest.mark.timeout(240)
async def test_an_order_that_is_written_again_does_nothing(kafka: Kafka, tmp_path: Path) -> None:
    """As after a relay that died before it committed: the host has learned since, and keeps what it learned."""
    async with world_of(kafka, tmp_path) as world:
        await world.report(80)
        command = reset()
        answer = await world.ask(command)
        await world.report(30)
        before = await world.row()
        commands = world.settings.topics.commands
        life = next(name.rpartition("@")[2] for name, *_ in before.sources if name.startswith(commands))
        place = 0  # it was the first record of the commands topic
        order = Order(HOST, Source(commands, 0, place, life=life), command)
        message = Message(key=HOST.encode(), value=msgspec.json.encode(order))
        await world.outbox.publish(world.settings.topics.samples, [message])
        await world.replace_worker()
        assert await world.row() == before
        assert (before.samples, await world.answers_to(command)) == (30, [answer])


@pytest.mark.timeout(240)
async def test_maintenance_stops_learning_and_is_told_in_the_roster(kafka: Kafka, tmp_path: Path) -> None:
    """Also by the worker that comes after; what can not be done is refused by name, and harms nothing."""
    async with world_of(kafka, tmp_path) as world:
        await world.report(100)
        asked = request("ann", "new kernel")
        assert (await world.ask(MaintenanceStart(**asked.stamp(HOST), until=asked.time + 7200.0))).done
        assert (await world.model(lambda model: model.maintenance_until > 0.0)).maintenance_until == asked.time + 7200.0
        await world.replace_worker()
        await world.report(50, level=30.0)
        frozen = await world.row()
        assert frozen.frozen_since == world.start_time + 149 * ROW_SECONDS
        assert frozen.upkeep.maintenance_until == asked.time + 7200.0
        assert (await world.command("maintenance"))[:2] == (0, "")
        assert HOST in (await world.command("maintenance"))[2]
        status, _, said = await world.command("models", "reset", HOST, "web-9", "--reason", "typo", "--json")
        answers = msgspec.json.decode(said, type=list[Answer])
        assert (status, [answer.refusal for answer in answers]) == (1, [None, Refusal.UNKNOWN_HOST])
        unseen = "web-9: no host of this name has sent a sample, so there is no model of it"
        assert f"{unseen}; the inventory can not be read here; nearest: {HOST}" in answers[1].words
        status, told, _ = await world.command("models", "list", "web-9")
        assert (status, "'web-9' is not in the roster" in told) == (1, True)
        assert (await world.ask(MaintenanceEnd(**request("ann", "").stamp(HOST)))).done
        again = await world.ask(MaintenanceEnd(**request("ann", "").stamp(HOST)))
        assert (again.done, again.refusal) == (False, Refusal.NOT_IN_MAINTENANCE)


async def test_saved_states_are_found_by_their_place(kafka: Kafka) -> None:
    """Also large ones; of what is not there, not there any more, or of another host, nothing is given."""
    settings = kafka.settings(partitions=2)
    await ensure_topics(settings)
    producer = await open_producer(settings.kafka)
    models = ModelsTopic(settings.kafka, settings.topics.models, Outbox(producer))
    try:
        taken = [TakenState(f"h{number}", 5.0, 1, random.Random(number).randbytes(400_000)) for number in range(3)]  # noqa: S311 - reproducible
        states = [await models.write(1, one) for one in taken]
        assert [state and state.offset for state in states] == [0, 1, 2]
        found = [await models.read(1, one.host, SavedState(5.0, number, 0)) for number, one in enumerate(taken)]
        assert found == [one.row for one in taken]
        assert await models.read(1, "h0", SavedState(5.0, 1, 0)) is None
        assert await models.read(1, "h0", SavedState(5.0, 3, 0)) is None
        assert await models.read(0, "h0", SavedState(5.0, 0, 0)) is None
        assert await models.write(1, TakenState("h0", 5.0, 1, random.Random(3).randbytes(2_000_000))) is None  # noqa: S311 - as above
    finally:
        await producer.stop()
