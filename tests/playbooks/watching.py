"""Looks at the process table all the time: what was in anybody's arguments or environment.

What must be seen waits until it was: a command that names the file `met` may go on when that is there.
"""

import threading
from pathlib import Path
from typing import Self

import psutil

PAUSE_SECONDS = 0.05
MEET = 'until test -e "{met}"; do sleep 0.05; done'
"""Words for a shell that wait to be seen."""


class ProcessTable:
    """Command lines and environments of all processes, collected while it lasts.

    Attributes:
        arguments: Every command line that was there.
        environments: Every variable of a process that was there, as `NAME=value`.
    """

    def __init__(self, met: Path | None = None) -> None:
        self._met = met
        self.arguments: set[str] = set()
        self.environments: set[str] = set()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Self:
        """Begin to look."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Look no more."""
        self._stopping.set()
        self._thread.join()

    def holding(self, text: str) -> list[str]:
        """What was there with this text in it."""
        return [line for line in self.arguments | self.environments if text in line]

    def _watch(self) -> None:
        while not self._stopping.wait(PAUSE_SECONDS):
            for process in psutil.process_iter(["cmdline", "environ"]):
                self.arguments.add(" ".join(process.info["cmdline"] or ()))
                self.environments |= {f"{key}={value}" for key, value in (process.info["environ"] or {}).items()}
            if self._met is not None and any(str(self._met) in words for words in self.arguments):
                self._met.touch()
