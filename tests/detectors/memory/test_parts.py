"""Each part of the memory detector, alone."""

import random
import zlib
from pathlib import Path

import numba
import numpy as np
import pytest

from detectors import compiled
from detectors.memory import alarm, tail, views
from detectors.memory.combination import mean, power_mean
from detectors.memory.layout import ALARM_SIZE, EMPTY, MEANS_START, QUANTILE, TAIL_SIZE, TIME, TOLD_SIZE, VOTE
from detectors.memory.profiles import LEAN, PROFILES, Profile
from detectors.memory.remembered import block_of, nearest, place, remember, shuffled
from detectors.memory.series import SeriesDetector
from tests.detectors.memory.series import noise, times


@pytest.mark.parametrize("name", list(views.VIEWS))
def test_views_are_differences_of_terms(name: str) -> None:
    """Each row of the table names two terms that exist."""
    assert set(views.VIEWS[name]) <= set(views.TERMS)


def test_another_view_is_one_row() -> None:
    """A profile of any views of the table works, with only the means that they need."""
    profile = Profile("mine", ("off 288", "value"), values=20, candidates=4, thin=20)
    assert ("mean 288",) == profile.means()
    detector = SeriesDetector(profile)
    detector.run(times(600), noise(600))
    assert detector.step(1.7e9 + 36_000.0, 500.0).score > alarm.THRESHOLD


@pytest.mark.parametrize("values", [0, -128, 15, 33, 127, 200])
def test_a_memory_that_can_not_be_searched_is_refused(values: int) -> None:
    """The search compares many numbers at once: a memory of another size would be read beyond its end."""
    with pytest.raises(ValueError, match=f"profile 'mine': values: {values}, wanted 16 to 32, or a multiple of 128"):
        Profile("mine", ("value",), values=values, candidates=1, thin=20)


@pytest.mark.parametrize(
    ("seconds", "weight"), [(60.0, 1.0), (300.0, 1.0), (0.5, 1 / 120), (0.0, 1 / 600), (-5.0, 1 / 600)]
)
def test_fast_rows_weigh_less(seconds: float, weight: float) -> None:
    """A row counts as the part of a minute that it stands for, no more than one and never nothing."""
    words = np.zeros(MEANS_START)
    words[[TIME, views.ROWS]] = 1000.0, 5.0
    assert weight == pytest.approx(views.row_weight(words, 1000.0 + seconds))


MEMORIES = [
    *PROFILES.values(),
    *(
        Profile(f"of {values}", ("value", "change"), values=values, candidates=2, thin=20)
        for values in (16, 17, 32, 128)
    ),
]


@pytest.mark.parametrize("profile", MEMORIES, ids=[profile.name for profile in MEMORIES])
def test_memory_stays_sorted_and_finds_the_nearest(profile: Profile) -> None:
    """After any number of values the memory is sorted and full, and the nearest value is that of a plain search."""
    shape, rng, count = profile.shape(), random.Random(5), 0  # noqa: S311 no secret
    floats = np.full(shape.week, EMPTY, np.float32)
    start = shape.memories + shape.values  # of the second view
    memory = floats[start : start + shape.values]
    for step in range(5 * shape.values):
        y = np.float32(rng.gauss(0.0, 1.0))
        at = place(floats, block_of(floats, shape, 1, y), y)
        assert start + np.searchsorted(memory[:count], y) == at
        if count:
            assert abs(memory[:count] - y).min() == abs(np.float32(nearest(floats, start, count, y, at)) - y)
        count = remember(floats, shape, 1, count, y, at, np.uint64(shuffled(1, step)))
        assert (np.diff(memory[:count]) >= 0.0).all()
    assert shape.values == count
    assert (np.delete(floats[shape.memories :], np.arange(shape.values, 2 * shape.values)) == EMPTY).all()


def test_many_candidates_keep_the_extremes() -> None:
    """The lean memory covers the range of all it saw; the full one forgets."""
    shape, count = LEAN.shape(), 0
    floats = np.full(shape.week, EMPTY, np.float32)
    for step, y in enumerate(np.r_[-50.0, 50.0, noise(5000) - 50.0].astype(np.float32)):
        at = place(floats, block_of(floats, shape, 0, y), y)
        count = remember(floats, shape, 0, count, y, at, np.uint64(shuffled(1, step)))
    assert [-50.0, 50.0] == floats[shape.memories : shape.memories + shape.values][[0, -1]].tolist()


