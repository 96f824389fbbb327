"""Tidegate's log: lines of one kind are limited and counted, and what is harmless does not look like an error."""

import io
import json
import logging
import subprocess
import sys
import textwrap

import pytest
from aiokafka.errors import GroupCoordinatorNotAvailableError, NotCoordinatorForGroupError

from stream.limits import KINDS_MAXIMUM, LimitedHandler
from stream.logs import COORDINATOR_LOGGER, COORDINATOR_QUIET_SECONDS, COORDINATOR_SECONDS, CoordinatorPatience


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Its time."""
        return self.now


def record(words: str, *args: object, name: str = "lib", level: int = logging.ERROR) -> logging.LogRecord:
    """A line of a library."""
    return logging.LogRecord(name, level, "file.py", 1, words, args, None)


def limited(clock: Clock, lines_maximum: int = 3, window_seconds: float = 60.0) -> tuple[LimitedHandler, io.StringIO]:
    """A handler on that clock, and what it writes."""
    out = io.StringIO()
    return LimitedHandler(out, lines_maximum=lines_maximum, window_seconds=window_seconds, clock=clock), out


SAME = [
    pytest.param([("fetch of %s failed", f"topic-{n}") for n in range(9)], id="one template, other arguments"),
    pytest.param([(f"node {n} is away after {n * 7} ms",) for n in range(9)], id="put together by the library itself"),
    pytest.param([("again",)] * 9, id="the very same words"),
]


@pytest.mark.parametrize("lines", SAME)
def test_lines_of_one_kind_are_limited_and_counted(lines: list[tuple[str, ...]]) -> None:
    """The first three of nine lines are written, and when the window is over one line tells of the six others."""
    clock = Clock()
    handler, out = limited(clock)
    for words, *args in lines:
        handler.handle(record(words, *args))
    assert len(out.getvalue().splitlines()) == 3

    clock.now = 60.0
    handler.handle(record("something else"))

    *_, told, other = out.getvalue().splitlines()
    assert told.startswith("6 more lines like this were left out in 60 s: ")
    assert other == "something else"
    assert len(out.getvalue().splitlines()) == 5


def test_the_first_of_every_kind_is_written() -> None:
    """In the middle of a storm a line of another logger, level or template is written at once."""
    handler, out = limited(Clock())
    for _ in range(100):
        handler.handle(record("storm"))

    handler.handle(record("storm", name="other"))
    handler.handle(record("storm", level=logging.CRITICAL))
    handler.handle(record("calm"))

    assert out.getvalue().splitlines() == ["storm"] * 5 + ["calm"]


def test_a_new_window_begins_with_whole_lines() -> None:
    """A storm that goes on is written again, as far as the limit, in the next window."""
    clock = Clock()
    handler, out = limited(clock)
    for clock.now in range(120):
        handler.handle(record("storm"))

    assert out.getvalue().splitlines() == [
        *["storm"] * 3,
        "57 more lines like this were left out in 60 s: storm",
        *["storm"] * 3,
    ]


def test_what_was_left_out_is_told_at_the_end() -> None:
    """A process that ends within the window still tells the number; nothing is told where nothing was left out."""
    handler, out = limited(Clock())
    for _ in range(4):
        handler.handle(record("storm"))
    handler.handle(record("calm"))

    handler.close()

    assert out.getvalue().splitlines() == ["storm"] * 3 + ["calm", "1 more lines like this were left out in 0 s: storm"]


def test_memory_is_bounded() -> None:
    """Of very many kinds the oldest is forgotten, and its number told before."""
    handler, out = limited(Clock(), lines_maximum=1)
    for _ in range(3):
        handler.handle(record("storm"))
    for number in range(KINDS_MAXIMUM):
        handler.handle(record("x" * (number // 26) + chr(97 + number % 26)))

    assert "2 more lines like this were left out in 0 s: storm" in out.getvalue()


STORM = textwrap.dedent("""
    import logging, time
    import structlog
    from stream.logs import configure_logs

    configure_logs("json", role="engine")
    for number in range(500):
        structlog.get_logger("tidegate.engine").warning("append_lost", number=number)
        for library in ("aiokafka.client", "kafka.coordinator", "faust.app"):
            logging.getLogger(library).error("Unable connect to node %s", number)
    structlog.get_logger("tidegate.engine").error("first_of_its_kind")
""")


def test_our_own_and_the_libraries_lines_are_limited() -> None:
    """Of 500 lines of each of four loggers ten are written, and one that counts the rest, with the fields of all."""
    done = subprocess.run([sys.executable, "-c", STORM], capture_output=True, text=True, check=True)
    lines = [json.loads(line) for line in done.stderr.splitlines()]

    assert {line["role"] for line in lines} == {"engine"}
    assert [line["event"] for line in lines].count("first_of_its_kind") == 1
    for logger in ("tidegate.engine", "aiokafka.client", "kafka.coordinator", "faust.app"):
        told = [line["event"] for line in lines if line["logger"] == logger and "left out" in line["event"]]
        assert [words.partition(" in ")[0] for words in told] == ["490 more lines like this were left out"], logger
    assert len(lines) == 45


QUIET = [
    pytest.param([0.0, 0.1, 5.0], None, id="a new Kafka makes its coordinator"),
    pytest.param([0.0, 9.0, 18.0, 27.0, 36.0], "after 36 s", id="it lasts"),
    pytest.param([0.0, COORDINATOR_SECONDS + COORDINATOR_QUIET_SECONDS], None, id="a second time, much later"),
]


@pytest.mark.parametrize(("times", "words"), QUIET)
def test_a_coordinator_that_is_being_made_is_no_error(times: list[float], words: str | None) -> None:
    """The client's complaint is kept back for half a minute of it, and then a warning that says for how long."""
    clock = Clock()
    patience = CoordinatorPatience(clock)
    for clock.now in times:
        line = record(
            "Group Coordinator Request failed: %s", GroupCoordinatorNotAvailableError(), name=COORDINATOR_LOGGER
        )
        written = patience.judge(line)

    assert written is (words is not None)
    if words is not None:
        assert (line.levelname, words in line.getMessage()) == ("WARNING", True)


OTHERS = [
    pytest.param(NotCoordinatorForGroupError(), COORDINATOR_LOGGER, id="another error of the coordinator"),
    pytest.param(GroupCoordinatorNotAvailableError(), "aiokafka.producer.sender", id="another logger"),
]


@pytest.mark.parametrize(("error", "logger"), OTHERS)
def test_other_errors_stay_errors(error: Exception, logger: str) -> None:
    """Nothing but the missing coordinator of groups is judged."""
    line = record("Group Coordinator Request failed: %s", error, name=logger)

    assert CoordinatorPatience(Clock()).judge(line)
    assert line.levelname == "ERROR"
