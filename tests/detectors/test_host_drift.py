"""A host whose normal moves: an alarm when it begins, a drift when it has stayed, and a series that is learned anew."""

import msgspec
import pytest

from detectors.drift.settings import DriftSettings
from detectors.host import HostModel
from detectors.settings import DetectorSettings
from detectors.shard import Shard
from detectors.signals import Signal, SignalKind, SignalState
from tests.detectors.streams import metric, seeded

SETTINGS = DetectorSettings(drift=DriftSettings(history_seconds=7200.0))
HOST = "web-1"
STEP = 300
MINUTES = 520


class Feed:
    """A host that reports CPU and disk once a minute; CPU steps from 20 to 60 at minute 300."""

    def __init__(self, settings: DetectorSettings = SETTINGS) -> None:
        self.settings = settings
        self.shard = Shard(0, settings)
        self.signals: list[Signal] = []
        self.moved: list[tuple[str, ...]] = []
        self._noise = seeded(3)

    def minutes(self, begin: int, end: int) -> None:
        """Let some minutes pass."""
        for minute in range(begin, end):
            values = {
                "cpu": self._noise.gauss(20.0 if minute < STEP else 60.0, 2.0),
                "disk": self._noise.gauss(5.0, 0.5),
            }
            self.signals += self.shard.apply([(minute, metric(HOST, minute, values, 60.0))])
            self.moved.append(self.shard.roster(0.0)[0].moved)

    def restart(self) -> None:
        """Save, forget everything, and load what was saved."""
        saved = self.shard.row_state(0)
        self.shard = Shard(0, self.settings)
        self.shard.load_row(saved)
        assert saved == self.shard.row_state(0)

    def drifts(self) -> list[Signal]:
        """The drift signals so far."""
        return [signal for signal in self.signals if signal.kind is SignalKind.DRIFT]


@pytest.fixture(scope="module")
def story() -> Feed:
    """The whole of it."""
    feed = Feed()
    feed.minutes(0, MINUTES)
    return feed


def test_a_new_normal_is_an_alarm_first_and_a_drift_when_it_has_stayed(story: Feed) -> None:
    """The step raises an anomaly at once; two hours later, one of them paused, it is told to be the new normal."""
    raised, cleared = story.drifts()
    at_once = [signal for signal in story.signals if STEP <= minute_of(signal) <= STEP + 2]
    assert [SignalKind.ANOMALY] == [signal.kind for signal in at_once]
    (moved,) = raised.evidence.series
    assert ("cpu", 20, 60) == (moved.series, round(moved.expected), round(moved.observed))
    assert STEP + 120 <= minute_of(raised) <= STEP + 140
    assert (SignalState.CLEARED, raised.id) == (cleared.state, cleared.raised_id)


def test_only_the_series_that_moved_is_young_again(story: Feed) -> None:
    """The roster names it until sixty of its rows are learned; the host itself stays as it is."""
    assert {(), ("cpu",)} == set(story.moved)
    assert story.moved.count(("cpu",)) >= SETTINGS.warmup_rows
    assert story.shard.roster(0.0)[0].moved == ()


def test_restarts_change_nothing(story: Feed) -> None:
    """Saved before, in and after it, a host says the same, with the same ids, and saves the same bytes."""
    feed = Feed()
    for begin, end in ((0, 290), (290, 310), (310, 400), (400, 445), (445, MINUTES)):
        feed.minutes(begin, end)
        feed.restart()
    assert story.signals == feed.signals
    assert story.shard.row_state(0) == feed.shard.row_state(0)


def test_what_is_seen_during_an_incident_does_not_count() -> None:
    """A host that is in an incident for half an hour has no new normal from that."""
    feed = Feed()
    feed.minutes(0, STEP)
    feed.shard.pause(HOST)
    feed.minutes(STEP, STEP + 40)
    assert feed.drifts() == []
    levels = HostModel.decode(feed.shard.row_state(0), 0, SETTINGS).drift.watch.streams
    assert max(stream.last for stream in levels.values()) < time_of(STEP)


def test_it_can_be_switched_off() -> None:
    """Without a detector a new normal is an alarm, and no more."""
    feed = Feed(msgspec.structs.replace(SETTINGS, drift=DriftSettings(detector="")))
    feed.minutes(0, 440)
    assert feed.drifts() == []


def time_of(minute: int) -> float:
    """Event time of a minute."""
    return metric(HOST, minute, {}, 60.0).time


def minute_of(signal: Signal) -> int:
    """The minute of a signal."""
    return round((signal.time - time_of(0)) / 60.0)
