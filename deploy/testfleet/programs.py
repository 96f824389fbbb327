"""Runs the system's programs, and says what went wrong when one fails."""

import subprocess
from pathlib import Path


class FleetError(Exception):
    """The fleet can not be had; the message names what failed and what it said."""


def run(*words: str | Path, stdin: bytes = b"", log: Path | None = None) -> str:
    """Run a program to its end and give its output; with `log`, all that it says goes there. Raises FleetError."""
    with Path(log or "/dev/null").open("ab") as output:
        answer = subprocess.run(  # noqa: S603 - every caller's words are its own
            [str(word) for word in words],
            input=stdin,
            stdout=output if log else subprocess.PIPE,
            stderr=output if log else subprocess.PIPE,
            check=False,
        )
    if answer.returncode != 0:
        said = log.read_text(errors="replace")[-2000:] if log else answer.stderr.decode(errors="replace")
        raise FleetError(f"{' '.join(map(str, words))}: status {answer.returncode}: {said.strip()}")
    return "" if log else answer.stdout.decode(errors="replace")
