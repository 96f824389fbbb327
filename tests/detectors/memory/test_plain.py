"""The compiled detector is the plain one, to the last bit that matters."""

import numpy as np
import pytest

from detectors.memory.profiles import PROFILES
from detectors.memory.series import SeriesDetector
from tests.detectors.memory.plain import PlainDetector
from tests.detectors.memory.series import KINDS, times


@pytest.mark.parametrize("interval", [0.5, 60.0, 3600.0])
@pytest.mark.parametrize("profile", list(PROFILES))
@pytest.mark.parametrize("kind", list(KINDS))
def test_kernel_equals_plain_python(kind: str, profile: str, interval: float) -> None:
    """Scores, rankings and votes agree to 1e-5 of their size, alarms exactly, with gaps, NaN and paused learning."""
    chosen, values, clock = PROFILES[profile], KINDS[kind](1500, 3), times(1500, interval)
    values[700], clock[900:] = np.nan, clock[900:] + 40_000.0
    learns = np.ones(1500, np.bool_)
    learns[1000:1100] = False
    readings = SeriesDetector(chosen, seed=7).run(clock, values, learns)
    plain = PlainDetector(chosen, seed=7)
    told = [plain.step(*sample, learns=bool(on)) for *sample, on in zip(clock, values, learns, strict=True)]
    assert [t.turn for t in told] == readings.turns.tolist()
    assert [t.score for t in told] == pytest.approx(readings.scores.tolist(), rel=1e-5)
    assert [t.ranking for t in told] == pytest.approx(readings.rankings.tolist(), rel=1e-5)
    np.testing.assert_allclose(np.array([t.votes for t in told]), readings.told[:, :, 0], rtol=1e-5)
    assert max(t.score for t in told) > 1.0, "a comparison of zeros would show nothing"
