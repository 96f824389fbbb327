"""Where answers are written: pipes whose reader may go, terminals that lack characters, or nothing at all."""

import io
import json
import os
import re
import sys
from collections.abc import Buffer

READER_GONE = 141
"""Exit status when nobody reads on, as in `tidegate audit tail | head`: that of a program that SIGPIPE ends."""
_NO_ASCII = re.compile(r"[^\x00-\x7f]")


def open_outlets() -> None:
    """Make standard output and error fit to be written to, whatever they are."""
    sys.stderr = sys.stderr or _nowhere()
    if sys.stdout is None:  # closed by whoever started us
        sys.stdout = _nowhere()
    elif isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.flush()
        sys.stdout = io.TextIOWrapper(
            io.BufferedWriter(_Outlet(sys.stdout.fileno(), "wb", closefd=False)),
            encoding=sys.stdout.encoding,
            errors="replace",
            line_buffering=sys.stdout.line_buffering,
        )


def escaped(document: str) -> str:
    """A JSON document that standard output can hold without loss: it means the same with its characters escaped."""
    if str(sys.stdout.encoding).lower().replace("-", "") == "utf8":
        return document
    return _NO_ASCII.sub(lambda found: json.dumps(found[0])[1:-1], document)


class _Outlet(io.FileIO):
    """Standard output. When its reader has gone there is nobody to tell: the program ends."""

    def write(self, data: Buffer, /) -> int:
        """Write, or end the program without a word."""
        try:
            return super().write(data)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())  # for what is flushed at the end
            raise SystemExit(READER_GONE) from None


def _nowhere() -> io.TextIOWrapper:
    return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123 - a stream for as long as we live
