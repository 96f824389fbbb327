"""Whatever gets past the wire formats, a shard neither breaks nor tells anything but numbers."""

import math

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.samples import LogSample, MetricSample, Sample, Source
from detectors.settings import DetectorSettings
from detectors.shard import Shard
from detectors.signals import Notice

EXTREMES = [0.0, -0.0, 1.0, 5e-324, 1e-300, 2.0**53, 2.0**53 + 2.0, 1e15, -1e15, 1e300, -1e300, 1.7e308]
numbers = st.sampled_from(EXTREMES) | st.floats(allow_nan=True, allow_infinity=True)
times = st.sampled_from([0.0, 1e9, 1e9 + 0.5, 1e9 + 1e-7, 4e9]) | st.floats(0.0, 4e9)
levels = st.sampled_from(["info", "error", "no such level", ""])


@st.composite
def streams(draw: st.DrawFn) -> list[Sample]:
    """A few dozen samples of one host with values and times of every kind, some repeated many times."""
    samples: list[Sample] = []
    for _ in range(draw(st.integers(1, 12))):
        time = draw(times)
        values = draw(st.dictionaries(st.sampled_from("abcd"), numbers, min_size=1))
        for repeat in range(draw(st.sampled_from([1, 2, 9]))):
            source = Source("metrics", 0, len(samples))
            line = draw(st.booleans())
            at = time + 0.5 * repeat
            samples.append(
                LogSample("h", at, draw(levels), "", source) if line else MetricSample("h", at, values, source)
            )
    return samples


@settings(max_examples=150, deadline=None)
@given(streams())
def test_any_numbers_and_times_are_survived(samples: list[Sample]) -> None:
    """No error, finite scores, a row that survives its round trip, and signals that JSON can carry."""
    shard = Shard(0, DetectorSettings(warmup_rows=3, series_maximum=6, series_lifetime_seconds=10.0))
    signals = shard.apply(list(enumerate(samples)))
    shard.tick(0.0)
    notices: list[Notice] = [*signals, *shard.tick(1e6), *shard.roster(1e6)]
    for notice in notices:
        assert math.isfinite(notice.score)
        assert notice == msgspec.json.decode(msgspec.json.encode(notice), type=Notice)
    again = Shard(0, DetectorSettings(warmup_rows=3, series_maximum=6, series_lifetime_seconds=10.0))
    again.load_row(shard.row_state(0))
    assert shard.row_state(0) == again.row_state(0)
