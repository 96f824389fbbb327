"""The quality benchmark on a small made-up folder: a guard against regressions, and the form of what it writes."""

import csv
from pathlib import Path

import msgspec
import pytest

from benchmarks.quality.__main__ import evaluate
from benchmarks.quality.jobs import DISGUISED, SHIPPED
from benchmarks.quality.measures import Measure
from benchmarks.quality.results import Manifest
from tests.benchmarks import data

type Figures = dict[tuple[str, str, str], float]

# What the shipped detection must reach on this folder: what was measured stands beside it, the rest is the margin.
LEAST = {
    ("nab", "NAB standard"): 80.0,  # 89
    ("nab", "alarm: recall"): 0.75,  # 1
    ("kpi", "alarm: recall"): 0.6,  # 0.8
    ("kpi", "recall at 1 FA/day"): 0.8,  # 1
    ("hosts/smd", "alarm: recall"): 0.66,  # 1
    ("hosts/smd", "recall at 1 FA/day"): 0.66,  # 1
    ("hosts/smd", "blame: top metric right"): 0.66,  # 1
    ("logs", "grouping accuracy"): 1.0,
}
MOST = {
    ("nab", "alarm: FA/day"): 0.2,  # 0.07
    ("kpi", "alarm: FA/day"): 0.5,  # 0.21
    ("hosts/smd", "alarm: FA/day"): 1.0,  # 0
}


def figures(measures: list[Measure]) -> Figures:
    """By part, measure and detector."""
    return {(one.part, one.measure, one.detector): one.estimate.value for one in measures}


def rows(path: Path) -> list[dict[str, str]]:
    """A written file."""
    with path.open(newline="") as text:
        return list(csv.DictReader(text))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Figures]:
    """One run over all parts; the folder with what was written, and the figures."""
    folder, out = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("out")
    for part in (data.nab, data.kpi, data.hosts, data.logs):
        part(folder)
    _, measures = evaluate(folder, out, "full", ())
    return out, figures(measures)


@pytest.mark.parametrize(("part", "measure"), LEAST)
def test_detection_is_no_worse_than_it_was(run: tuple[Path, Figures], part: str, measure: str) -> None:
    """No figure falls below what was measured, less its margin."""
    assert run[1][part, measure, SHIPPED] >= LEAST[part, measure]


@pytest.mark.parametrize(("part", "measure"), MOST)
def test_alarms_are_no_more_than_they_were(run: tuple[Path, Figures], part: str, measure: str) -> None:
    """No count of false alarms rises above what was measured, plus its margin."""
    assert run[1][part, measure, SHIPPED] <= MOST[part, measure]


def test_scale_and_offset_of_a_hosts_metrics_change_nothing(run: tuple[Path, Figures]) -> None:
    """Metrics in other units and flipped give the same recall."""
    found = run[1]

    assert found["hosts/smd", "alarm: recall", SHIPPED] == found["hosts/smd", "alarm: recall", DISGUISED]


@pytest.mark.parametrize(
    ("name", "count", "columns"),
    [
        ("nab/artificial/quiet.csv", data.ROWS, ["timestamp", "score", "anomaly_score", "alarm"]),
        ("kpi/one.csv", 2 * data.ROWS, ["timestamp", "score", "anomaly_score", "alarm"]),
        ("hosts/smd/machine.csv", data.HOST_ROWS, ["timestamp", "score", "anomaly_score", "alarm", "blamed"]),
        ("logs/Small.csv", 300, ["line", "template_id"]),
    ],
)
def test_what_is_written(run: tuple[Path, Figures], name: str, count: int, columns: list[str]) -> None:
    """Each file of the data has one file of results, of the same path, with a row for each row."""
    written = rows(run[0] / name)

    assert count == len(written)
    assert columns == list(written[0])


def test_times_are_written_as_they_were_read(run: tuple[Path, Figures]) -> None:
    """A scorer finds the rows by their times."""
    assert "2026-01-05 00:05:00" == rows(run[0] / "nab/artificial/quiet.csv")[1]["timestamp"]


def test_the_manifest_says_what_was_run(run: tuple[Path, Figures]) -> None:
    """Profile, thresholds, cost and state of both kinds of detector."""
    manifest = msgspec.json.decode((run[0] / "manifest.json").read_bytes(), type=Manifest)

    assert ("full", {"series", "hosts"}) == (manifest.profile, set(manifest.speed))
    assert 4 * data.ROWS + 2 * data.ROWS == manifest.speed["series"].samples


def test_parts_and_labels_may_be_missing(tmp_path: Path) -> None:
    """Without labels everything is written and nothing is measured; a part that is not there is no error."""
    data.kpi(tmp_path)
    (tmp_path / "kpi" / "labels_windows.json").unlink()

    manifest, measures = evaluate(tmp_path, tmp_path / "out", "lean", ())

    assert [] == measures
    assert {"series"} == set(manifest.speed)
    assert (tmp_path / "out" / "kpi" / "one.csv").is_file()
