"""A series detector: bounded on any input, exact state, paused learning, evidence."""

import math
import struct
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.errors import RowError
from detectors.memory import tail
from detectors.memory.layout import ALARM_SIZE, MEANS_START, REMEMBERED, TAIL_SIZE, Floats, Words
from detectors.memory.profiles import FULL, LEAN, PROFILES, Profile
from detectors.memory.series import MATURE_ROWS, SeriesDetector, SeriesTable, Turn
from tests.detectors.memory.series import KINDS, daily, noise, times

BOTH = pytest.mark.parametrize("profile", PROFILES.values(), ids=list(PROFILES))
HOSTILE = [math.nan, math.inf, -math.inf, 1e300, -1e300, 1.7e308, 5e-324, 0.0, -0.0, 2.0**53 + 2, 1e15, 1.0]


WORDS = [struct.pack("<d", value) for value in HOSTILE] + [struct.pack("<ff", value, value) for value in (1e9, -1.0)]


def state_numbers(detector: SeriesDetector) -> tuple[Words, Words]:
    """All numbers of the state, but for the half hours of the week that were never seen."""
    table = detector.table
    shape = table.profile.shape()
    floats = table.words.view(np.float32)[0, shape.skip :][: shape.week]
    return table.words[0, : MEANS_START + len(shape.windows)], floats.astype(float)


def check_bounds(detector: SeriesDetector, values: Words, clock: Words) -> None:
    """Scores within 0..10 and a finite state, sorted memories."""
    readings = detector.run(clock, values)
    for array in (readings.scores, readings.rankings, readings.told[:, :, 0]):
        assert np.isfinite(array).all()
        assert array.min() >= 0.0
        assert array.max() <= tail.P_MAXIMUM + 1e-6
    for numbers in state_numbers(detector):
        assert np.isfinite(numbers).all()


@BOTH
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_input_keeps_scores_bounded_and_the_state_finite(profile: Profile, data: st.DataObject) -> None:
    """Whatever values and times come, mixed into ordinary ones, in any order."""
    wild = st.one_of(st.floats(), st.sampled_from(HOSTILE))
    values = np.array(data.draw(st.lists(wild, min_size=1, max_size=60)), np.float64)
    clock = np.array(data.draw(st.lists(wild, min_size=len(values), max_size=len(values))), np.float64)
    detector = SeriesDetector(profile)
    if data.draw(st.booleans()):
        detector.run(times(150), noise(150) * data.draw(st.sampled_from([0.0, 1.0, 1e-300, 1e290])))
    check_bounds(
        detector, np.tile(values, 5), np.tile(clock, 5) if data.draw(st.booleans()) else times(5 * len(values))
    )


STREAMS = {
    "constant": np.full(3000, 7.0),
    "two-valued": KINDS["two-valued"](3000),
    "beyond 2^53": 2.0**60 + noise(3000) * 2.0**40,
    "huge, then small": np.r_[1e300, noise(3000)],
    "alternating infinities": np.tile([math.inf, -math.inf, math.nan], 1000),
    "growing a thousandfold each row": 10.0 ** np.linspace(-300, 300, 3000),
}


@BOTH
@pytest.mark.parametrize("name", list(STREAMS))
def test_hard_series_stay_bounded(profile: Profile, name: str) -> None:
    """Named streams that break averages, ranges or tails."""
    check_bounds(SeriesDetector(profile), STREAMS[name], times(len(STREAMS[name])))


@BOTH
@pytest.mark.parametrize("value", [0.0, 7.0, -1e9])
def test_a_constant_series_never_alarms(profile: Profile, value: float) -> None:
    """No value, however often repeated, is strange."""
    assert not SeriesDetector(profile).run(times(3000), np.full(3000, value)).turns.any()


@BOTH
def test_missing_values_and_gaps_do_not_alarm(profile: Profile) -> None:
    """A steady level with NaN now and then, and holes of hours, raises nothing."""
    values, clock = np.full(4000, 12.5), times(4000)
    values[::7] = math.nan
    clock[2000:] += 20_000.0
    assert not SeriesDetector(profile).run(clock, values).turns.any()


@BOTH
def test_a_missing_value_changes_nothing(profile: Profile) -> None:
    """NaN scores 0 and leaves the state as it was, to the last bit."""
    detector = SeriesDetector(profile)
    detector.run(times(300), noise(300))
    before = detector.to_bytes()
    assert 0.0 == detector.step(9e9, math.nan).score
    assert before == detector.to_bytes()


@BOTH
@pytest.mark.parametrize("interval", [0.5, 60.0, 3600.0])
def test_a_spike_raises_once_and_clears(profile: Profile, interval: float) -> None:
    """One far value raises on its own row; a few calm rows later the alarm has cleared."""
    values = noise(2000, 1)
    values[1500] = 500.0
    turns = SeriesDetector(profile).run(times(2000, interval), values).turns
    assert Turn.RAISED == turns[1500]
    assert Turn.CLEARED in turns[1501:1600]


