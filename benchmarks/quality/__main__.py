"""`python -m benchmarks.quality --data FOLDER --out FOLDER [--profile full|lean] [--json FILE] [--no-baselines]`.

Runs the shipped detection, in order, over labelled data, writes what it said of each row, and prints how good it was.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import msgspec
from rich.console import Console

from benchmarks.quality.baselines import BASELINES
from benchmarks.quality.folders import HOSTS, Part, read_labels
from benchmarks.quality.jobs import SHIPPED, Outcome, group_logs, jobs, run_all
from benchmarks.quality.measures import Measure, measure, of_logs, told
from benchmarks.quality.report import table_of
from benchmarks.quality.results import Manifest, Speed, write_manifest
from benchmarks.quality.shipped import THRESHOLD
from detectors.memory.profiles import PROFILES
from detectors.settings import ProfileName

WIDTH_LEAST = 170


def speed(outcomes: Sequence[Outcome]) -> Speed:
    """What the detector took, all files together; the largest state."""
    samples = sum(one.samples for one in outcomes)
    return Speed(
        samples=samples,
        seconds_per_sample=sum(one.verdicts.wall_seconds for one in outcomes) / samples,
        cpu_seconds_per_sample=sum(one.verdicts.cpu_seconds for one in outcomes) / samples,
        bytes_per_series=max(one.verdicts.state_bytes for one in outcomes),
    )


def manifest_of(profile: str, outcomes: Sequence[Outcome]) -> Manifest:
    """What was run."""
    ours = [one for one in outcomes if one.detector == SHIPPED]
    kinds = {
        "series": [one for one in ours if one.part not in HOSTS],
        "hosts": [one for one in ours if one.part in HOSTS],
    }
    return Manifest(profile, THRESHOLD, {kind: speed(some) for kind, some in kinds.items() if some})


def evaluate(data: Path, out: Path, profile: ProfileName, others: Sequence[str]) -> tuple[Manifest, list[Measure]]:
    """Run, write, and measure everything there is data for."""
    outcomes: dict[tuple[Part, str], list[Outcome]] = defaultdict(list)
    for outcome in run_all(jobs(data, out, profile, others)):
        outcomes[outcome.part, outcome.detector].append(outcome)
    groupings = list(group_logs(data, out))
    manifest = manifest_of(profile, [one for some in outcomes.values() for one in some])
    write_manifest(out, manifest)
    measures = []
    for part in Part:
        labels = read_labels(data, part)
        for (place, detector), some in sorted(outcomes.items(), key=lambda item: item[0][1] != SHIPPED):
            if place is part:
                measures += measure(part, detector, told(some, labels))
    return manifest, measures + of_logs(groupings)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the labelled data, laid out as folders.py says")
    parser.add_argument("--out", type=Path, required=True, help="where to write scores, alarms and manifest.json")
    parser.add_argument("--profile", choices=sorted(PROFILES), default="full")
    parser.add_argument("--no-baselines", action="store_true", help="the shipped detection alone")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    asked = parser.parse_args()
    if not asked.data.is_dir():
        parser.error(f"--data {asked.data} is no folder")
    started = time.monotonic()
    manifest, measures = evaluate(asked.data, asked.out, asked.profile, () if asked.no_baselines else BASELINES)
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH_LEAST)
    console.print(table_of(measures, asked.profile))
    for kind, one in manifest.speed.items():
        console.print(
            f"{kind}: {one.cpu_seconds_per_sample * 1e6:.2f} µs CPU a sample, {one.bytes_per_series} bytes a series, "
            f"{one.samples} samples, threshold {manifest.threshold:g}"
        )
    console.print(f"{time.monotonic() - started:.0f} s")
    if asked.json:
        asked.json.write_bytes(msgspec.json.format(msgspec.json.encode(measures)))


if __name__ == "__main__":
    main()
