"""docs/runner.md says what is true: limits and their defaults, statuses, and what proves a promise."""

import re
from pathlib import Path

import msgspec
import pytest

from remediations.runner import Kept, RunLimits, RunnerSettings
from remediations.runs import RunStatus

ROOT = Path(__file__).resolve().parents[2]
SECTIONS = re.split(r"^## ", (ROOT / "docs" / "runner.md").read_text(), flags=re.MULTILINE)
ONE_OF_RUNNER_SETTINGS = "free_bytes_minimum"


def rows(title: str) -> list[list[str]]:
    """Cells of the table in the section of this title, its head left out."""
    (section,) = (text for text in SECTIONS if text.startswith(f"{title}\n"))
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines[1:]]


def test_limits_and_defaults() -> None:
    """Each limit of the code is in the table, with its default and in the code's order, and no other is."""
    fields = {field.name: field.default for struct in (RunLimits, Kept) for field in msgspec.structs.fields(struct)}
    free = next(one for one in msgspec.structs.fields(RunnerSettings) if one.name == ONE_OF_RUNNER_SETTINGS)
    told = {name: float(default) for name, default, _ in rows("Limits")}
    assert fields | {free.name: free.default} == told


def test_statuses() -> None:
    """Each way in which a run can end is explained, and no other is."""
    assert [status.value for status in RunStatus] == [status for status, _ in rows("How a run can end")]


@pytest.mark.parametrize("row", rows("What holds a run"), ids=lambda row: row[0])
def test_promises_have_tests(row: list[str]) -> None:
    """Each promise names files of tests that are there."""
    files = re.findall(r"\]\(\.\./(tests/[^)]+)\)", row[2])
    assert files
    assert [] == [file for file in files if not (ROOT / file).is_file()]
