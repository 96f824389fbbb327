"""What each judge says of a row, and what it refuses to take over."""

import random

import msgspec
import pytest

from detectors.errors import RowError
from detectors.gathering import Row
from detectors.judges.logs import LogsJudge
from detectors.judges.memories import SavedMemories, Skipped
from detectors.judges.series import SavedSeries, SeriesJudge
from detectors.templates.watch import UNSEEN
from tests.detectors.streams import START, seeded

WINDOW = 5.0
LEVELS = ("trace", "debug", "info", "warn", "error", "fatal")


def logs_row(number: int, rng: random.Random, **lines: float) -> Row:
    """The rates of a host that writes some info lines; `lines` are further rates, `template` that of a template."""
    rates = {f"log.rate{{level={level}}}": lines.get(level, 0.0) for level in LEVELS}
    rates["log.rate{level=info}"] = rng.randrange(2, 9) / WINDOW
    rates |= {UNSEEN: 0.0, "log.template{id=abc}": lines.get("template", 0.0)}
    return Row(START + WINDOW * number, number, rates, WINDOW, of_logs=True)


def judged(rows: int, **lines: float) -> float:
    """The score of the last of so many rows, on which a judge of logs sees what it never saw before."""
    judge, rng = LogsJudge(lambda _: "lean", lambda _: WINDOW, 16), seeded(1)
    for number in range(rows):
        judge.score(logs_row(number, rng))
        judge.learn(logs_row(number, seeded(number)))
    return judge.score(logs_row(rows, rng, **lines)).score


LOGS = [
    pytest.param(1200, {"error": 2.0, "template": 2.0}, True, id="errors of a template, on a host that is known"),
    pytest.param(1200, {"error": 0.2}, False, id="errors of no template that is known"),
    pytest.param(300, {"error": 2.0, "template": 2.0}, False, id="errors of a template, on a host that is young"),
    pytest.param(1200, {"info": 2.0, "template": 2.0}, False, id="a new template of info lines"),
    pytest.param(300, {"error": 2.0, "warn": 2.0, "fatal": 0.2}, True, id="three levels at once"),
]


@pytest.mark.parametrize(("rows", "lines", "raises"), LOGS)
def test_it_takes_three_voices_of_logs(rows: int, lines: dict[str, float], *, raises: bool) -> None:
    """A level has one, all templates have one, and errors have two where the host is known."""
    assert raises is (judged(rows, **lines) >= 1.0)


def series_judge(full_maximum: int = 16) -> SeriesJudge:
    """A judge of full series at a minute's pace."""
    return SeriesJudge(lambda _: "full", lambda _: 60.0, full_maximum)


def test_a_host_has_a_limited_number_of_full_series() -> None:
    """Further ones are lean, also if all come in the first row; what is forgotten gives its place away."""
    judge = series_judge(2)
    judge.score(Row(START, 0, dict.fromkeys("abcd", 1.0)))
    assert {"a": "full", "b": "full", "c": "lean", "d": "lean"} == judge.profiles
    judge.forget("a")
    judge.score(Row(START + 60.0, 1, {"e": 1.0}))
    assert judge.profiles["e"] == "full"


def saved() -> SavedMemories:
    """Memories of one series, with a row that was kept for later."""
    judge, row = series_judge(), Row(START, 0, {"a": 1.0})
    judge.score(row)
    judge.skip(row, keep=True)
    return msgspec.msgpack.decode(judge.to_bytes(), type=SavedSeries).memories["full"]


def with_skipped(**changes: object) -> SavedMemories:
    """The same with a damaged kept row."""
    (kept,) = saved().skipped
    return msgspec.structs.replace(saved(), skipped=[msgspec.structs.replace(kept, **changes)])


DAMAGED = [
    pytest.param(
        msgspec.structs.replace(saved(), rows=[]), "saved series are 0, wanted one for each of 1", id="no rows"
    ),
    pytest.param(msgspec.structs.replace(saved(), rows=[b"x" * 80]), "has .* bytes, these are 80", id="short row"),
    pytest.param(with_skipped(rows=(7).to_bytes(8, "little")), "name rows 7 to 7 of 1", id="row that is not there"),
    pytest.param(with_skipped(values=b"x" * 16), "wanted as many of each", id="more values than rows"),
]


@pytest.mark.parametrize(("memories", "words"), DAMAGED)
def test_damaged_memories_are_refused(memories: SavedMemories, words: str) -> None:
    """Kernels read rows unchecked, so nothing wrong may come to them."""
    with pytest.raises(RowError, match=words):
        series_judge().load(msgspec.msgpack.encode(SavedSeries({"full": memories}, {})))


def test_a_kept_row_is_learned_when_it_is_recalled() -> None:
    """Skipped and recalled it leaves what it leaves when it is learned at once."""
    one, other = series_judge(), series_judge()
    for number in range(40):
        row = Row(START + 60.0 * number, number, {"a": float(number % 7)})
        for judge in (one, other):
            judge.score(row)
        if number == 30:
            one.skip(row, keep=True)
            one.recall()
        else:
            one.learn(row)
        other.learn(row)
    assert isinstance(saved().skipped[0], Skipped)
    assert one.to_bytes() == other.to_bytes()
