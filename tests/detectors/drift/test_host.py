"""Drift signals of a host: what they say, when they end, and that they survive a restart."""

from typing import get_args, get_type_hints

import msgspec
import pytest

from detectors.drift.detectors import DRIFTS
from detectors.drift.host import HostDrift, SavedDrift
from detectors.drift.settings import DriftSettings
from detectors.drift.watch import SCORE
from detectors.signals import Signal, SignalKind, SignalState
from tests.detectors.streams import seeded

SETTINGS = DriftSettings(history_seconds=7200.0)
START = 1_700_000_000.0
STEP, ROWS = 200, 30


def new(settings: DriftSettings = SETTINGS) -> HostDrift:
    """A host that knows a series again after thirty rows."""
    return HostDrift("web-1", 3, settings, ROWS, grows=lambda name: name == "requests", seed=1)


def rows(minutes: int, seed: int = 1) -> list[tuple[float, int, float, dict[str, float]]]:
    """Time, offset, score, values: `cpu` steps from 20 to 60, `disk` stays."""
    noise = seeded(seed)
    return [
        (
            START + 60.0 * minute,
            1000 + minute,
            0.1,
            {"cpu": noise.gauss(20.0 if minute < STEP else 60.0, 2.0), "disk": noise.gauss(5.0, 0.5)},
        )
        for minute in range(minutes)
    ]


def told(host: HostDrift, minutes: int) -> list[Signal]:
    """The signals of these rows."""
    return [signal for row in rows(minutes) for signal in host.learn(*row)]


def test_a_step_is_raised_once_and_cleared_when_the_series_is_known_again() -> None:
    """Raised about an hour after the step with from where to where; cleared after thirty more rows."""
    raised, cleared = told(new(), 400)
    assert (SignalKind.DRIFT, SignalState.RAISED, "web-1") == (raised.kind, raised.state, raised.host)
    (moved,) = raised.evidence.series
    assert ("cpu", 20, 60) == (moved.series, round(moved.expected), round(moved.observed))
    assert moved.low < 20.0 < moved.high < 60.0
    assert raised.score == moved.score > raised.threshold
    before, after = raised.evidence.window
    assert STEP <= (before.time - START) / 60.0 <= STEP + 10
    assert (raised.time, raised.score) == (after.time, after.score)
    assert before.score < raised.threshold
    assert (SignalState.CLEARED, raised.id) == (cleared.state, cleared.raised_id)
    assert ROWS == round((cleared.time - raised.time) / 60.0)


def test_the_same_rows_give_the_same_ids() -> None:
    """A replay repeats signals, and invents none."""
    assert told(new(), 400) == told(new(), 400)
    assert len({signal.id for signal in told(new(), 400)}) == 2


def test_while_it_is_raised_it_is_said() -> None:
    """The series that has moved is named until it is known again; the others are not touched."""
    host, named = new(), []
    for row in rows(400):
        host.learn(*row)
        named.append(tuple(host.moved))
    assert {(), ("cpu",)} == set(named)
    assert ROWS == named.count(("cpu",))


def test_a_series_that_comes_no_more_does_not_stay_raised() -> None:
    """A day later the signal clears, known again or not."""
    host = new()
    raised = told(host, STEP + 80)
    assert ("cpu",) == tuple(host.moved)
    signals = []
    for hour in range(30):
        signals += host.learn(raised[0].time + 3600.0 * hour, 2000 + hour, 0.1, {"disk": 5.0})
    assert [SignalState.CLEARED] == [signal.state for signal in signals if signal.raised_id == raised[0].id]


def test_a_host_that_is_as_usual_says_nothing() -> None:
    """A day and a half of ordinary rows, by every detector."""
    for detector in ("adwin", "page_hinkley"):
        host = new(DriftSettings(detector=detector, history_seconds=0.0))
        noise = seeded(7)
        for minute in range(2160):
            values = {"cpu": noise.gauss(20.0, 2.0), "disk": noise.gauss(5.0, 0.5)}
            assert [] == host.learn(START + 60.0 * minute, minute, abs(noise.gauss(0.1, 0.05)), values)


@pytest.mark.parametrize("every", [1, 53])
def test_saved_at_any_row_it_goes_on_equally(every: int) -> None:
    """To the byte: also while a signal is raised."""
    whole, pieces = new(), new()
    signals: tuple[list[Signal], list[Signal]] = ([], [])
    for number, row in enumerate(rows(320)):
        signals[0].extend(whole.learn(*row))
        signals[1].extend(pieces.learn(*row))
        if number % every == 0 and number > 190:
            saved = msgspec.msgpack.encode(pieces.state())
            pieces = new()
            pieces.load(msgspec.msgpack.decode(saved, type=SavedDrift))
            assert saved == msgspec.msgpack.encode(pieces.state())
    assert signals[0] == signals[1] != []
    assert msgspec.msgpack.encode(whole.state()) == msgspec.msgpack.encode(pieces.state())


def test_a_series_that_begins_anew_has_not_moved() -> None:
    """What is found out to be a counter is read as growth from then on: that is another number, not another normal."""
    host, signals = new(), []
    for number, row in enumerate(rows(400)):
        if number == STEP:
            host.forget("cpu")
        signals += host.learn(*row)
    assert signals == []


def test_growth_is_told_as_growth() -> None:
    """The figures of a counter are of its growth a second."""
    host = new()
    told_of = {}
    for time, offset, score, values in rows(STEP + 90):
        for signal in host.learn(time, offset, score, {"requests": values["cpu"], "cpu": values["cpu"]}):
            (one,) = signal.evidence.series
            told_of[one.series] = one.per_second
    assert {"cpu": False, "requests": True} == told_of


def test_switched_off_what_was_raised_still_clears() -> None:
    """Without a detector nothing is looked for; nothing stays raised for ever either."""
    host = new()
    (raised,) = told(host, STEP + 80)
    off = new(DriftSettings(detector=""))
    off.load(host.state())
    signals = [signal for row in rows(STEP + 200)[STEP + 80 :] for signal in off.learn(*row)]
    assert [raised.id] == [signal.raised_id for signal in signals]
    assert SCORE not in off.watch.streams


def test_every_detector_can_be_chosen_and_no_other() -> None:
    """The names of the settings are the rows of the table; another name is refused with its place."""
    names = get_args(get_type_hints(DriftSettings)["detector"])
    assert {*DRIFTS, ""} == set(names)
    with pytest.raises(msgspec.ValidationError, match=r"Invalid enum value 'ddm' - at `\$.detector`"):
        msgspec.convert({"detector": "ddm"}, DriftSettings)
