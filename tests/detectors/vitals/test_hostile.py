"""Whatever comes in: bounded scores, finite state."""

import math
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.errors import RowError
from detectors.vitals.alarm import Turn
from detectors.vitals.block import Block
from detectors.vitals.combination import SCORE_MAXIMUM
from detectors.vitals.host import HostVitals
from detectors.vitals.layout import ABSENT, EVERY, FIRST, RING, RING_START, SEEN, SQUARES
from tests.detectors.vitals.hosts import clock, healthy

NASTY = [0.0, -0.0, 1.0, 5e-324, 1e-300, 1e300, -1.7e308, 2.0**53 + 2, -(2.0**63), math.nan, math.inf, -math.inf]
WORDS = [struct.pack("<d", value) for value in NASTY] + [struct.pack("<ff", value, value) for value in (3e38, -3e38)]


def check(block: Block) -> None:
    """All of the state that is in use is finite; only a metric never seen has no first value, and the ring may."""
    head, origin, grid = block.parts
    assert np.isfinite(head).all()
    assert np.isfinite(origin[FIRST + 1 :]).all()
    assert np.isfinite(np.delete(grid, slice(RING_START, RING_START + RING), axis=0)).all()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(), st.lists(st.sampled_from(NASTY) | st.floats(), min_size=4, max_size=4)), max_size=40
    ),
    st.booleans(),
)
def test_nothing_breaks_the_state(rows: list[tuple[float, list[float]]], learns: bool) -> None:  # noqa: FBT001 drawn
    """Any times and any values, before and after a healthy past."""
    block = Block(4)
    block.apply(clock(400), healthy(400, 4))
    times, values = np.array([time for time, _ in rows]), np.array([row for _, row in rows]).reshape(-1, 4)
    told = block.apply(times, values, np.full(len(rows), learns))
    after = block.apply(clock(100) + 1e6, healthy(100, 4))
    for scores in (told.scores, told.anomalies, after.scores, after.anomalies):
        assert ((scores >= 0.0) & (scores <= SCORE_MAXIMUM)).all()
    assert np.isfinite(told.blames).all()
    check(block)


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("constant", lambda n: np.full((n, 6), 4.2)),
        ("two values", lambda n: np.arange(6 * n).reshape(n, 6) % 7 % 2 * 1.0),
        ("beyond 2^53", lambda n: 2.0**60 + 4096.0 * healthy(n, 6).round()),
        ("huge", lambda n: 1e300 * healthy(n, 6)),
        ("tiny", lambda n: 1e-300 * healthy(n, 6)),
        ("alternating ends", lambda n: np.where(np.arange(6 * n).reshape(n, 6) % 2, 1.7e308, -1.7e308)),
    ],
)
def test_odd_series_raise_nothing(name: str, make: object) -> None:
    """Constant, two-valued, very large and very small metrics are ordinary, each in its own way."""
    assert callable(make)
    block = Block(6)
    rows = block.apply(clock(1500), make(1500))
    check(block)
    assert (rows.anomalies[600:] >= 1.0).sum() <= 2, name


def test_one_glitch_does_not_blind_a_metric() -> None:
    """A single reading a billion times too large does not hide what comes a day later."""
    values = healthy(4000)
    values[-3:, 3] += 30.0
    unspoilt = Block(8).apply(clock(4000), values).anomalies
    values[1500, 3] = 1e12
    spoilt = Block(8).apply(clock(4000), values).anomalies
    assert spoilt[1500] > 1.2 * unspoilt[1500]
    assert spoilt[1520:1600].max() < 1.0
    assert spoilt[-3:].max() > 0.8 * unspoilt[-3:].max() > 0.8


OVERSIZE = {
    "a first value": (0, 1, 1e20),
    "the largest double at first": (0, 1, 1.7e308),
    "the first rows": (0, 12, 2.0**64),
    "a limit that was unlimited for hours": (0, 300, 2.0**63),
    "the second row": (1, 2, 1e20),
}


