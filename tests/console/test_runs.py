"""A run is found by what an operator types, and followed to its end."""

from pathlib import Path

import msgspec
import pytest

from console.errors import RunNotFoundError
from console.runs import ENDS, find_run, of_run, tail_run
from console.sentences import say
from remediations.policies import Verification
from remediations.records import Record, RunFinished, RunProgressed, RunStarted
from remediations.runs import RunStatus, TaskEvent, TaskOutcome
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
