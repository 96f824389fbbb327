"""Signs of life: who is silent, who is unreadable, and whose clock is off."""

import itertools

import pytest

from detectors.samples import MetricSample, Sample, Source, UnreadSample
from detectors.settings import DetectorSettings
from detectors.shard import Shard
from detectors.signals import HostState, SignalKind, SignalState, Unread

BEGIN = 1_700_000_000.0
SETTINGS = DetectorSettings(warmup_rows=5)


class Feed:
    """One host that sends to one shard, on the shard's clock."""

    def __init__(self) -> None:
        self.shard = Shard(2, SETTINGS)
        self.offsets = itertools.count()
        self.now = 0.0

    def take(self, *samples: Sample) -> list[tuple[SignalKind, SignalState]]:
        """Apply samples, tick, and let a second pass."""
        signals = [signal for one in samples for signal in self.shard.apply([(next(self.offsets), one)])]
        signals += self.shard.tick(self.now)
        self.now += 1.0
        return [(signal.kind, signal.state) for signal in signals]

    def reading(self, behind: float = 0.0, topic: str = "metrics") -> MetricSample:
        """A reading that comes now, of a clock that is so many seconds behind."""
        arrived = BEGIN + self.now
        return MetricSample("h", arrived - behind, {"x": 1.0}, Source(topic, 0, int(self.now)), arrived)

    def unread(self, reason: str = "in_future", *, time: float = 0.0, is_guess: bool = False) -> UnreadSample:
        """A record that is refused now."""
        source = Source("metrics", 0, int(self.now))
        return UnreadSample("h", time, reason, "words", source, BEGIN + self.now, is_guess)

    @property
    def state(self) -> HostState:
        """What the roster says of the host."""
        return self.shard.roster(self.now)[0].state


def test_a_host_of_which_only_refused_records_come_is_unreadable_and_never_silent() -> None:
    """With the reason, from one silence on; the next reading ends it.

    clock    0..9      10..79                       80
    records  readings  refused                      reading
    state    normal    normal, unreadable from 69   normal
    """
    feed = Feed()
    told = [feed.take(feed.reading()) for _ in range(10)]
    states = []
    for _ in range(70):
        told.append(feed.take(feed.unread()))
        states.append(feed.state)
    assert not any(told)
    assert [10 + states.index(HostState.UNREADABLE), set(states)] == [69, {HostState.NORMAL, HostState.UNREADABLE}]
    assert feed.shard.roster(0.0)[0].unread == Unread("in_future", "words", BEGIN + 10, BEGIN + 79)
    assert feed.shard.roster(0.0)[0].samples == 10
    feed.take(feed.reading())
    assert (feed.state, feed.shard.roster(0.0)[0].unread) == (HostState.NORMAL, None)


def test_a_refused_record_ends_silence_but_gives_no_reading() -> None:
    """Silence means that nothing came; when not even refused records come any more it is raised."""
    feed = Feed()
    told = [feed.take(feed.reading() if second < 5 else feed.unread()) for second in range(100)]
    assert not any(told)
    told = [feed.take() for _ in range(70)]
    assert [(59, [(SignalKind.SILENCE, SignalState.RAISED)])] == [(at, one) for at, one in enumerate(told) if one]
    assert feed.state is HostState.SILENT
    assert feed.take(feed.unread()) == [(SignalKind.SILENCE, SignalState.CLEARED)]
    assert feed.state is HostState.UNREADABLE


def test_some_refused_records_are_no_trouble() -> None:
    """One metric of a host with too many fields leaves the others."""
    feed = Feed()
    told = [feed.take(feed.reading(), feed.unread("too_many_fields")) for _ in range(200)]
    assert not any(told)
    assert feed.state is HostState.NORMAL


@pytest.mark.parametrize(("is_guess", "rows"), [(False, 1), (True, 0)], ids=["named", "guessed"])
def test_a_host_that_was_never_readable_is_in_the_roster(*, is_guess: bool, rows: int) -> None:
    """It is unreadable at once, and never silent: nobody knows its pace. A guess makes no host."""
    feed = Feed()
    told = [feed.take(feed.unread(is_guess=is_guess)) for _ in range(3)] + [feed.take() for _ in range(500)]
    assert not any(told)
    found = [(one.state, one.samples, one.last_sample_time) for one in feed.shard.roster(0.0)]
    assert found == [(HostState.UNREADABLE, 0, 0.0)] * rows
    assert feed.shard.refusals.hosts == 0


def test_hosts_of_which_nothing_can_be_read_leave_places_to_the_others() -> None:
    """Whatever names refused records make up, half of the places are left."""
    shard = Shard(2, DetectorSettings(hosts_maximum=10))
    for number in range(50):
        shard.apply([(number, UnreadSample(f"made-up-{number}", 0.0, "bad_time", "", Source("metrics", 0, number)))])
    assert (shard.rows, shard.refusals.hosts) == (5, 45)
    for number in range(50, 56):
        shard.apply([(number, MetricSample(f"real-{number}", BEGIN, {"x": 1.0}, Source("metrics", 0, number)))])
    assert (shard.rows, shard.refusals.hosts) == (10, 46)


def test_life_survives_a_restart() -> None:
    """Unreadable, with its reason, and the clock; of two copies at one offset the unreadable one is the later."""
    feed = Feed()
    for _ in range(100):
        feed.take(feed.reading(behind=1800.0))
    for _ in range(59):
        feed.take(feed.unread())
    before = feed.shard.row_state(0)
    feed.take()
    assert feed.state is HostState.UNREADABLE
    again = Shard(2, SETTINGS)
    for state in (feed.shard.row_state(0), before):
        again.load_row(state)
    assert again.roster(0.0) == feed.shard.roster(0.0)
    assert again.roster(0.0)[0].behind_seconds == 1800.0
    assert again.row_state(0) == feed.shard.row_state(0)


OFFSETS = {"an hour behind": 3600.2, "a minute and a half ahead": -90.0, "odd": 217.0}


@pytest.mark.parametrize("behind", OFFSETS.values(), ids=OFFSETS.keys())
def test_a_clock_that_is_off_is_measured(behind: float) -> None:
    """Also from records that are refused for their time."""
    read, refused = Feed(), Feed()
    for _ in range(60):
        read.take(read.reading(behind=behind))
        refused.take(refused.unread(time=BEGIN + refused.now - behind))
    found = [feed.shard.roster(0.0)[0].behind_seconds for feed in (read, refused)]
    assert found == [pytest.approx(behind, abs=0.01)] * 2


def test_the_clock_of_one_feed_is_told_though_another_is_right() -> None:
    """Log lines in local time beside metrics in UTC."""
    feed = Feed()
    for _ in range(60):
        feed.take(feed.reading(), feed.reading(behind=7200.0, topic="logs"))
    assert feed.shard.roster(0.0)[0].behind_seconds == 7200.0