@pytest.mark.parametrize("sigma", [0.01, 1.0, 1000.0])
def test_a_tail_probability_means_the_same_on_every_scale(sigma: float) -> None:
    """Votes over 3 come to at most one distance in 300, whatever the unit; surprises are one to two times the share."""
    rng, floats = random.Random(7), np.zeros(TAIL_SIZE, np.float32)  # noqa: S311 no secret
    high = surprises = 0
    for age in range(30_000):
        distance = sigma * rng.expovariate(1.0)
        high += age > 1000 and tail.probability(floats, 0, distance, 0.0) >= 3.0
        surprises += tail.calibrate(floats, 0, distance, 1.0, float(age))
    assert high <= 100
    assert 1.0 <= surprises / (tail.SHARE * 30_000) <= 2.0


def test_fast_rows_are_surprised_more_rarely() -> None:
    """With 120 rows a minute, distances that count as surprises are rarer by more than ten times."""
    rng, floats = random.Random(8), np.zeros(TAIL_SIZE, np.float32)  # noqa: S311 no secret
    surprises = sum(tail.calibrate(floats, 0, rng.expovariate(1.0), 1 / 120, float(age)) for age in range(200_000))
    assert surprises < 200_000 * tail.SHARE / 10


def test_a_tiny_distance_is_immaterial() -> None:
    """A distance far below a hundredth of the remembered range hardly counts, however rare."""
    floats = np.zeros(TAIL_SIZE, np.float32)
    floats[QUANTILE] = 1e-9
    assert tail.probability(floats, 0, 1e-6, 100.0) < 0.01
    assert tail.P_MAXIMUM == pytest.approx(tail.probability(floats, 0, 100.0, 0.0))


def test_the_score_is_near_the_highest_vote_and_grows_with_agreement() -> None:
    """Root mean square and mean, of known votes."""
    told = np.zeros((4, TOLD_SIZE), np.float32)
    told[:, VOTE] = [6.0, 0.0, 0.0, 0.0]
    assert (3.0, 1.5) == (power_mean(told), mean(told))
    told[:, VOTE] = 2.0
    assert (2.0, 2.0) == (power_mean(told), mean(told))


SCRIPTS = {
    "below the threshold": ([alarm.THRESHOLD - 0.01], [alarm.NONE]),
    "raise, then quiet, then clear": ([3.0, *[0.0] * 5], [alarm.RAISED, *[alarm.NONE] * 4, alarm.CLEARED]),
    "a higher peak while raised": ([2.0, 3.0], [alarm.RAISED, alarm.RENEWED]),
    "an equal peak is muted": ([2.0, 2.0, 2.0], [alarm.RAISED, alarm.NONE, alarm.NONE]),
    "restless rows do not clear": ([3.0, *[0.9] * 8], [alarm.RAISED, *[alarm.NONE] * 8]),
}


@pytest.mark.parametrize("name", list(SCRIPTS))
def test_alarm_turns(name: str) -> None:
    """Scores a minute apart, and what the alarm does at each."""
    scores, turns = SCRIPTS[name]
    floats = np.zeros(ALARM_SIZE, np.float32)
    assert turns == [alarm.turn(floats, score, 1.0, 60.0) for score in scores]


def test_a_series_that_peaks_often_has_a_level_of_its_own() -> None:
    """After four peaks of 3, one of 2 no longer raises, also long after; on a series without them it does."""
    calm, often = np.zeros(ALARM_SIZE, np.float32), np.zeros(ALARM_SIZE, np.float32)
    for row in range(1000):
        alarm.turn(often, 3.0 if row % 200 == 0 else 0.0, 1.0, 60.0)
        alarm.turn(calm, 0.0, 1.0, 60.0)
    assert (alarm.RAISED, alarm.NONE) == (alarm.turn(calm, 2.0, 1.0, 60.0), alarm.turn(often, 2.0, 1.0, 60.0))


def test_sources_are_part_of_the_name_of_a_cache(tmp_path: Path) -> None:
    """Another byte in any file of the package, or another numba, gives another name."""
    (tmp_path / "one.py").write_text("a = 1\n")
    (tmp_path / "two.py").write_text("b = 1\n")
    before = compiled.checksum([tmp_path])
    (tmp_path / "two.py").write_text("b = 2\n")
    assert before != compiled.checksum([tmp_path])
    sources = compiled.checksum(compiled.HERE.parent / package for package in ("memory", "vitals"))
    assert compiled.SOURCES == zlib.crc32(compiled.HERE.read_bytes() + numba.__version__.encode(), sources)
