"""A clock that is off against a backlog: both come late, one of them by ever less."""

import random
from collections.abc import Callable

import pytest

from detectors.clock import Clock

BEGIN = 1_700_000_000.0

# Lateness by seconds since the beginning, seconds between readings, and what is known after five minutes.
CASES: dict[str, tuple[Callable[[float, random.Random], float], float, float]] = {
    "right": (lambda _s, r: r.uniform(0.1, 2.0), 1.0, 0.0),
    "slow, but right": (lambda _s, r: r.uniform(30.0, 58.0), 1.0, 0.0),
    "an hour behind": (lambda _s, r: 3600.0 + r.uniform(0.1, 2.0), 1.0, 3600.0),
    "an hour ahead": (lambda _s, r: -3600.0 + r.uniform(0.1, 2.0), 1.0, -3600.0),
    "two minutes ahead, every ten seconds": (lambda _s, r: -120.0 + r.uniform(0.0, 0.5), 10.0, -120.0),
    "behind, a reading a minute": (lambda _s, r: 900.0 + r.uniform(0.0, 1.0), 20.0, 900.0),
    "a backlog that is read fast": (lambda s, _r: max(7200.0 - 300.0 * s, 0.3), 0.05, 0.0),
    "a backlog that is read slowly": (lambda s, _r: 7200.0 - 2.0 * s, 1.0, 0.0),
    "a backlog that grows": (lambda s, _r: 100.0 + 0.8 * s, 1.0, 0.0),
    "a buffer that is emptied once a minute": (lambda s, _r: 70.0 + 60.0 - s % 60.0, 1.0, 0.0),
}


@pytest.mark.parametrize(("lateness", "every", "expected"), CASES.values(), ids=CASES.keys())
def test_only_a_constant_offset_is_known(
    lateness: Callable[[float, random.Random], float], every: float, expected: float
) -> None:
    """Within two seconds, whatever its size."""
    clock, rng = Clock(), random.Random(3)  # noqa: S311 - noise, no secret
    for number in range(int(300 / every)):
        second = number * every
        arrived = BEGIN + second
        clock.see(arrived - lateness(second, rng), arrived)
    assert clock.behind == pytest.approx(expected, abs=2.0)


def test_a_clock_that_is_set_right_is_forgotten_at_once() -> None:
    """And one that a backlog comes before is known again when that is read."""
    clock, told = Clock(), list[float]()
    for second in range(400):
        late = 3600.0 if second < 150 else 0.2 if second < 250 else 3600.0
        clock.see(BEGIN + second - late, BEGIN + second)
        told.append(clock.behind)
    assert (told[100], told[149], told[150], told[249], told[399]) == (3600.0, 3600.0, 0.0, 0.0, 3600.0)
    assert Clock(clock.state()).state() == clock.state()