def test_what_happens_twice_surprises_once() -> None:
    """The second occurrence of a strange value scores far less than the first."""
    values = noise(3000, 2)
    values[1000] = values[2000] = 90.0
    scores = SeriesDetector().run(times(3000), values).scores
    assert scores[1000] > 2.0
    assert scores[2000] < 0.7 * scores[1000]


@BOTH
def test_young_series_score_nothing(profile: Profile) -> None:
    """Until `MATURE_ROWS` were learned, even a far value scores 0."""
    values = np.r_[noise(MATURE_ROWS - 1), 1e6]
    detector = SeriesDetector(profile)
    readings = detector.run(times(len(values)), values)
    assert 0.0 == readings.scores.max()
    assert detector.mature()


@BOTH
def test_one_at_a_time_equals_a_batch(profile: Profile) -> None:
    """How samples are cut into calls makes no difference."""
    values, clock = daily(1200), times(1200)
    batch, single = SeriesDetector(profile), SeriesDetector(profile)
    scores = batch.run(clock, values).scores
    assert scores.tolist() == [single.step(t, v).score for t, v in zip(clock, values, strict=True)]
    assert batch.to_bytes() == single.to_bytes()


@BOTH
def test_state_round_trip_and_rollback_are_exact(profile: Profile) -> None:
    """A saved state goes on as the original did, also after the original has learned other things."""
    values, clock = daily(2000), times(2000)
    detector = SeriesDetector(profile, seed=5)
    detector.run(clock[:1500], values[:1500])
    saved = detector.to_bytes()
    expected = detector.run(clock[1500:], values[1500:]).scores.tolist()
    restored = SeriesDetector.from_bytes(saved, profile, seed=5)
    assert saved == restored.to_bytes()
    assert expected == restored.run(clock[1500:], values[1500:]).scores.tolist()
    detector.table.load_row(0, saved)
    assert expected == detector.run(clock[1500:], values[1500:]).scores.tolist()


def test_state_of_another_profile_or_damaged_is_refused() -> None:
    """The error names the profile and what was wanted."""
    lean = SeriesDetector(LEAN).to_bytes()
    with pytest.raises(RowError, match="profile 'full' has"):
        SeriesDetector.from_bytes(lean, FULL)
    with pytest.raises(RowError, match="no row of profile 'lean'"):
        SeriesDetector.from_bytes(b"x" + lean[1:], LEAN)


@BOTH
def test_reset_makes_young(profile: Profile) -> None:
    """A reset detector is as new."""
    detector = SeriesDetector(profile)
    detector.run(times(500), noise(500))
    detector.reset()
    assert SeriesDetector(profile).to_bytes() == detector.to_bytes()
    assert not detector.mature()


@BOTH
def test_paused_learning_remembers_nothing(profile: Profile) -> None:
    """What is scored in a pause stays strange; what was learned before stays familiar."""
    detector = SeriesDetector(profile)
    values = np.r_[noise(600), np.full(50, 200.0), noise(50, 9)]
    learns = np.r_[np.ones(600, np.bool_), np.zeros(100, np.bool_)]
    detector.run(times(600), values[:600])
    before_means = detector.table.words[0, MEANS_START:].copy()
    floats = detector.table.words.view(np.float32)[0, detector.table.profile.shape().skip + ALARM_SIZE :].copy()
    readings = detector.run(times(700)[600:], values[600:], learns[600:])
    assert readings.scores[:50].min() > 2.0
    assert readings.scores[-40:].mean() < 0.7
    assert before_means[:1].tolist() == detector.table.words[0, MEANS_START:][:1].tolist()
    after = detector.table.words.view(np.float32)[0, detector.table.profile.shape().skip + ALARM_SIZE :]
    assert floats.tobytes() == after.tobytes()


@BOTH
def test_rows_of_a_table_are_independent(profile: Profile) -> None:
    """Interleaved series of a table score as each does alone; a grown table keeps its rows; rows can be moved."""
    streams = [kind(800, 4) for kind in KINDS.values()]
    table = SeriesTable(profile, 2)
    table.grow(len(streams))
    rows = np.tile(np.arange(len(streams)), 800)
    readings = table.apply(rows, np.repeat(times(800), len(streams)), np.array(streams).T.ravel())
    for row, stream in enumerate(streams):
        alone = SeriesDetector(profile)
        assert alone.run(times(800), stream).scores.tolist() == readings.scores[rows == row].tolist()
        assert alone.to_bytes() == table.row_state(row)
    table.grow(len(streams) + 1)
    table.load_row(len(streams), table.row_state(1))
    assert table.row_state(1) == table.row_state(len(streams))


def test_sizes_are_as_promised() -> None:
    """Bytes of a row."""
    assert (True, True) == (FULL.words() * 8 <= 24 * 1024, LEAN.words() * 8 <= 512)


