"""How the detectors compile their kernels: parts are inlined into entries, and entries are cached on disk.

numba keys its cache by the file of the entry alone, so a change in a part would leave a stale kernel behind; and it
writes the index of a cache before the machine code that it names, so that a process that starts meanwhile, or after one
that was killed there, loads what stood under that name before: code for another layout of memory. Entries are therefore
cached under a name of their own for each version of the sources (`SOURCES`) and of numba.

Whole arrays are not assigned in kernels (`row[:] = 0`): the message of their error alone takes seconds to compile.
"""

import zlib
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Protocol, cast

import numba
import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

type _Function = Callable[..., Any]

PACKAGES: Final = ("memory", "vitals")
LANES: Final = 8  # 32-bit numbers that are compared at once
READS, KEEPS, DATA = 0, 3, 1  # what `llvm.prefetch` is told: to read, as near as can be, no code
CALLERS: Final = ("detectors.memory.series", "detectors.vitals.block")


def checksum(folders: Iterable[Path]) -> int:
    """CRC-32 over the Python files of some folders, by name."""
    total = 0
    for folder in folders:
        for file in sorted(folder.glob("*.py")):
            total = zlib.crc32(file.read_bytes(), total)
    return total


HERE: Final = Path(__file__)
PARTS: Final = checksum(HERE.parent / package for package in PACKAGES)
SOURCES: Final = zlib.crc32(HERE.read_bytes() + numba.__version__.encode(), PARTS)
"""The checksum of this file, all files of the compiled packages, and the version of numba."""


_njit: Final = cast("Callable[..., Callable[[_Function], _Function]]", numba.njit)  # its types lack some options


def part[F: _Function](function: F) -> F:
    """Compile a function that only other compiled functions call, into these."""
    return cast("F", _njit(error_model="numpy", forceinline=True, no_cfunc_wrapper=True)(function))


def stage[F: _Function](function: F) -> F:
    """As `part`, for one that is made of parts and used once: it is put into its caller before either is optimised."""
    return cast("F", numba.njit(error_model="numpy", inline="always")(function))


def call[F: _Function](function: F) -> F:
    """Compile a function with loops of its own: not inlined, so that it is compiled once and optimised alone. Python
    can not call it.
    """
    return cast("F", _njit(error_model="numpy", no_cfunc_wrapper=True, no_cpython_wrapper=True)(function))


def entry[F: _Function](function: F) -> F:
    """Compile a function that Python calls; the machine code is kept beside the source, or in the user's cache."""
    function.__qualname__ = f"{function.__name__}_{SOURCES:08x}"  # numba names the files by it
    return cast("F", numba.njit(cache=True, error_model="numpy", nogil=True)(function))


class _Borrow(Protocol):
    def __call__[A](self, array: A) -> A: ...


@intrinsic
def _borrowed(_: Any, array: Any) -> Any:  # noqa: ANN401 types of numba
    """Leave out the owner."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ANN401 as above
        whole = context.make_array(signature.args[0])(context, builder, arguments[0])
        whole.meminfo = whole.meminfo.type(None)
        return whole._getvalue()  # noqa: SLF001 the only way numba has

    return array(array), generate


borrowed: Final = cast("_Borrow", _borrowed)
"""In kernels: the same array without an owner. Slices of an array count its owners, locked for all processors, which
costs more than the arithmetic on a row; an entry's arguments have an owner for as long as it runs.
"""


class _Fetch(Protocol):
    def __call__(self, array: npt.NDArray[Any], place: int) -> None: ...


def _pointer(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ANN401 types of numba
    """Where the element of an array is that the first two arguments name."""
    whole = context.make_array(signature.args[0])(context, builder, arguments[0])
    return cgutils.get_item_pointer(context, builder, signature.args[0], whole, [arguments[1]])


@intrinsic
def _fetched(_: Any, array: Any, place: Any) -> Any:  # noqa: ANN401 types of numba
    """Call the processor's prefetch."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ANN401 as above
        at = _pointer(context, builder, signature, arguments)
        byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        prefetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
        builder.call(prefetch, [builder.bitcast(at, byte), number(READS), number(KEEPS), number(DATA)])
        return context.get_dummy_value()

    return types.void(array, place), generate


fetched: Final = cast("_Fetch", _fetched)
"""In kernels: ask for the cache line of an element of a one-dimensional array, and go on; nothing is read or written.

References:
    LLVM language reference, `llvm.prefetch`.
"""


class _Count(Protocol):
    def __call__(self, array: npt.NDArray[np.float32], place: int, limit: np.float32) -> int: ...


@intrinsic
def _counted(_: Any, array: Any, place: Any, limit: Any) -> Any:  # noqa: ANN401 types of numba
    """Compare all lanes at once; numba unrolls a loop over so few and compares them one by one."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ANN401 as above
        at = _pointer(context, builder, signature, arguments)
        numbers, lane = ir.VectorType(ir.FloatType(), LANES), ir.IntType(32)
        values = builder.load(builder.bitcast(at, numbers.as_pointer()), align=np.float32().itemsize)
        least = context.cast(builder, arguments[2], signature.args[2], types.float32)
        single = builder.insert_element(ir.Constant(numbers, ir.Undefined), least, lane(0))
        every = builder.shuffle_vector(single, single, ir.Constant(ir.VectorType(lane, LANES), [0] * LANES))
        found = builder.bitcast(builder.fcmp_ordered("<", values, every), ir.IntType(LANES))
        return builder.zext(builder.ctpop(found), ir.IntType(64))

    return types.int64(array, place, limit), generate


counted: Final = cast("_Count", _counted)
"""In kernels: how many of the `LANES` 32-bit numbers from a place on are less than a limit; there must be so many.

References:
    LLVM language reference, vector types, `fcmp` and `llvm.ctpop`.
"""


def warm() -> None:
    """Compile all kernels, or load what was compiled before: the first sample then need not wait for it."""
    for module in CALLERS:
        import_module(module).warm()
