"""What a host with many metrics promises."""

import numpy as np
import pytest

from detectors.errors import RowError
from detectors.vitals.alarm import Turn
from detectors.vitals.block import CAPACITY_MAXIMUM, Block
from detectors.vitals.host import BLOCKS_MAXIMUM, VARYING_LEAST, HostVitals
from detectors.vitals.layout import HIGH, LOW, MEAN, NOVEL, QUANTILE, SEEN, TAILS_START
from tests.detectors.vitals.hosts import clock, healthy

ROWS = 2500


def named(values: np.ndarray) -> dict[str, float]:
    """A row by name."""
    return {f"m{i}": float(value) for i, value in enumerate(values)}


def fed(values: np.ndarray, times: np.ndarray | None = None) -> tuple[HostVitals, list[float]]:
    """A host fed with rows, and its scores."""
    host, scores = HostVitals(), []
    for time, row in zip(clock(len(values)) if times is None else times, values, strict=True):
        scores.append(host.step(float(time), named(row)).anomaly)
    return host, scores


def test_names_the_metric_to_blame() -> None:
    """One metric leaves the others: an alarm that blames it, with what was expected in its own unit."""
    values = healthy(ROWS)
    values[-3:, 5] += 12.0
    host, scores = fed(values[:-1])
    reading = host.step(float(clock(ROWS)[-1]), named(values[-1]))
    first = host.evidence()[0]
    assert max(scores[-2:]) >= 1.0
    assert reading.votes["relations"] > reading.votes["movement"]
    assert first.series == "m5"
    assert first.observed == values[-1, 5]
    assert first.expected == pytest.approx(values[:-3, 5].mean(), abs=6.0)
    assert first.low < first.expected < first.high < first.observed
    assert first.score > 3.0


def test_broken_relation_is_seen() -> None:
    """One metric goes against those it always goes with, each within its own range: worse than all going together."""
    rng = np.random.default_rng(5)
    values = rng.normal(0.0, 1.0, (ROWS, 1)) + rng.normal(0.0, 0.05, (ROWS, 8))
    votes = []
    for signs in (np.ones(8), np.where(np.arange(8) == 2, -1.0, 1.0)):
        values[-1] = 2.5 * signs
        host, _ = fed(values[:-1])
        votes.append(host.step(float(clock(ROWS)[-1]), named(values[-1])).votes["relations"])
    assert votes[1] > max(1.0, 1.5 * votes[0])
    assert host.evidence()[0].series == "m2"


@pytest.mark.parametrize(
    ("usual", "now", "alarms"),
    [
        pytest.param((6.0, 4.0), (7.0, 4.0), False, id="one more"),
        pytest.param((6.0, 4.0), (6.0, 3.0), False, id="one less"),
        pytest.param((1.0, 4.0), (0.0, 4.0), True, id="the only one gone"),
        pytest.param((6.0, 4.0), (30.0, 40.0), True, id="many more"),
        pytest.param((6.5, 4.5), (7.5, 4.5), True, id="no count"),
    ],
)
def test_a_count_varies_by_its_root(usual: tuple[float, float], now: tuple[float, float], alarms: bool) -> None:  # noqa: FBT001 - a table
    """What was never anything but a few may be one more or less; what was no whole number may not."""
    values = np.hstack([healthy(ROWS), np.tile(usual, (ROWS, 1))])
    values[-10:, -2:] = now
    _, scores = fed(values)
    assert (max(scores[-10:]) >= 1.0) is alarms


def test_whole_host_movement_is_seen() -> None:
    """All metrics at once far out in their usual direction: the movement vote is an alarm."""
    values = healthy(ROWS)
    values[-1] += 25.0 * np.sign(values[-2] - 50.0)
    host, _ = fed(values[:-1])
    reading = host.step(float(clock(ROWS)[-1]), named(values[-1]))
    assert reading.votes["movement"] > 1.0