@pytest.mark.parametrize(("begin", "end", "size"), OVERSIZE.values(), ids=OVERSIZE.keys())
def test_a_metric_that_began_far_too_large_is_not_blind(begin: int, end: int, size: float) -> None:
    """What beside its first values looked like nothing is told apart once those are left behind."""
    values = healthy(4000)
    values[-3:, 3] += 30.0
    unspoilt = Block(8).apply(clock(4000), values).anomalies
    values[begin:end, 3] = size
    block = Block(8)
    spoilt = block.apply(clock(4000), values).anomalies
    assert spoilt[-3:].max() > 0.8 * unspoilt[-3:].max() > 0.8
    assert spoilt[1500:-3].max() < 1.5
    check(block)


def test_times_that_stand_still_or_run_back() -> None:
    """Equal and falling times are no time: scores stay bounded, the pace stays."""
    times = clock(900)
    times[600:700] = times[600]
    times[700:] -= 30_000.0
    block = Block(8)
    rows = block.apply(times, healthy(900))
    assert block.interval_seconds() == pytest.approx(60.0, rel=0.01)
    assert rows.anomalies[400:].max() < 1.5
    check(block)


def test_an_empty_row_says_nothing() -> None:
    """No value, or none that is a number: nothing happens, nobody is to blame."""
    host = HostVitals()
    for i, (time, row) in enumerate(zip(clock(400), healthy(400), strict=True)):
        host.step(float(time), {f"m{j}": float(value) for j, value in enumerate(row)})
        if i == 399:
            before = host.to_bytes()
    assert host.step(1.8e9, {}).turn is Turn.NONE
    assert host.step(math.nan, {"m0": 1.0}).turn is Turn.NONE
    assert host.step(1.8e9, {"m0": math.nan}).anomaly == 0.0
    assert host.evidence() == ()
    assert before == host.to_bytes()


def test_more_metrics_than_a_block_has_are_refused() -> None:
    """Nothing is written outside the block."""
    for values in (healthy(5, 7), healthy(4, 6), healthy(5, 6).ravel()):
        with pytest.raises(ValueError, match="wanted 5 rows of at most 6 metrics"):
            Block(6).apply(clock(5), values)


@pytest.mark.parametrize("damage", [math.nan, math.inf, 3e38])
def test_relations_beyond_help_are_forgotten(damage: float) -> None:
    """A covariance that no host leaves behind has no inverse, however far it is shrunk: it is learned anew."""
    block = Block(4)
    block.apply(clock(400), healthy(400, 4))
    block.parts.grid[SQUARES : SQUARES + 4] = damage
    told = block.apply(clock(400) + 60.0 * 400, healthy(400, 4, seed=2))
    assert np.isfinite(told.anomalies[-200:]).all()
    assert np.isfinite(block.parts.grid[SQUARES:]).all()


@pytest.mark.parametrize("row", [SEEN, ABSENT, EVERY])
def test_negative_counts_are_damage(row: int) -> None:
    """A metric seen fewer than no times would learn with a negative weight, for ever more."""
    block = Block(4)
    block.parts.grid[row, 1] = -3.0
    with pytest.raises(RowError, match="damaged"):
        Block.from_bytes(block.to_bytes())


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_damaged_block_is_refused_or_harmless(data: st.DataObject) -> None:
    """Some bytes of a saved block are others now: it is refused, or goes on without a crash or an endless loop."""
    block = Block(4)
    block.apply(clock(400), healthy(400, 4))
    state = bytearray(block.to_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(state) - 8))
        state[start : start + 8] = data.draw(st.binary(min_size=8, max_size=8) | st.sampled_from(WORDS))
    try:
        block = Block.from_bytes(bytes(state))
    except RowError:
        return
    told = block.apply(clock(100) + 1e6, healthy(100, 4))
    assert (told.scores.shape, told.blames.shape) == ((100,), (100, 4))
