"""Numbers, times and reasons as an operator reads them."""

import re
from pathlib import Path

import pytest

import remediations
from console.sentences import REASONS, ago, number, span, utc
from tests.console.stories import T0

SPANS = {0.0: "0s", 59.4: "59s", 60.0: "1m", 250.0: "4m 10s", 3600.0: "1h", 90_061.0: "1d 1h", -5.0: "5s"}


@pytest.mark.parametrize(("seconds", "expected"), SPANS.items())
def test_spans_have_two_units(seconds: float, expected: str) -> None:
    """Enough to judge by, no more."""
    assert expected == span(seconds)


TIMES = {T0: "2026-11-21 02:20:00Z", 0.0: "-", -1.0: "-", 1e300: "1e+300", float("inf"): "inf", float("nan"): "-"}


@pytest.mark.parametrize(("time", "expected"), TIMES.items())
def test_times_are_utc(time: float, expected: str) -> None:
    """A time that is none does not stop the answer."""
    assert expected == utc(time)


AGES = {T0 - 250.0: "4m 10s ago", T0 + 60.0: "in 1m", T0: "0s ago", 0.0: "-", float("nan"): "-"}


@pytest.mark.parametrize(("time", "expected"), AGES.items())
def test_ages_are_seen_from_now(time: float, expected: str) -> None:
    """The past and the future are told apart."""
    assert expected == ago(time, T0)


NUMBERS = {0.0: "0", 0.000123: "0.000123", 98.25: "98.2", 1234567.0: "1,234,567", -4096.0: "-4,096", 1e15: "1e+15"}


@pytest.mark.parametrize(("value", "expected"), NUMBERS.items())
def test_numbers_are_short(value: float, expected: str) -> None:
    """Three digits, or whole thousands."""
    assert expected == number(value)


def reasons_in(module: str, call: str) -> set[str]:
    """The literal reasons that a module of remediations gives."""
    source = (Path(remediations.__file__).parent / module).read_text(encoding="utf-8")
    return set(re.findall(call, source))


def test_every_reason_has_words() -> None:
    """Nobody is left alone with a code at 3 am: a gate or a fold rule that is added needs a sentence here."""
    given = reasons_in("gates.py", r'_deny\(\s*"\w+", "(\w+)"') | reasons_in("ledger.py", r'_ignore\("(\w+)"\)')
    given |= reasons_in("decisions.py", r'reason="(\w+)"')
    assert len(given) > 20
    assert set() == given - set(REASONS)
