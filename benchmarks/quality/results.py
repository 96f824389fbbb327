"""What is written: one CSV a file with a row for each row, and the manifest."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.quality.folders import Part, Table
from benchmarks.quality.shipped import Verdicts

COLUMNS: Final = ("timestamp", "score", "anomaly_score", "alarm")


class Speed(msgspec.Struct, frozen=True):
    """What one kind of detector took: samples are values of single series, or of metrics of hosts."""

    samples: int
    seconds_per_sample: float
    cpu_seconds_per_sample: float
    bytes_per_series: int


class Manifest(msgspec.Struct, frozen=True):
    """What was run: `speed` by kind of data (series, hosts)."""

    profile: str
    threshold: float
    speed: dict[str, Speed]


def write_verdicts(out: Path, part: Part, key: str, table: Table, verdicts: Verdicts) -> None:
    """`<out>/<part>/<key>`."""
    path = out / part.value / key
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = [
        table.stamps,
        [f"{score:.6g}" for score in verdicts.scores.tolist()],
        [f"{score:.6g}" for score in verdicts.rankings.tolist()],
        [str(int(alarm)) for alarm in verdicts.alarms.tolist()],
    ]
    if verdicts.blamed:
        columns.append(verdicts.blamed)
    with path.open("w", encoding="utf-8", newline="") as text:
        lines = csv.writer(text)
        lines.writerow((*COLUMNS, "blamed") if verdicts.blamed else COLUMNS)
        lines.writerows(zip(*columns, strict=True))


def write_templates(out: Path, system: str, names: Sequence[str]) -> None:
    """`<out>/logs/<system>.csv`, lines numbered from 1."""
    path = out / "logs" / f"{system}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as text:
        lines = csv.writer(text)
        lines.writerow(("line", "template_id"))
        lines.writerows(enumerate(names, start=1))


def write_manifest(out: Path, manifest: Manifest) -> None:
    """`<out>/manifest.json`."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "manifest.json").write_bytes(msgspec.json.format(msgspec.json.encode(manifest)))
