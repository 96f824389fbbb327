"""On a real Kafka, by a real worker: who is silent, who unreadable, whose clock is off, where refusals are seen."""

import asyncio
import contextlib
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from console.deadletters import DeadLetter, LetterStats
from console.hosts import HostRow, newest_statuses
from console.reading import read_notices
from detectors.signals import HostState, Signal
from stream.detect.outbox import Message, Outbox
from stream.kafka import open_producer
from stream.settings import Settings
from stream.topics import ensure_topics
from tests.kafka import Kafka
from tests.stream.detect.storms import Fleet, wait_until_all_committed

GOOD_SECONDS, BAD_SECONDS = 4, 56
NANOSECONDS = 1.7e18


class World:
    """Kafka, one detect worker, and hosts that report every second."""

    def __init__(self, settings: Settings, folder: Path, outbox: Outbox) -> None:
        self.settings = settings
        self.settings_file = str(folder / "settings.json")  # which the fleet has written
        self.outbox = outbox

    async def metrics(self, *values: bytes, key: bytes | None = None) -> None:
        """Records of metrics."""
        await self.outbox.publish(self.settings.topics.metrics, [Message(key=key, value=value) for value in values])

    async def log(self, line: str, host: str) -> None:
        """A line of a log, whose record's key is the host."""
        await self.outbox.publish(self.settings.topics.logs, [Message(key=host.encode(), value=line.encode())])

    async def settle(self) -> None:
        """Wait until all that was written is done."""
        topics = self.settings.topics
        await wait_until_all_committed(self.settings, (topics.metrics, topics.logs, topics.samples), 60.0)
        await asyncio.sleep(3.0)  # the roster is told

    async def command(self, *words: str, columns: int = 60, encoding: str = "ascii") -> tuple[int, str]:
        """Run the command line, on a narrow terminal that knows nothing but ASCII: exit status, what it said."""
        program = [sys.executable, "-m", "console.cli", *words, "--config", self.settings_file]
        environment = os.environ | {"PYTHONIOENCODING": encoding, "COLUMNS": str(columns), "PYTHONUTF8": "0"}
        ended = await asyncio.to_thread(
            subprocess.run, program, capture_output=True, text=True, check=False, env=environment
        )
        return ended.returncode, ended.stdout + ended.stderr


@contextlib.asynccontextmanager
async def world_of(kafka: Kafka, folder: Path) -> AsyncIterator[World]:
    """A world whose worker runs."""
    settings = kafka.settings(partitions=2)
    detect = msgspec.structs.replace(
        settings.detect, session_timeout_seconds=6.0, silence_seconds=6.0, roster_seconds=2.0
    )
    settings = msgspec.structs.replace(settings, detect=detect)
    await ensure_topics(settings)
    producer, fleet = await open_producer(settings.kafka), Fleet(folder, settings, "models")
    try:
        world = World(settings, folder, Outbox(producer))
        fleet.start("w0")
        await fleet.wait_ready("w0")
        yield world
    finally:
        fleet.close()
        await producer.stop()


def metric(host: str, behind: float = 0.0, **fields: object) -> bytes:
    """A metric of now, by a clock that is so many seconds behind."""
    known = {"name": "m", "tags": {"host": host}, "timestamp": time.time() - behind}
    return json.dumps(known | {"fields": fields or {"load": 0.5}}).encode()


def second(number: int) -> list[bytes]:
    """What the hosts send in a second: well at first, then each in its own trouble. One has a backlog of an hour."""
    counter = {"cpu_ns": NANOSECONDS + number * 9.1e8}
    backlog = [metric("back-1", behind=3600.0 - 60.0 * minute) for minute in range(60)]
    return [*(backlog if number == 0 else [metric("back-1")]), *of_each(number, counter)]


def of_each(number: int, counter: dict[str, float]) -> list[bytes]:
    """What each host sends in a second."""
    if number < GOOD_SECONDS:
        names = ("ahead-1", "gone-1", "wide-1", "large-1", "idle-1")
        return [*map(metric, names), metric("ns-1", **counter)]
    return [
        metric("ahead-1", behind=-120.0),
        metric("wide-1", **{f"f{field}": field for field in range(250)}),
        metric("large-1", note="x" * 70_000, load=1),
        metric("idle-1", p99=None),
        metric("ns-1", **counter),
    ]