def test_scale_offset_and_sign_change_nothing() -> None:
    """Every metric scaled, shifted and flipped at will gives the same scores."""
    values = healthy(800)
    rng = np.random.default_rng(2)
    scales = 10.0 ** rng.uniform(-40.0, 40.0, 8) * rng.choice([-1.0, 1.0], 8)
    plain, disguised = Block(8).apply(clock(800), values), Block(8).apply(clock(800), scales * (values - 7.0))
    np.testing.assert_allclose(plain.anomalies, disguised.anomalies, rtol=1e-3)


@pytest.mark.parametrize("interval", [1.0, 10.0, 60.0, 300.0])
def test_healthy_host_is_quiet_at_every_pace(interval: float) -> None:
    """One threshold: in two thousand rows an ordinary host that is no longer young raises at most two alarms."""
    rows = Block(12).apply(clock(2600, interval), healthy(2600, 12))
    loud = rows.anomalies[600:] >= 1.0
    assert int((np.diff(loud.astype(int)) == 1).sum()) <= 2


def test_learns_the_pace_as_it_goes() -> None:
    """The usual interval is learned from the rows so far, and neither jitter nor one long gap moves it much."""
    times = clock(1000, 30.0) + np.random.default_rng(3).uniform(-5.0, 5.0, 1000)
    times[600:] += 86_400.0
    block = Block(8)
    block.apply(times, healthy(1000))
    assert block.interval_seconds() == pytest.approx(30.0, rel=0.1)


@pytest.mark.parametrize("gap", [3600.0, 86_400.0 * 3])
def test_gap_and_restart_raise_nothing(gap: float) -> None:
    """A host that was away and comes back elsewhere in its usual range does not alarm by itself."""
    values, times = healthy(ROWS), clock(ROWS)
    times[-100:] += gap
    _, scores = fed(values, times)
    assert max(scores[-100:]) < 1.0


def test_metrics_come_and_go_quietly() -> None:
    """Metrics that stop, come back, or come in late raise nothing by themselves."""
    values = healthy(ROWS, 10)
    values[1500:2000, :4] = np.nan
    values[:1000, 8:] = np.nan
    _, scores = fed(values)
    assert max(scores[1000:]) < 1.2
    assert sum(score >= 1.0 for score in scores[1000:]) <= 2


def test_new_metric_grows_the_block() -> None:
    """A new name widens the state without touching what is known: the old metrics' numbers stay."""
    block = Block(8)
    block.apply(clock(500), healthy(500))
    before = block.parts.grid[:, :8].copy()[:30]
    block.grow(9)
    assert block.metrics == 9
    np.testing.assert_array_equal(before, block.parts.grid[:30, :8])
    more = np.column_stack([healthy(500), np.full(500, np.nan)])
    twin = Block(8)
    twin.apply(clock(500), healthy(500))
    expected = twin.apply(clock(500) + 1e6, healthy(500))
    actual = block.apply(clock(500) + 1e6, more)
    np.testing.assert_allclose(expected.anomalies, actual.anomalies, rtol=1e-4)


def test_many_metrics_make_several_blocks() -> None:
    """More than 64 metrics fill further blocks, and what is wrong in the second one is found."""
    values = healthy(500, 100)
    values[-1, 90] += 60.0
    host, _ = fed(values)
    assert [64, 36] == [block.metrics for block in host.blocks]
    assert host.evidence()[0].series == "m90"


def test_metrics_are_bounded() -> None:
    """A flood of names ends at eight blocks; a metric unseen for a day gives its place to a new one."""
    host, most = HostVitals(), BLOCKS_MAXIMUM * CAPACITY_MAXIMUM
    for row in range(3):
        host.step(60.0 * row, {f"m{i}": float(i) for i in range(most + 200)})
    assert most == len(host.names)
    names = {f"m{i}": 1.0 for i in range(1, most)}
    for row in range(3, 2000):
        host.step(60.0 * row, dict(list(names.items())[:3] if row % 50 else names))
    host.step(60.0 * 2000, {"late": 1.0, **names})
    assert "late" in host.names
    assert "m0" not in host.names
    assert most == len(host.names)


def test_says_how_many_metrics_vary() -> None:
    """Constants do not vary: a host of five real metrics is left to the detector of single series."""
    values = healthy(400)
    values[:, 5:] = 3.0
    host, _ = fed(values)
    assert host.varying() == 5 < VARYING_LEAST


