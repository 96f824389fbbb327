"""Old runs go, unfinished and recent ones stay."""

import math
import os
from pathlib import Path

import pytest

from remediations import runner
from remediations.runner.retention import StoredRun, stored

DAY = 86_400.0
NOW = 100 * DAY

CASES: dict[str, tuple[runner.Kept, tuple[str, ...], tuple[str, ...]]] = {
    "all within": (runner.Kept(10 * DAY, 1_000_000), (), ()),
    "too old": (runner.Kept(2.5 * DAY, 1_000_000), (), ("d", "c")),
    "too old but unfinished": (runner.Kept(2.5 * DAY, 1_000_000), ("d",), ("c",)),
    "too large, oldest first": (runner.Kept(10 * DAY, 35_000), (), ("d",)),
    "nothing is kept": (runner.Kept(0.0, 0), (), ("d", "c", "b", "a")),
}


@pytest.mark.parametrize("case", CASES)
def test_retention(case: str, tmp_path: Path) -> None:
    """Runs a..d are 1 to 4 days old, each a little over 10 kB with its folders."""
    kept, unfinished, removed = CASES[case]
    for age, name in enumerate("abcd", start=1):
        folder = tmp_path / name / "restart-1"
        folder.mkdir(parents=True)
        (folder / "stdout").write_bytes(b"x" * 2_000)
        for path in (folder / "stdout", folder, folder.parent):
            os.utime(path, (NOW - age * DAY, NOW - age * DAY))
    assert removed == runner.remove_old_runs(tmp_path, kept, NOW, unfinished)
    assert set("abcd") - set(removed) == {path.name for path in tmp_path.iterdir()}


def test_what_can_not_be_removed_stays(tmp_path: Path) -> None:
    """It costs no newer run its place, and is not said to be removed."""
    folder = tmp_path / "runs"
    folder.mkdir()
    (tmp_path / "elsewhere").mkdir()
    (folder / "a").symlink_to(tmp_path / "elsewhere")  # no folder of ours, so nothing that is removed
    (folder / "b").mkdir()
    assert ("b",) == runner.remove_old_runs(folder, runner.Kept(0.0, 0), NOW * 1e6)
    assert (folder / "a").is_symlink()


def test_what_others_remove_meanwhile(tmp_path: Path) -> None:
    """A run whose files go away while it is looked at is no error, and is neither old nor large."""
    assert stored(tmp_path / "gone") == StoredRun(str(tmp_path / "gone"), math.inf, 0)