def test_evidence_tells_what_was_expected() -> None:
    """Observed, the nearest remembered value, the usual band, and the views by their votes."""
    detector = SeriesDetector()
    detector.run(times(3000), noise(3000))
    score = detector.step(1.7e9 + 3000 * 60.0, 95.0).score
    evidence = detector.evidence()
    assert 95.0 == evidence.observed
    assert 55.0 < evidence.expected < 66.0
    assert 38.0 < evidence.low < 50.0 < evidence.high < 62.0
    votes = list(evidence.votes().values())
    assert votes == sorted(votes, reverse=True)
    assert evidence.votes().keys() == set(FULL.views)
    assert pytest.approx(score, rel=1e-6) == math.sqrt(sum(p**2 for p in votes) / len(votes))


def test_a_young_series_has_no_band() -> None:
    """Nothing remembered, nothing claimed."""
    detector = SeriesDetector()
    detector.step(0.0, 1.0)
    assert math.isnan(detector.evidence().low)


@BOTH
def test_scores_do_not_depend_on_the_unit(profile: Profile) -> None:
    """A series in other units has the same scores."""
    values = daily(4000, 3)
    one = SeriesDetector(profile).run(times(4000), values)
    other = SeriesDetector(profile).run(times(4000), 1024.0 * values)
    assert one.turns.tolist() == other.turns.tolist()
    assert one.scores.tolist() == other.scores.tolist()


def test_growing_keeps_what_was_learned() -> None:
    """Rows added one by one make the same table as rows added at once, and move it no oftener than room doubles."""
    whole, grown, rooms = SeriesTable(LEAN, 40), SeriesTable(LEAN), set[int]()
    for rows in range(1, 41):
        grown.grow(rows)
        rooms.add(grown.words.ctypes.data)
        for table in (whole, grown):
            table.apply(np.full(100, rows - 1), times(100), noise(100, rows))
    assert whole.words.tobytes() == grown.words.tobytes()
    assert len(rooms) <= 7


def test_a_row_that_the_table_does_not_have_is_refused() -> None:
    """Whatever the number, nothing is read or written outside the table."""
    table = SeriesTable(LEAN, 2)
    for row in (-1, 2, 1 << 40):
        with pytest.raises(IndexError):
            table.apply(np.array([row]), times(1), noise(1))


def test_arrays_of_unequal_lengths_are_refused() -> None:
    """The error says how many there were of each; nothing was learned."""
    table = SeriesTable(LEAN, 1)
    for learns in (np.ones(3, np.bool_), np.ones(2, np.bool_)):
        with pytest.raises(ValueError, match=r"3 rows, 3 times, 2 values, [23] learns, wanted as many of each"):
            table.apply(np.zeros(3, np.int64), times(3), noise(2), learns)
    assert table.words.tobytes() == SeriesTable(LEAN, 1).words.tobytes()


@BOTH
@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_a_damaged_row_is_refused_or_harmless(profile: Profile, data: st.DataObject) -> None:
    """Some bytes of a saved row are others now: it is refused, or the detector goes on without a crash."""
    detector = SeriesDetector(profile)
    detector.run(times(200), noise(200))
    state = bytearray(detector.to_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, 300) | st.integers(0, len(state) - 8))
        state[start : start + 8] = data.draw(st.binary(min_size=8, max_size=8) | st.sampled_from(WORDS))
    try:
        detector = SeriesDetector.from_bytes(bytes(state), profile)
    except RowError:
        return
    told = detector.run(times(200) + 12_000.0, noise(200, 1))
    assert len(told.scores) == 200


DAMAGES: dict[str, Callable[[Profile, Floats], None]] = {
    "more than it can": lambda profile, floats: put(floats, ALARM_SIZE + TAIL_SIZE + REMEMBERED, profile.values + 1.0),
    "more than it does": lambda profile, floats: put(floats, ALARM_SIZE + TAIL_SIZE + REMEMBERED, profile.values - 1.0),
    "fewer than none": lambda _, floats: put(floats, ALARM_SIZE + REMEMBERED, -1.0),
    "not in order": lambda profile, floats: put(floats, profile.shape().memories, 1e9),
    "something behind its end": lambda profile, floats: put(floats, profile.shape().week - 1, 1e9),
}


def put(floats: Floats, place: int, number: float) -> None:
    """Damage a number."""
    floats[place] = number


@BOTH
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_row_that_remembers_what_it_can_not_is_refused(
    profile: Profile, damage: Callable[[Profile, Floats], None]
) -> None:
    """Counts and order lead the kernel through its memory: they are checked before it sees them."""
    detector = SeriesDetector(profile)
    detector.run(times(30), noise(30))  # no memory is full
    SeriesDetector.from_bytes(detector.to_bytes(), profile)
    damage(profile, detector.table.words.view(np.float32)[0, profile.shape().skip :])
    with pytest.raises(RowError, match="is damaged"):
        SeriesDetector.from_bytes(detector.to_bytes(), profile)


def test_a_row_whose_blocks_begin_elsewhere_is_refused() -> None:
    """So do the first numbers of the blocks of a large memory."""
    detector = SeriesDetector()
    detector.run(times(200), noise(200))
    put(detector.table.words.view(np.float32)[0, FULL.shape().skip :], FULL.shape().firsts + 1, -1e9)
    with pytest.raises(RowError, match="is damaged"):
        SeriesDetector.from_bytes(detector.to_bytes())