def test_counts_are_the_same_however_one_asks() -> None:
    """What the kernel counted with the last row is what a restored host counts anew, also after a metric has left."""
    values = healthy(400)
    values[:, 5:] = 3.0
    values[:250, 1] = np.nan
    for rows, known in ((1, (0, False)), (2, (4, False)), (299, (5, False)), (400, (5, True))):
        host, _ = fed(values[:rows])
        twin = HostVitals.from_bytes(host.to_bytes())
        assert known == (host.varying(), host.mature())
        assert known == (twin.varying(), twin.mature())
    host.blocks[0].vacate(0)
    assert host.varying() == 4
    host.reset()
    assert (0, False) == (host.varying(), host.mature())


def test_declared_full_scale_keeps_trifles_quiet() -> None:
    """Of a metric in percent, a change by a tenth of a percent is nothing, however quiet it was before."""
    values = 0.01 * healthy(ROWS)
    values[-2:] += 0.1
    host = HostVitals()
    for i in range(8):
        host.declare(f"m{i}", 100.0)
    for time, row in zip(clock(ROWS), values, strict=True):
        declared = host.step(float(time), named(row)).anomaly
    assert max(fed(values)[1][-2:]) > 1.0 > declared


def test_paused_learning_learns_nothing() -> None:
    """While learning is paused an incident is scored, and leaves nothing behind but the last values."""
    values, times = healthy(ROWS), clock(ROWS)
    values[2000:2100] += 30.0
    learns = np.ones(ROWS, np.bool_)
    learns[2000:2100] = False
    block, ignorant = Block(8), Block(8)
    block.apply(times[:2000], values[:2000])
    learned = [block.parts.grid[row].copy() for row in (SEEN, MEAN, LOW, HIGH, TAILS_START + QUANTILE, NOVEL)]
    assert block.apply(times[2000:2100], values[2000:2100], learns[2000:2100]).anomalies.max() > 1.0
    for row, before in zip((SEEN, MEAN, LOW, HIGH, TAILS_START + QUANTILE, NOVEL), learned, strict=True):
        np.testing.assert_array_equal(before, block.parts.grid[row])
    ignorant.apply(times[:2100], values[:2100])
    after = block.apply(times[2200:], values[2200:]).anomalies
    assert after.max() < 1.2
    assert np.abs(ignorant.parts.grid[MEAN] - block.parts.grid[MEAN]).min() > 0.0


def test_reset_makes_it_young() -> None:
    """After a reset the host is young, keeps its names, and behaves as a new one."""
    host, scores = fed(healthy(600))
    assert host.mature()
    host.reset()
    assert not host.mature()
    assert scores == [
        host.step(float(time), named(row)).anomaly for time, row in zip(clock(600), healthy(600), strict=True)
    ]


def test_saved_and_restored_is_the_same() -> None:
    """A restored host goes on to the last bit, through alarms, gaps and new metrics."""
    values = healthy(1500, 70)
    values[:200, 60:] = np.nan
    values[1100:1103] += 20.0
    host, _ = fed(values[:1000])
    twin = HostVitals.from_bytes(host.to_bytes())
    assert host.to_bytes() == twin.to_bytes()
    turns = []
    for time, row in zip(clock(1500)[1000:], values[1000:], strict=True):
        expected, actual = host.step(float(time), named(row)), twin.step(float(time), named(row))
        assert expected == actual
        assert host.evidence() == twin.evidence()
        turns.append(actual.turn)
    assert Turn.RAISED in turns
    assert host.to_bytes() == twin.to_bytes()


@pytest.mark.parametrize("damage", [b"", b"nonsense", HostVitals(["a", "b"]).to_bytes()[:-3]])
def test_damaged_state_is_refused(damage: bytes) -> None:
    """Bytes that are no host's are refused by name, never half read."""
    with pytest.raises(RowError):
        HostVitals.from_bytes(damage)


def test_a_metric_takes_some_hundred_bytes() -> None:
    """38 metrics take at most 650 bytes each, 64 at most 860: a covariance grows with the square."""
    assert Block(38).words.nbytes / 38 <= 650
    assert Block(64).words.nbytes / 64 <= 860
