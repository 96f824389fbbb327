"""Numbers of any size: no model overflows, and a change is seen at every size."""

import itertools
import math

import msgspec
import pytest

from detectors.magnitude import LARGEST, folded, unfolded
from detectors.settings import DetectorSettings, Watch
from detectors.shard import Shard
from detectors.signals import HostState, Signal, SignalKind
from detectors.table import DETECTORS
from tests.detectors.streams import metric, seeded

SIZES = [0.0, 5e-324, 1e-300, 1.0, 1e15, 1e26, 1e27, 1.0000001e27, 1e28, 1e30, 1e100, 1e300, LARGEST]


def test_larger_numbers_stay_larger_and_finite() -> None:
    """In order, with their sign, and back to what they were."""
    models = [folded(size) for size in SIZES]
    assert models == sorted(set(models))
    assert all(math.isfinite(model * model) for model in models)
    assert [folded(-size) for size in SIZES] == [-model for model in models]
    for size in SIZES:
        assert unfolded(folded(size)) == pytest.approx(size, rel=1e-9)
    assert folded(math.inf) == folded(LARGEST)


def run(level: float, *, is_counter: bool = False) -> list[Signal]:
    """A host of one series for some hours, whose level or growth then is five times as high."""
    shard = Shard(0, DetectorSettings())
    rng, total = seeded(5), level * 400.0
    signals = []
    for row in range(600):
        value = level * (1.0 + 0.02 * rng.random()) * (5.0 if row >= 500 else 1.0)
        total += value
        sample = metric("h", row, {"x": total if is_counter else value}, seconds=30.0)
        signals += shard.apply([(row, sample)])
    assert shard.roster(0.0)[0].state is not HostState.YOUNG
    return [one for one in signals if one.kind is SignalKind.ANOMALY]


LEVELS = {"nanoseconds": 1.7e18, "no limit": 1.8e19, "beyond 32 bits": 1e39, "a googol": 1e100, "nearly all": 3e307}


@pytest.mark.parametrize("level", LEVELS.values(), ids=LEVELS.keys())
def test_a_jump_is_seen_at_any_size(level: float) -> None:
    """And told in the series' own unit."""
    raised = run(level)
    assert raised
    (seen,) = raised[0].evidence.series[:1]
    assert seen.observed == pytest.approx(5.0 * level, rel=0.05)
    assert seen.expected == pytest.approx(level, rel=0.05)


def test_a_counter_far_over_a_billiard_is_read_as_its_growth() -> None:
    """Bytes or nanoseconds that were counted for years."""
    raised = run(4e14, is_counter=True)
    assert raised
    (seen,) = raised[0].evidence.series[:1]
    assert (seen.per_second, seen.observed) == (True, pytest.approx(5.0 * 4e14 / 30.0, rel=0.05))


EXTREMES = [LARGEST, -LARGEST, 0.0, 1e300, 5e-324, -1e-300, 1e154, -1e155, 1.0]


def test_no_model_overflows() -> None:
    """Whatever comes after whatever, with all detectors: states and signals hold nothing but finite numbers."""
    shard = Shard(0, DetectorSettings(warmup_rows=3, watch=(Watch(detectors=tuple(DETECTORS)),)))
    rng = seeded(9)
    for row, (one, other) in enumerate(itertools.chain(itertools.product(EXTREMES, repeat=2), [(1.0, 1.0)] * 30)):
        names = {f"s{number}": rng.choice([one, other, one * rng.random()]) for number in range(9)}
        for signal in shard.apply([(row, metric("h", row, names, seconds=7.0))]):
            assert signal == msgspec.json.decode(msgspec.json.encode(signal), type=Signal)
    again = Shard(0, shard.settings)
    again.load_row(shard.row_state(0))
    assert again.row_state(0) == shard.row_state(0)
    for status in shard.roster(0.0):
        assert math.isfinite(status.score)
    judged = numbers_of(shard)
    assert len(judged) == 9 * len(DETECTORS)
    for name, numbers in judged.items():
        assert all(map(math.isfinite, numbers)), name


def numbers_of(shard: Shard) -> dict[str, list[float]]:
    """All numbers of the named detectors of a host."""
    judge = msgspec.msgpack.decode(msgspec.msgpack.decode(shard.row_state(0))[14][0]["detectors"])
    return {f"{name} {part[0]}": [*part[1], *part[2]] for name, parts in judge[0].items() for part in parts}
