"""A run is found by what an operator types, and followed to its end."""

import io
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from console.errors import RunNotFoundError
from console.runs import ENDS, draw_entry, find_run, of_run, tail_run
from console.sentences import results, say
from remediations.policies import Verification
from remediations.records import Record, RunFinished, RunProgressed, RunStarted, RunUnknown
from remediations.runs import HostCounts, RunStatus, TaskEvent, TaskOutcome
from tests.console.stories import ONE, log
from tests.engines import FakeRunner, Rules, fleet, tag_of
from tests.kafka import Kafka

FIRST, SECOND, THIRD = "aa11" * 8, "aa22" * 8, "bb33" * 8


def run(action_id: str, host: str) -> tuple[Record, ...]:
    """The records of a whole run."""
    task = TaskEvent(1, "Restart", "Look", "command", host, TaskOutcome.OK, 0.1)
    return (
        RunStarted(ONE, host, action_id, "c", 1, "restart", 60.0, Verification()),
        RunProgressed(ONE, host, action_id, "c", task),
        RunFinished(ONE, host, action_id, "c", RunStatus.SUCCESSFUL, 0, "", {}, {}, "runner"),
    )


ENTRIES = log(*run(FIRST, "web-01"), *run(SECOND, "web-01"), *run(THIRD, "db-01"))
FOUND = {
    "whole id": (FIRST, FIRST),
    "its beginning": ("bb", THIRD),
    "upper case": ("BB33", THIRD),
    "newest of a host": ("web-01", SECOND),
}
NOT_FOUND = {
    "not unique": ("aa", "aa11aa11aa11 .web-01."),
    "unknown": ("cc", "newest are"),
    "nothing": ("", "newest are"),
}


@pytest.mark.parametrize("case", FOUND)
def test_found(case: str) -> None:
    """An id, the unique beginning of one, or the newest run of a host."""
    wanted, expected = FOUND[case]
    assert expected == find_run(ENTRIES, wanted)


@pytest.mark.parametrize("case", NOT_FOUND)
def test_not_found(case: str) -> None:
    """What names no run or several is refused with those that may be meant."""
    wanted, words = NOT_FOUND[case]
    with pytest.raises(RunNotFoundError, match=words):
        find_run(ENTRIES, wanted)


TASK = TaskEvent(5, "Restart", "Look", "command", "web-01", TaskOutcome.OK, 0.1)
PLACES = {
    "counted": (msgspec.structs.replace(TASK, step=3, steps=7), "task 3 of 7: Look: ok on web-01 in 0.1 s"),
    "not counted": (TASK, "task 5: Look: ok on web-01 in 0.1 s"),
}


@pytest.mark.parametrize("case", PLACES)
def test_line_of_a_task(case: str) -> None:
    """A task is told with its place among those of its play, where that is known."""
    task, line = PLACES[case]
    assert line == say(RunProgressed(ONE, "web-01", FIRST, "c", task))


ENDED: dict[str, tuple[Record, bool]] = {
    "failed": (RunFinished(ONE, "w", FIRST, "c", RunStatus.FAILED, 2, "no disk", {}, {}, artifacts="/s/runs/1"), True),
    "unknown": (RunUnknown(ONE, "w", FIRST, "c", "timeout: no disk", "/s/runs/1"), True),
    "well": (RunFinished(ONE, "w", FIRST, "c", RunStatus.SUCCESSFUL, 0, "", {}, {}, artifacts="/s/runs/1"), False),
}


@pytest.mark.parametrize("case", ENDED)
def test_an_end_that_is_no_success_says_why_and_where_to_look(case: str) -> None:
    """Cause and artifacts stand in one line; after a success nobody looks for them."""
    record, is_told = ENDED[case]
    assert ("no disk; artifacts: /s/runs/1" in say(record)) == is_told
    assert ("artifacts" in say(record)) == is_told


BEFORE_AND_AFTER = {"service": "web", "before": {"pid": 7}, "after": 8}
HOSTILE = "[red]\x1b[2J\u202e\n"
RESULTS: dict[str, tuple[dict[str, object], tuple[str, ...]]] = {
    "nothing": ({}, ()),
    "by host": (
        {"restart": {"web-01": BEFORE_AND_AFTER}},
        ('result on web-01: restart: service=web, before={"pid":7}, after=8',),
    ),
    "by two hosts": (
        {"clean": {"web-01": {"bytes": 5}, "web-02": {}}, "seen": {"web-02": True}},
        ("result on web-01: clean: bytes=5", "result on web-02: clean: nothing; seen: true"),
    ),
    "not by host": ({"pid": 7, "names": {"web-9": "x"}}, ("result on web-01: pid: 7; names: web-9=x",)),
    "empty": ({"kept": {}, "gone": None}, ("result on web-01: kept: nothing; gone: null",)),
    "long": ({"log": "x" * 300}, (f"result on web-01: log: {'x' * 176}…",)),
    "many hosts": (
        {"ok": {f"web-0{number}": True for number in range(1, 9)}},
        (*(f"result on web-0{number}: ok: true" for number in range(1, 6)), "and the results on 3 more hosts"),
    ),
}


def finished(result: dict[str, object]) -> RunFinished:
    """The end of a run on eight hosts that gave this back."""
    counts = {f"web-0{number}": HostCounts(ok=1) for number in range(1, 9)}
    return RunFinished(ONE, "web-01", FIRST, "c", RunStatus.SUCCESSFUL, 0, "", counts, result)


@pytest.mark.parametrize(("result", "expected"), RESULTS.values(), ids=RESULTS.keys())
def test_what_a_run_gave_back(result: dict[str, object], expected: tuple[str, ...]) -> None:
    """A short line for each host, and no more of them than are read at a glance."""
    assert expected == results(finished(result))


def test_only_the_end_of_a_run_gives_something_back() -> None:
    """Other records have no such line."""
    assert [()] * 2 == [results(entry.record) for entry in ENTRIES[:2]]


def test_a_result_is_shown_below_the_end_and_steers_no_terminal() -> None:
    """What a target said stays letters: no markup, no escape, no line of its own."""
    out = io.StringIO()
    entry = log(finished({"said": HOSTILE, HOSTILE: {"web-01": {HOSTILE: [HOSTILE]}}}))[0]
    Console(file=out, soft_wrap=True, force_terminal=True, color_system=None).print(draw_entry(entry))
    end, result = out.getvalue().splitlines()
    assert end.endswith("web-01           playbook ended: successful, rc 0")
    assert result.startswith("    result on web-01: said: [red]\ufffd[2J\ufffd\ufffd; [red]")
    assert result.isprintable()


def test_entries_of_a_run() -> None:
    """A run is all its own records, and the last of them is its end."""
    entries = of_run(ENTRIES, SECOND)
    assert [3, 4, 5] == [entry.offset for entry in entries]
    assert isinstance(entries[-1].record, ENDS)


async def test_followed_while_it_runs(kafka: Kafka, tmp_path: Path) -> None:
    """A run that is under way is shown as it goes on; its end ends the showing."""
    async with fleet(kafka, tmp_path, Rules()) as one, one.engine(runner=FakeRunner(seconds=2.0)):
        await one.fail()
        await one.wait_for("run.started")
        seen = [tag_of(entry.record) async for entry in tail_run(one.settings, "h1") if entry.record is not None]
    assert "run.finished" == seen[-1]
    assert ["run.started", "run.progressed"] == [tag for tag in seen if tag in {"run.started", "run.progressed"}]
