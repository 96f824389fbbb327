"""How this package compiles its kernels: parts are inlined into entries, and entries are cached on disk.

numba keys its cache by the file of the entry alone, so a change in a part would leave a stale kernel behind. Entries
therefore refer to `SOURCES`, the checksum of all files of this package, which numba makes part of the key.
"""

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, cast

import numba

type _Function = Callable[..., Any]


def checksum(folder: Path) -> int:
    """CRC-32 over the Python files of a folder, by name."""
    total = 0
    for file in sorted(folder.glob("*.py")):
        total = zlib.crc32(file.read_bytes(), total)
    return total


SOURCES: Final = checksum(Path(__file__).parent)


def part[F: _Function](function: F) -> F:
    """Compile a function that only other compiled functions call."""
    return cast("F", numba.njit(error_model="numpy", forceinline=True)(function))


def entry[F: _Function](function: F) -> F:
    """Compile a function that Python calls; the machine code is kept beside the source, or in the user's cache."""
    return cast("F", numba.njit(cache=True, error_model="numpy", nogil=True)(function))
