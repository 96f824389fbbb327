"""A process that ends with its owner: the embedded broker's, by means of its guard (guard.py)."""

import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import IO

GUARD = Path(__file__).with_name("guard.py")
STOP_SECONDS = 30.0  # longer than the guard's own patience

log = logging.getLogger(__name__)


class GuardedProcess:
    """A command, run in `folder`, that ends with this process, however this process ends (guard.py)."""

    def __init__(self, command: list[str], *, folder: Path, output: IO[bytes], lock: IO[str]) -> None:
        self._guard = subprocess.Popen(  # noqa: S603 - our own arguments
            [sys.executable, "-I", "-S", str(GUARD), str(lock.fileno()), *command],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
            env=environment(),
            pass_fds=[lock.fileno()],
            start_new_session=True,  # Ctrl-C is for the owner, who then stops the command in order
        )
        assert self._guard.stdin is not None  # noqa: S101 - for the type checker
        assert self._guard.stdout is not None  # noqa: S101 - as above
        self._words, answers = self._guard.stdin, self._guard.stdout
        with answers:
            line = answers.readline()
        self.pid = int(line) if line else None
        """Process id of the command; None if it could not be started (`output` says why)."""

    @property
    def running(self) -> bool:
        """Whether the command is there."""
        return self._guard.poll() is None

    @property
    def exit_status(self) -> int | None:
        """Status of the command, 128 and the signal's number if one ended it; None while it runs.

        Negative if the guard itself was killed, and the command with it.
        """
        return self._guard.poll()

    def stop(self) -> None:
        """SIGTERM, SIGKILL when that does not help, and wait."""
        self._end(b"stop")

    def kill(self) -> None:
        """SIGKILL, and wait."""
        self._end(b"kill")

    def _end(self, word: bytes) -> None:
        try:
            self._words.write(word)
            self._words.close()
        except BrokenPipeError:
            log.debug("Process %s had already ended.", self.pid)
        self._guard.wait(STOP_SECONDS)


def environment() -> dict[str, str]:
    """Environment without the variables by which Java takes options that nobody meant for this broker."""
    foreign = {"JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "CLASSPATH"}
    return {name: value for name, value in os.environ.items() if name not in foreign}
