"""Archive of Kafka's loaded and linked classes (a JDK "AOT cache"): with it the broker starts in a third of the time.

It is recorded once per user, from checked jars, and never needed: without it the broker only starts more slowly.
"""

import hashlib
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from stream.broker.jars import sha256_of, try_lock

OPTIONS = (
    # Of the archive only the classes are used: caching of generated code is new in this JDK, and warns of mismatches.
    "-XX:+UnlockDiagnosticVMOptions",
    "-XX:-AOTAdapterCaching",
    "-XX:-AOTStubCaching",
)
NONE = "none"

log = logging.getLogger(__name__)

type Record = Callable[[Path], bool]
"""Makes the archive at the path, and returns whether that went well."""


def class_archive(folder: Path, made_of: Sequence[str], record: Record) -> Path | None:
    """Path of the archive in `folder` for this Java, options and jars (`made_of`), recorded first if there is none.

    None if another process records it just now, or if recording failed before on this machine.
    """
    name = hashlib.sha256("\n".join(made_of).encode()).hexdigest()[:16]
    path = folder / f"{name}.aot"
    if is_whole(path):
        return path
    with (folder / ".archive.lock").open("a") as lock:
        if not try_lock(lock) or recorded_sum(path) == NONE:
            return None
        return path if _replace(path, record) else None


def recorded_sum(path: Path) -> str | None:
    """SHA-256 noted when the archive was recorded; NONE if that failed; None if it was never tried."""
    note = note_of(path)
    return note.read_text(encoding="utf-8") if note.exists() else None


def note_of(path: Path) -> Path:
    """File beside an archive that holds its SHA-256."""
    return path.with_suffix(".sha256")


def is_whole(path: Path) -> bool:
    """Whether the archive is what was recorded."""
    return path.exists() and sha256_of(path) == recorded_sum(path)


def _replace(path: Path, record: Record) -> bool:
    """Record the archive, and drop those of other versions: each has 70 MB."""
    for old in [*path.parent.glob("*.aot"), *path.parent.glob("*.aot.*"), *path.parent.glob("*.sha256")]:
        old.unlink()
    recording = path.with_suffix(".aot.recording")
    done = record(recording)
    note_of(path).write_text(sha256_of(recording) if done else NONE, encoding="utf-8")
    if done:
        recording.replace(path)
    else:
        log.warning("No archive of Kafka's classes came about in %s: the broker starts more slowly.", path.parent)
    return done
