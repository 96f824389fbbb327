"""A small labelled data folder, laid out as the real ones are, made of waves, noise and faults that one can see."""

import csv
import gzip
import io
import json
import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt

START = datetime(2026, 1, 5, tzinfo=UTC)
ROWS = 4000
HOST_METRICS, MOVED = 8, 4
HOST_ROWS, HOST_LABELLED = 3000, 1500

type Floats = npt.NDArray[np.float64]
type Fault = Callable[[Floats, int], None]


def spike(values: Floats, row: int) -> None:
    """Three rows far outside."""
    values[row : row + 3] += 40.0


def shift(values: Floats, row: int) -> None:
    """A new level for a while."""
    values[row : row + 60] -= 30.0


def stuck(values: Floats, row: int) -> None:
    """No change, and no noise, at an unusual height."""
    values[row : row + 60] = 80.0


def wave(rows: int, per_day: float, seed: int) -> Floats:
    """A daily wave with noise."""
    noise = np.random.default_rng(seed).normal(0.0, 1.0, rows)
    found: Floats = 50.0 + 10.0 * np.sin(np.arange(rows) * 2.0 * math.pi / per_day) + noise
    return found


def table(path: Path, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """One CSV file, gzipped if its name says so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = io.StringIO(newline="")
    lines = csv.writer(text)
    lines.writerow(head)
    lines.writerows(rows)
    content = text.getvalue().encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def nab(folder: Path) -> None:
    """Series every five minutes with ISO times; the last has no incident."""
    faults: dict[str, tuple[Fault, ...]] = {"spike": (spike,), "shift": (shift,), "both": (spike, stuck), "quiet": ()}
    windows = {}
    for seed, (name, kinds) in enumerate(faults.items()):
        values, stamps = wave(ROWS, 288.0, seed), [START + timedelta(minutes=5 * row) for row in range(ROWS)]
        places = [1500 + 1200 * number for number in range(len(kinds))]
        for fault, row in zip(kinds, places, strict=True):
            fault(values, row)
        shown = [f"{stamp:%Y-%m-%d %H:%M:%S}" for stamp in stamps]
        rows = list(zip(shown, values.round(3), strict=True))
        table(folder / "nab" / "artificial" / f"{name}.csv", ("timestamp", "value"), rows)
        windows[f"artificial/{name}.csv"] = [
            [f"{shown[row - 100]}.000000", f"{shown[row + 100]}.000000"] for row in places
        ]
    (folder / "nab" / "labels_windows.json").write_text(json.dumps(windows))


def kpi(folder: Path) -> None:
    """One series a minute, gzipped, with five short faults."""
    values, times = wave(ROWS * 2, 1440.0, 7), np.arange(ROWS * 2) * 60 + 1_500_000_000
    places = range(2000, 7000, 1000)
    for row in places:
        shift(values, row)
    rows = list(zip(times.tolist(), values.round(3), [0] * len(times), strict=True))
    table(folder / "kpi" / "one.csv.gz", ("timestamp", "value", "label"), rows)
    windows = {"one.csv": [[int(times[row]), int(times[row + 59])] for row in places]}
    (folder / "kpi" / "labels_windows.json").write_text(json.dumps(windows))


def hosts(folder: Path) -> None:
    """One machine whose metrics follow one load; in each of three incidents half of them leave it."""
    load, generator = wave(HOST_ROWS, 1440.0, 11), np.random.default_rng(12)
    values = load[:, None] + generator.normal(0.0, 0.5, (HOST_ROWS, HOST_METRICS))
    names = [f"m{place:02}" for place in range(1, HOST_METRICS + 1)]
    blame = []
    for place, row in enumerate((1700, 2100, 2600)):
        values[row : row + 20, place : place + MOVED] += 25.0
        blame.append({"start": row * 60, "end": (row + 19) * 60, "metrics": names[place : place + MOVED]})
    rows = [[row * 60, *values[row].round(3), 0] for row in range(HOST_ROWS)]
    key = "smd/machine.csv"
    table(folder / "hosts" / f"{key}.gz", ("timestamp", *names, "label"), rows)
    labels = {
        "labels_windows.json": {key: [[one["start"], one["end"]] for one in blame]},
        "series.json": {key: {"rows": HOST_ROWS, "first_labelled_row": HOST_LABELLED, "step_s": 60}},
        "root_cause_metrics.json": {key: blame},
    }
    for name, content in labels.items():
        (folder / "hosts" / name).write_text(json.dumps(content))


def logs(folder: Path) -> None:
    """Three events in turn, with values in them."""
    events = ("session opened for user u{0}", "connection from 10.0.0.{0} closed", "disk sda{0} is {0} percent full")
    rows = [(row + 1, events[row % 3].format(row % 90), f"E{row % 3}", "") for row in range(300)]
    system = folder / "logs" / "Small"
    table(system / "Small_2k.log_structured.csv", ("LineId", "Content", "EventId", "EventTemplate"), rows)
    (system / "Small_2k.log").write_text("".join(f"{row[1]}\n" for row in rows))
