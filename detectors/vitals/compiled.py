"""How this package compiles its kernels; see `detectors.memory.compiled`, whose means it uses."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, cast

import numba

from detectors.memory.compiled import checksum, entry, part

SOURCES: Final = checksum(Path(__file__).parent)

__all__ = ["SOURCES", "call", "entry", "part"]


def call[F: Callable[..., Any]](function: F) -> F:
    """Compile a function with loops of its own: not inlined, so that it is compiled once and optimised alone."""
    return cast("F", numba.njit(error_model="numpy")(function))
