"""Why a broker ended is told in one line, from what is known of it."""

import pytest

from stream.broker.endings import TELLING_LINES, ending, how_ended

MUCH = 10**9
CALM = "2026-01-01 10:00:00,000 WARN [QuorumController id=1] The metadata log appears to be empty. (QuorumController)"
FULL = [
    CALM,
    "2026-01-01 10:00:01,000 ERROR Error while appending records to a-0 in dir data (LogDirFailureChannel)",
    "java.io.IOException: No space left on device",
    "\tat java.base/java.lang.Thread.run(Unknown Source)",
]
LOCKED = ["2026-01-01 10:00:01,000 ERROR Exiting Kafka due to fatal exception: Failed to lock data/.lock (Kafka$)"]

CAUSES = [
    pytest.param(1, FULL, MUCH, "disk full", id="the log says it, some room since"),
    pytest.param(1, [CALM], 0, "disk full", id="the disk was too full for the log"),
    pytest.param(1, ["java.io.IOException: Disk quota exceeded"], MUCH, "disk full", id="a quota"),
    pytest.param(137, [CALM], MUCH, "killed by SIGKILL", id="killed"),
    pytest.param(134, ["# A fatal error has been detected"], MUCH, "killed by SIGABRT", id="Java crashed"),
    pytest.param(3, ["java.lang.OutOfMemoryError: Java heap space"], MUCH, "its Java ran out of memory", id="heap"),
    pytest.param(1, LOCKED, MUCH, LOCKED[0], id="an error of Java"),
    pytest.param(0, [CALM], MUCH, "ended with status 0", id="no word why"),
    pytest.param(-9, [], MUCH, "its guard was killed by SIGKILL", id="the guard was killed"),
]


@pytest.mark.parametrize(("status", "lines", "free_bytes", "cause"), CAUSES)
def test_the_cause_is_told(status: int, lines: list[str], free_bytes: int, cause: str) -> None:
    """The cause begins with what an operator has to look at; the status is never left out."""
    end = ending(status, lines, free_bytes)

    assert end.cause.startswith(cause)
    assert how_ended(status) in end.cause


def test_the_first_lines_that_tell_of_trouble_are_kept() -> None:
    """Calm lines and stack frames are passed over, and what follows from the first trouble is cut off."""
    assert ending(1, FULL * 9, MUCH).log_lines == (FULL[1], FULL[2]) * (TELLING_LINES // 2)


WORDS = [
    pytest.param(0, "ended with status 0", id="well"),
    pytest.param(70, "ended with status 70", id="a status"),
    pytest.param(-15, "killed by SIGTERM", id="a signal, as Python tells it"),
    pytest.param(143, "killed by SIGTERM", id="a signal, as a shell tells it"),
    pytest.param(255, "ended with status 255", id="no signal has this number"),
]


@pytest.mark.parametrize(("status", "words"), WORDS)
def test_a_status_in_words(status: int, words: str) -> None:
    """Signals are told by name, all else by number."""
    assert how_ended(status) == words