@pytest.mark.timeout(200)
async def test_whoever_sends_is_not_silent(kafka: Kafka, tmp_path: Path) -> None:
    """A clock ahead, fields and bytes over their limits, counters of any size, gaps: only who sends nothing is silent.

    All that is refused is seen by `hosts`, `explain` and `deadletter`, with its reason.
    """
    async with world_of(kafka, tmp_path) as world:
        sending = asyncio.create_task(send_forever(world))
        await asyncio.sleep(GOOD_SECONDS + BAD_SECONDS)
        notices = await read_notices(world.settings)
        seen = newest_statuses(notices)
        states = {host: status.state for host, status in seen.items()}
        assert states == {
            "ahead-1": HostState.UNREADABLE,
            "gone-1": HostState.SILENT,
            "wide-1": HostState.UNREADABLE,
            "large-1": HostState.UNREADABLE,
            "idle-1": HostState.UNREADABLE,
            "ns-1": states["ns-1"],
            "west-1": states["west-1"],
            "back-1": states["back-1"],
        }
        assert (states.pop("back-1"), seen["back-1"].behind_seconds) == (HostState.NORMAL, 0.0)
        assert {states["ns-1"], states["west-1"]} <= {HostState.YOUNG, HostState.NORMAL}
        assert seen["ns-1"].samples >= BAD_SECONDS
        reasons = {host: one.unread.reason for host, one in seen.items() if one.unread is not None}
        wanted = {"ahead-1": "in_future", "wide-1": "too_many_fields", "large-1": "oversize", "idle-1": "no_values"}
        assert reasons == wanted
        assert seen["ahead-1"].behind_seconds == pytest.approx(-120.0, abs=3.0)
        assert seen["west-1"].behind_seconds == pytest.approx(5 * 3600.0, abs=3.0)
        assert {one.host for one in notices if isinstance(one, Signal)} <= {"gone-1"}
        await look_at_it(world)
        assert not sending.done()
        sending.cancel()


async def send_forever(world: World) -> None:
    """What the hosts send, second by second."""
    for number in itertools.count():
        began = time.time()
        await world.metrics(*second(number))
        west = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() - 5 * 3600))
        await world.log(f"{west} INFO request {number} done", "west-1")
        await asyncio.sleep(max(0.0, began + 1.0 - time.time()))


async def look_at_it(world: World) -> None:
    """What an operator is told."""
    status, text = await world.command("hosts", columns=200, encoding="utf-8")
    assert status == 0
    assert "unreadable" in text
    assert "in_future, 120" in text or "in_future, 119" in text
    assert "clock of ahead-1 is 2 m ahead" in text
    assert "clock or time zone of west-1 is 5 h behind" in text
    status, text = await world.command("hosts", "--json")
    rows = {row.host: row for row in msgspec.json.decode(text, type=list[HostRow])}
    assert (status, rows["wide-1"].state) == (0, HostState.UNREADABLE)
    status, text = await world.command("explain", "ahead-1", columns=300, encoding="utf-8")
    assert status == 1
    assert "ahead-1 is unreadable: records come, none gives a reading since" in text
    status, text = await world.command("deadletter", "stats", "--json")
    stats = msgspec.json.decode(text, type=LetterStats)
    assert stats.reasons.keys() == {"in_future", "too_many_fields", "oversize"}
    assert stats.hosts.keys() == {"ahead-1", "wide-1", "large-1"}
    assert min(*stats.reasons.values(), *stats.hosts.values()) >= BAD_SECONDS - 10


ODD = "Z\u00fcrich \U0001f600".encode()


async def test_refusals_are_seen_though_no_host_is(kafka: Kafka, tmp_path: Path) -> None:
    """`hosts` says how many came, how many were refused, why, with a sample; `deadletter` shows each of them."""
    async with world_of(kafka, tmp_path) as world:
        status, text = await world.command("hosts", columns=200)
        assert (status, "No record has come" in text) == (0, True)
        await world.metrics(
            b'{"name":"m","fields":{"v":1}}', b'{"name":"' + ODD + b'","fields":{"v":2}}', b"\x00\xff\x1b[2J"
        )
        await world.settle()
        status, text = await world.command("hosts", columns=200)
        assert status == 0
        for words in (
            "No host has been seen yet",
            "came: 3 to",
            "Refused: 3: ",
            "no_host 2",
            "not_utf8 1",
            "The latest, ",
        ):
            assert words in text
        status, text = await world.command("deadletter", "list", "--json")
        letters = msgspec.json.decode(text, type=list[DeadLetter])
        assert (status, sorted(one.reason for one in letters)) == (0, ["no_host", "no_host", "not_utf8"])
        (broken,) = [one for one in letters if one.reason == "not_utf8"]
        assert (broken.sample, broken.value_bytes) == ("\\x00\\xff\\x1b[2J", 6)
        odd = next(one for one in letters if "Z" in one.sample)
        for words in (("list",), ("list", "--reason", "no_host"), ("stats",), ("show", odd.place)):
            status, text = await world.command("deadletter", *words)
            assert (status, text.isascii()) == (0, True)
            assert max(map(len, text.splitlines())) <= 60
        status, text = await world.command("deadletter", "show", odd.place)
        assert "Z\\xfcrich \\U0001f600" in text
        status, text = await world.command("deadletter", "list", "--host", "nobody")
        assert (status, "no such letter" in text) == (0, True)


PLACES = {"none": "seven", "no such partition": "77/0", "no such offset": "0/77"}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES.keys())
async def test_a_letter_that_is_not_there_is_named(kafka: Kafka, tmp_path: Path, place: str) -> None:
    """With exit status 1 and what there is."""
    settings = kafka.settings(partitions=1)
    await ensure_topics(settings)
    (tmp_path / "settings.json").write_bytes(msgspec.json.encode(settings))
    producer = await open_producer(settings.kafka)
    try:
        status, text = await World(settings, tmp_path, Outbox(producer)).command("deadletter", "show", place)
    finally:
        await producer.stop()
    assert status == 1
    assert "letter" in text
    assert "Traceback" not in text
