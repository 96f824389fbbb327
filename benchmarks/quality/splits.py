"""`python -m benchmarks.quality.splits --data FOLDER`: how much of a figure is owed to having chosen on these files.

The recipe that is best on one half of the NAB files is looked at on the other half, for many random halves. What it
loses there is what choosing among these recipes flatters; the shipped one is looked at on the very same halves.
"""

import argparse
import itertools
import multiprocessing
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table as Printed

from benchmarks.quality import nab, shipped
from benchmarks.quality.episodes import episodes
from benchmarks.quality.folders import Floats, Labels, Part, files, read_labels, read_table
from benchmarks.quality.jobs import PROCESSES
from benchmarks.quality.measures import ALARM
from detectors.settings import DetectorSettings, ProfileName

THRESHOLDS: Final = (0.7, 0.85, 1.0, 1.15, 1.3, 1.5)
PROFILES: Final[tuple[ProfileName, ...]] = ("full", "lean")
PAUSES: Final = (900.0, 3600.0, 14_400.0)
SPLITS: Final = 1000
WIDTH: Final = 100


class Recipe(msgspec.Struct, frozen=True):
    """What could have been shipped."""

    threshold: float = DetectorSettings().threshold
    profile: ProfileName = "full"
    pause_seconds: float = DetectorSettings().pause_maximum_seconds

    def settings(self) -> DetectorSettings:
        """As the detection takes it."""
        return msgspec.structs.replace(
            shipped.settings_of(self.profile), threshold=self.threshold, pause_maximum_seconds=self.pause_seconds
        )

    def __str__(self) -> str:
        """As the table names it."""
        return f"{self.profile}, threshold {self.threshold:g}, pause {self.pause_seconds:g} s"


SHIPPED: Final = Recipe()
RECIPES: Final = tuple(itertools.starmap(Recipe, itertools.product(THRESHOLDS, PROFILES, PAUSES)))


class Work(msgspec.Struct, frozen=True):
    """One file for all recipes."""

    path: Path
    labels: Labels


class Split(msgspec.Struct, frozen=True):
    """One pair of halves: the recipe that was best on the one, its score there and on the other, and the shipped one's
    on the other.
    """

    best: Recipe
    there: float
    elsewhere: float
    shipped: float


def curves(work: Work) -> list[nab.Curve]:
    """The file's part of the NAB score, by recipe."""
    table = read_table(work.path)
    marks = episodes(table.seconds, work.labels)
    return [nab.curve(marks, shipped.watch(table, recipe.settings()).alarms, ALARM) for recipe in RECIPES]


def score(of_files: Sequence[list[nab.Curve]]) -> Floats:
    """NAB standard of some files together, by recipe."""
    return np.array([float(nab.score(some, nab.STANDARD)[0]) for some in zip(*of_files, strict=True)])


def split(of_files: Sequence[list[nab.Curve]], order: Sequence[int]) -> Split:
    """Choose on the first half of the files in this order, look at the second."""
    middle = len(order) // 2
    here, there = (score([of_files[place] for place in some]) for some in (order[:middle], order[middle:]))
    best = int(np.argmax(here))
    return Split(RECIPES[best], here[best], there[best], there[RECIPES.index(SHIPPED)])


def splits(of_files: Sequence[list[nab.Curve]], count: int = SPLITS, seed: int = 0) -> list[Split]:
    """Random halves."""
    generator = np.random.default_rng(seed)
    return [split(of_files, generator.permutation(len(of_files)).tolist()) for _ in range(count)]


def table_of(found: Sequence[Split]) -> Printed:
    """For a terminal: the middle, and the standard deviation."""
    printed = Printed(title=f"NAB standard, {len(found)} random halves of the files, {len(RECIPES)} recipes")
    printed.add_column("what")
    printed.add_column("points", justify="right")
    rows = {
        "best recipe of one half, there": [one.there for one in found],
        "the same recipe on the other half": [one.elsewhere for one in found],
        "lost by having chosen": [one.there - one.elsewhere for one in found],
        f"shipped ({SHIPPED}) on the other half": [one.shipped for one in found],
        "best of one half less shipped, on the other": [one.elsewhere - one.shipped for one in found],
    }
    for name, points in rows.items():
        printed.add_row(name, f"{np.mean(points):.1f} ± {np.std(points):.1f}")
    for recipe, times in Counter(one.best for one in found).most_common(5):
        printed.add_row(f"chosen: {recipe}", f"{100 * times / len(found):.0f} %")
    return printed


def main() -> None:
    """Run all recipes, choose, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the labelled data, laid out as folders.py says")
    asked = parser.parse_args()
    labels = read_labels(asked.data, Part.NAB)
    work = [Work(path, labels[key]) for key, path in files(asked.data, Part.NAB) if key in labels]
    if len(work) < 2:
        parser.error(f"--data {asked.data} has {len(work)} labelled files in nab/, wanted 2 or more")
    with ProcessPoolExecutor(PROCESSES, multiprocessing.get_context("spawn")) as pool:
        of_files = list(track(pool.map(curves, work), total=len(work), description="files"))
    Console(width=WIDTH).print(table_of(splits(of_files)))


if __name__ == "__main__":
    main()
