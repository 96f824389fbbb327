"""Old runs are removed by age and by the size of all, oldest first; runs that are still needed stay.

What can not be removed now stays too, and is tried again the next time.
"""

import math
import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from remediations.runner.settings import Kept


class StoredRun(msgspec.Struct, frozen=True):
    """One action's folder."""

    path: str
    changed: float
    size: int


def remove_old_runs(folder: Path, kept: Kept, now: float, evidence: Collection[str] = ()) -> tuple[str, ...]:
    """Remove what exceeds `kept` at `now` (epoch seconds), but no `evidence`; the removed ids of actions."""
    runs = sorted(
        (stored(path) for path in folder.iterdir() if path.is_dir() and path.name not in evidence),
        key=lambda run: run.changed,
    )
    size = sum(run.size for run in runs)
    removed: list[str] = []
    for run in runs:
        if now - run.changed <= kept.age_seconds and size <= kept.bytes_maximum:
            break
        shutil.rmtree(run.path, ignore_errors=True)
        size -= run.size
        if not Path(run.path).exists():
            removed.append(Path(run.path).name)
    return tuple(removed)


def stored(path: Path) -> StoredRun:
    """Size and last change of one action's folder."""
    found = list(states(path))
    changed = max((state.st_mtime for state in found), default=math.inf)
    return StoredRun(str(path), changed, sum(state.st_size for state in found))


def states(path: Path) -> Iterator[os.stat_result]:
    """Of a folder and all below it, but for what is removed by others meanwhile."""
    for file in (path, *path.rglob("*")):
        with suppress(FileNotFoundError):
            yield file.lstat()
