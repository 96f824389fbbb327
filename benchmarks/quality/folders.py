"""The data folder: which files there are, what is in them, and what is labelled.

    nab/<category>/<name>.csv              timestamp (ISO, no zone), value
    nab/labels_windows.json, labels_points.json
    kpi/<id>.csv.gz                        timestamp (epoch seconds), value, label
    kpi/labels_windows.json
    hosts/{smd,asd}/<name>.csv.gz          timestamp (seconds), one column a metric, label
    hosts/labels_windows.json, series.json, root_cause_metrics.json
    logs/<system>/<system>_2k.log          lines
    logs/<system>/<system>_2k.log_structured.csv   Content, EventId of each line

Files may be plain or gzipped; every part, and every file of labels, may be missing.
"""

import csv
import enum
import gzip
import io
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

type Floats = npt.NDArray[np.float64]
type Stamp = str | float

NOT_METRICS: Final = ("timestamp", "label")


class Part(enum.Enum):
    """The parts of the data that are tables of numbers."""

    NAB = "nab"
    KPI = "kpi"
    SMD = "hosts/smd"
    ASD = "hosts/asd"

    @property
    def labels(self) -> str:
        """The folder with the part's labels."""
        return self.value.split("/", maxsplit=1)[0]


HOSTS: Final = (Part.SMD, Part.ASD)


class Table(msgspec.Struct, frozen=True):
    """One file: `stamps` as written, `seconds` since 1970 (or the file's own start), `values` rows by metrics."""

    stamps: list[str]
    seconds: Floats
    metrics: list[str]
    values: Floats


class Blame(msgspec.Struct, frozen=True):
    """The metrics that experts blamed for one incident, and when (both ends inclusive, seconds)."""

    start: float
    end: float
    metrics: list[str]


class Labels(msgspec.Struct, frozen=True):
    """What is known of one file: incident windows, true onsets, first row that counts, blamed metrics."""

    windows: list[tuple[float, float]]
    points: list[float] = []
    first_row: int | None = None
    blame: list[Blame] = []


class LogFile(msgspec.Struct, frozen=True):
    """One system's lines: messages without their headers where those are known, and the true events if labelled."""

    system: str
    messages: list[str]
    events: list[str]


class _Extent(msgspec.Struct, frozen=True):
    first_labelled_row: int


def opened(path: Path) -> io.TextIOBase:
    """The text of a plain or gzipped file."""
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", errors="replace", newline="")
    return path.open(encoding="utf-8", errors="replace", newline="")


def seconds(stamp: Stamp) -> float:
    """Epoch seconds of a time that is written as a number or in ISO form without a zone (then UTC)."""
    try:
        return float(stamp)
    except ValueError:
        return datetime.fromisoformat(str(stamp)).replace(tzinfo=UTC).timestamp()


def number(text: str) -> float:
    """A value; what is none is missing (NaN)."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def key_of(path: Path, folder: Path) -> str:
    """What labels call a file: its path in the part, `.csv` at the end."""
    return path.relative_to(folder).as_posix().removesuffix(".gz")


def files(data: Path, part: Part) -> Iterator[tuple[str, Path]]:
    """The files of a part with their keys, in order."""
    folder = data / part.value
    for path in sorted(folder.rglob("*.csv*")):
        if path.name.endswith((".csv", ".csv.gz")):
            yield key_of(path, folder), path


def read_table(path: Path) -> Table:
    """All rows of a file."""
    with opened(path) as text:
        lines = csv.reader(text)
        head = next(lines)
        rows = [row for row in lines if row]
    columns = [place for place, name in enumerate(head) if name not in NOT_METRICS]
    stamps = [row[head.index("timestamp")] for row in rows]
    values = np.array([[number(row[place]) for place in columns] for row in rows], np.float64)
    times = np.array([seconds(stamp) for stamp in stamps], np.float64)
    return Table(stamps, times, [head[place] for place in columns], values.reshape(len(rows), len(columns)))


def _read[T](path: Path, kind: type[T]) -> T | None:
    return msgspec.json.decode(path.read_bytes(), type=kind) if path.is_file() else None


def read_labels(data: Path, part: Part) -> dict[str, Labels]:
    """The labels of a part by key of file; empty if it has none."""
    folder, prefix = data / part.labels, part.value.removeprefix(part.labels).lstrip("/")
    windows = _read(folder / "labels_windows.json", dict[str, list[tuple[Stamp, Stamp]]]) or {}
    points = _read(folder / "labels_points.json", dict[str, list[Stamp]]) or {}
    extents = _read(folder / "series.json", dict[str, _Extent]) or {}
    blame = _read(folder / "root_cause_metrics.json", dict[str, list[Blame]]) or {}
    found = {}
    for key in windows:
        if prefix and not key.startswith(f"{prefix}/"):
            continue
        found[key.removeprefix(f"{prefix}/")] = Labels(
            windows=[(seconds(start), seconds(end)) for start, end in windows[key]],
            points=[seconds(point) for point in points.get(key, [])],
            first_row=extents[key].first_labelled_row if key in extents else None,
            blame=blame.get(key, []),
        )
    return found


def systems(data: Path) -> list[Path]:
    """The folders of log systems."""
    folder = data / "logs"
    return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def read_log(folder: Path) -> LogFile:
    """The lines of one system; without its structured file, raw lines and no events."""
    structured = next(iter(sorted(folder.glob("*_structured.csv"))), None)
    if structured is None:
        raw = next(iter(sorted(folder.glob("*.log*"))))
        with opened(raw) as text:
            return LogFile(folder.name, text.read().splitlines(), [])
    with opened(structured) as text:
        rows = list(csv.DictReader(text))
    return LogFile(folder.name, [row["Content"] for row in rows], [row.get("EventId", "") for row in rows])
