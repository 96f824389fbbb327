"""Why a broker ended, in words: from its exit status, the log lines of its life, and the space left in its folder."""

import re
import signal
from collections.abc import Sequence

import msgspec

# Less than a page of a file system: nothing can be written any more.
FULL_BYTES = 65_536
FULL_WORDS = ("No space left on device", "Disk quota exceeded")
MEMORY_WORDS = ("OutOfMemoryError",)
TELLING_LINES = 4
LINE_CHARACTERS = 300
SIGNALLED = 128  # a shell's way to tell a signal in an exit status, which the guard and the JVM follow

TROUBLE = re.compile(r" (ERROR|FATAL) |^(Exception|Error|Caused by|#)|^[\w.$]+(Exception|Error)\b")


class Ending(msgspec.Struct, frozen=True):
    """How a broker's process ended: the cause in one line, and the first lines of its log that tell of trouble."""

    cause: str
    log_lines: tuple[str, ...]


def ending(exit_status: int, log_lines: Sequence[str], free_bytes: int) -> Ending:
    """The ending of a process; `log_lines` are those of its life alone, the oldest first."""
    telling = [line[:LINE_CHARACTERS] for line in log_lines if TROUBLE.search(line)]
    return Ending(_cause(exit_status, telling, free_bytes), tuple(telling[:TELLING_LINES]))


def _cause(exit_status: int, telling: Sequence[str], free_bytes: int) -> str:
    text = "\n".join(telling)
    how = how_ended(exit_status)
    if free_bytes < FULL_BYTES or any(words in text for words in FULL_WORDS):
        return f"disk full: {free_bytes} bytes are free in its folder ({how})"
    if any(words in text for words in MEMORY_WORDS):
        return f"its Java ran out of memory ({how})"
    if exit_status < 0:
        return f"its guard was {how}"
    if exit_status > SIGNALLED or not telling:
        return how
    return f"{telling[0]} ({how})"


def how_ended(exit_status: int) -> str:
    """An exit status in words; a signal by its name, whether it is told as a negative number or as a shell does."""
    number = -exit_status if exit_status < 0 else exit_status - SIGNALLED
    if number <= 0:
        return f"ended with status {exit_status}"
    try:
        name = signal.Signals(number).name
    except ValueError:
        return f"ended with status {exit_status}"
    hint = ", by somebody or by the kernel for want of memory" if number == signal.SIGKILL else ""
    return f"killed by {name}{hint}"
