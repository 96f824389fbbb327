"""docs/wire-formats.md says exactly what the code does."""

import re
from enum import Enum
from pathlib import Path

import pytest

import stream.wire
from detectors.signals import SignalKind
from stream.damage import DamageReason
from stream.settings import DetectSettings
from stream.wire import FORMATS, DropReason, Reason, WireLimits
from stream.wire.json_logs import HOSTS, TIMES
from stream.wire.telegraf import HOST_TAGS

PAGE = Path(__file__).parents[3] / "docs" / "wire-formats.md"


def section(title: str) -> str:
    """The text under one heading."""
    return PAGE.read_text(encoding="utf-8").split(f"\n## {title}\n")[1].split("\n## ")[0]


def first_column(title: str) -> list[str]:
    """The names in the first column of the table under a heading."""
    return re.findall(r"^\| `([^`]+)`", section(title), re.MULTILINE)


def names_of(members: type[Enum]) -> list[str]:
    """The wire names of an enum, in its order."""
    return [str(member.value) for member in members]


TABLES = {
    "Formats": sorted(FORMATS),
    "What can not be read from Kafka": sorted(names_of(DamageReason)),
    "Why a record is refused": sorted(names_of(Reason)),
    "Why a value is left out": sorted(names_of(DropReason)),
    "What Tidegate writes": sorted(names_of(SignalKind)),
}


@pytest.mark.parametrize(("title", "expected"), TABLES.items())
def test_tables_list_exactly_what_exists(title: str, expected: list[str]) -> None:
    """Each format and reason has its row, and no row is left of one that went."""
    assert expected == sorted(first_column(title))


@pytest.mark.parametrize("names", [HOST_TAGS, HOSTS, TIMES])
def test_fields_are_listed_in_order(names: tuple[str, ...]) -> None:
    """The order in which names are looked for is the one on the page."""
    words = re.findall(r"`([^`]+)`", section("Whose reading it is") + section("When it was taken"))
    assert any(list(names) == words[start : start + len(names)] for start in range(len(words)))


def test_limits_are_on_the_page() -> None:
    """The numbers on the page are the defaults in the code."""
    limits = WireLimits()
    page = section("Why a record is refused") + section("Why a value is left out") + section("Logs")
    numbers = {float(number) for number in re.findall(r"\b\d+(?:e\d+)?\b", page)}
    expected = {float(getattr(limits, name)) for name in limits.__struct_fields__}
    assert expected <= numbers


def test_settings_have_the_same_defaults() -> None:
    """An operator who sets nothing gets what the page says."""
    settings, limits = DetectSettings(), WireLimits()
    for name in ("record_bytes_maximum", "past_maximum_seconds", "future_maximum_seconds"):
        assert getattr(limits, name) == getattr(settings, name)


def test_public_names_are_exactly_those_listed() -> None:
    """What other packages may use is said in one place."""
    submodules = {path.stem for path in Path(stream.wire.__file__).parent.glob("*.py")}
    public = {name for name in vars(stream.wire) if not name.startswith("_")} - submodules
    assert public == set(stream.wire.__all__)
