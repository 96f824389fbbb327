"""A shard is a pure fold of its samples, wherever it is cut, saved, restored or replayed."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.errors import RowError, SettingsError
from detectors.host import HostRow
from detectors.samples import MetricSample, Sample, Source
from detectors.settings import DetectorSettings, Watch
from detectors.shard import Shard
from detectors.signals import HostState, Signal, SignalKind, SignalState
from tests.detectors.streams import START, fleet, log, metric

SETTINGS = DetectorSettings(warmup_rows=30, pause_maximum_seconds=20.0)
RECORDS = list(enumerate(fleet(1, 220, hosts=2, fault=range(120, 180))))


def states(shard: Shard) -> list[bytes]:
    """All rows."""
    return [shard.row_state(row) for row in range(shard.rows)]


def clean_run() -> tuple[list[Signal], list[bytes]]:
    """Signals and rows of an undisturbed shard."""
    shard = Shard(0, SETTINGS)
    return shard.apply(RECORDS), states(shard)


CLEAN_SIGNALS, CLEAN_STATES = clean_run()
places = st.integers(0, len(RECORDS))


def restored(rows: list[bytes]) -> Shard:
    """A new shard with these rows."""
    shard = Shard(0, SETTINGS)
    for row in rows:
        shard.load_row(row)
    return shard


def test_the_stream_under_test_raises_and_clears() -> None:
    """The rules below mean something: there are signals to repeat."""
    assert [signal.state for signal in CLEAN_SIGNALS] == [SignalState.RAISED, SignalState.CLEARED]


@settings(max_examples=60, deadline=None)
@given(st.lists(places, max_size=4).map(sorted))
def test_batches_do_not_matter(cuts: list[int]) -> None:
    """The same samples in other batches give the same signals and rows."""
    shard, signals = Shard(0, SETTINGS), []
    for start, stop in zip([0, *cuts], [*cuts, len(RECORDS)], strict=True):
        signals += shard.apply(RECORDS[start:stop])
    assert CLEAN_SIGNALS == signals
    assert CLEAN_STATES == states(shard)


@settings(max_examples=60, deadline=None)
@given(places, st.data())
def test_save_restore_and_replay_change_nothing(cut: int, data: st.DataObject) -> None:
    """Rows saved at different ages and restored, then all since the oldest of them replayed: as in a clean run."""
    first, rows = Shard(0, SETTINGS), []
    signals = first.apply(RECORDS[:cut])
    for row in range(first.rows):
        older = Shard(0, SETTINGS)
        older.apply(RECORDS[: data.draw(places.filter(lambda age: age <= cut), label="age of the row")])
        rows.append(older.row_state(row) if row < older.rows else None)
    start = min((age for age in map(_applied, rows)), default=0)
    second = restored([row for row in rows if row is not None])
    again = second.apply(RECORDS[data.draw(st.integers(0, start), label="replayed from") :])
    assert sorted(CLEAN_STATES) == sorted(states(second))
    assert {signal.id for signal in CLEAN_SIGNALS} == {signal.id for signal in [*signals, *again]}
    assert all(signal in CLEAN_SIGNALS for signal in again)


def _applied(row: bytes | None) -> int:
    return 0 if row is None else msgspec.msgpack.decode(row)[2] + 1


@settings(max_examples=60, deadline=None)
@given(places)
def test_a_restored_row_is_the_row(cut: int) -> None:
    """Bytes → row → the same bytes."""
    shard = Shard(0, SETTINGS)
    shard.apply(RECORDS[:cut])
    assert states(shard) == states(restored(states(shard)))


@settings(max_examples=40, deadline=None)
@given(places, places)
def test_of_two_copies_the_later_stays(one: int, other: int) -> None:
    """Whatever the order in which a zombie's and an owner's pages are read."""
    early, late = Shard(0, SETTINGS), Shard(0, SETTINGS)
    early.apply(RECORDS[: min(one, other)])
    late.apply(RECORDS[: max(one, other)])
    assert sorted(states(late)) == sorted(states(restored([*states(early), *states(late)])))
    assert sorted(states(late)) == sorted(states(restored([*states(late), *states(early)])))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(places, places), max_size=5))
def test_a_producers_record_counts_once(repeats: list[tuple[int, int]]) -> None:
    """An ingest that was killed writes records again, at new offsets: they change nothing."""
    samples: list[Sample] = [sample for _, sample in RECORDS]
    for stop, back in repeats:
        place = min(stop, len(samples))
        samples[place:place] = samples[max(place - back, 0) : place]
    shard = Shard(0, SETTINGS)
    signals = shard.apply(list(enumerate(samples)))
    assert len(samples) - len(RECORDS) == shard.refusals.duplicates
    assert [signal.state for signal in CLEAN_SIGNALS] == [signal.state for signal in signals]
    assert [status.samples for status in shard.roster(0.0)] == [
        sum(sample.host == host for _, sample in RECORDS) for host in ("web-0", "web-1")
    ]


def test_dirty_rows_name_their_oldest_change() -> None:
    """Once taken they are clean; a duplicate does not soil them."""
    shard = Shard(0, SETTINGS)
    shard.apply([(number, metric(f"web-{number % 2}", number, {"a": 1.0})) for number in range(10, 16)])
    assert {0: 10, 1: 11} == shard.take_dirty()
    shard.apply([(12, metric("web-0", 12, {"a": 1.0}))])
    assert shard.take_dirty() == {}
    shard.apply([(16, metric("web-1", 17, {"a": 1.0}))])
    assert {1: 16} == shard.take_dirty()


def test_hosts_are_bounded() -> None:
    """Further hosts and hosts with impossible names are refused and counted."""
    shard = Shard(0, DetectorSettings(hosts_maximum=2))
    hosts = ["a", "b", "c", "d", "a", "", "x" * 1000]
    shard.apply([(number, metric(host, number, {"a": 1.0})) for number, host in enumerate(hosts)])
    assert (2, 4) == (shard.rows, shard.refusals.hosts)


def test_sources_are_bounded_by_topic_partitions() -> None:
    """Records of one host through many partitions are told apart, and each counts once."""
    shard = Shard(0, SETTINGS)
    samples = [MetricSample("a", START + n, {"x": 1.0}, Source("metrics", n % 50, n // 50)) for n in range(500)]
    shard.apply(list(enumerate(samples)))
    shard.apply(list(enumerate(samples, 500)))
    assert (500, 500) == (shard.refusals.duplicates, shard.roster(0.0)[0].samples)


def test_readings_of_one_record_count_apart() -> None:
    """Several samples of one producer's record differ by their index."""
    shard = Shard(0, SETTINGS)
    samples = [MetricSample("a", START, {"x": 1.0}, Source("metrics", 0, 5, index)) for index in (0, 1, 2, 1)]
    shard.apply(list(enumerate(samples)))
    assert (3, 1) == (shard.roster(0.0)[0].samples, shard.refusals.duplicates)


DAMAGED = {
    "empty": b"",
    "cut": CLEAN_STATES[0][:-10],
    "not a row": msgspec.msgpack.encode({"a": 1}),
    "of another version": msgspec.msgpack.encode([99, *msgspec.msgpack.decode(CLEAN_STATES[0])[1:]]),
}


@pytest.mark.parametrize("name", list(DAMAGED))
def test_damaged_rows_are_refused(name: str) -> None:
    """RowError, and the shard is as before."""
    shard = Shard(0, SETTINGS)
    with pytest.raises(RowError):
        shard.load_row(DAMAGED[name])
    assert shard.rows == 0


def test_numbers_of_the_wrong_length_are_refused() -> None:
    """A row whose detectors do not know their own numbers any more."""
    row = msgspec.msgpack.decode(CLEAN_STATES[0])
    row[HostRow.__struct_fields__.index("series")][0][-1].append(1.0)
    with pytest.raises(RowError, match=r"saved row of host 'web-0' can not be restored: too many values"):
        Shard(0, SETTINGS).load_row(msgspec.msgpack.encode(row))


def test_a_row_survives_another_choice_of_detectors() -> None:
    """Detectors that are no longer wanted are dropped, new ones start empty, the rest goes on."""
    shard = Shard(0, DetectorSettings(watch=(Watch(detectors=("recent",)),)))
    shard.load_row(CLEAN_STATES[0])
    other = Shard(0, SETTINGS)
    other.load_row(shard.row_state(0))
    assert shard.roster(0.0)[0].samples == other.roster(0.0)[0].samples > 0


def test_unknown_detectors_are_refused_at_the_start() -> None:
    """Not at the first sample."""
    with pytest.raises(SettingsError):
        Shard(0, DetectorSettings(watch=(Watch(detectors=("crystal ball",)),)))


def test_silence_is_raised_once_and_cleared_by_the_first_reading() -> None:
    """One signal of each state, whatever the number of ticks.

    clock    0    30   59   60   100       101
    samples  x                             x
    signals                 raised         cleared
    """
    shard = Shard(4, SETTINGS)
    shard.apply([(7, metric("a", 0, {"x": 1.0}))])
    told = {now: shard.tick(now) for now in (0.0, 30.0, 59.0, 60.0, 100.0)}
    assert [60.0] == [now for now, signals in told.items() if signals]
    raised = told[60.0][0]
    assert (SignalKind.SILENCE, SignalState.RAISED, "a", START) == (raised.kind, raised.state, raised.host, raised.time)
    assert raised.score >= raised.threshold
    assert shard.roster(100.0)[0].state is HostState.SILENT
    (cleared,) = shard.apply([(9, log("a", 0, START + 101.0, "info"))])
    assert (SignalKind.SILENCE, SignalState.CLEARED, raised.id) == (cleared.kind, cleared.state, cleared.raised_id)
    assert shard.roster(101.0)[0].state is HostState.YOUNG


def test_a_slow_host_is_given_ten_of_its_intervals() -> None:
    """A host that reports every minute is not silent before ten minutes."""
    shard = Shard(0, SETTINGS)
    shard.apply([(row, metric("a", row, {"x": 1.0}, 60.0)) for row in range(20)])
    told = [now for now in range(0, 1000, 10) if shard.tick(float(now))]
    assert told in ([570], [600])


def test_silence_survives_a_restart_and_repeats_its_id() -> None:
    """Saved: not raised again. Not saved: raised again under the same id."""
    shard = Shard(0, SETTINGS)
    shard.apply([(7, metric("a", 0, {"x": 1.0}))])
    shard.take_dirty()
    before = shard.row_state(0)
    shard.tick(0.0)
    raised = shard.tick(60.0)
    assert {0: 8} == shard.take_dirty()
    saved = restored([shard.row_state(0), before])
    assert [[], []] == [saved.tick(1000.0), saved.tick(2000.0)]
    lost = restored([before])
    assert [[], [raised[0].id]] == [[signal.id for signal in lost.tick(now)] for now in (1000.0, 2000.0)]


def test_time_since_a_restart_is_not_silence() -> None:
    """Every host gets the full time again after a restart: nobody was there to hear it."""
    shard = Shard(0, SETTINGS)
    shard.apply([(7, metric("a", 0, {"x": 1.0}))])
    again = restored(states(shard))
    assert [[], [], True] == [again.tick(5000.0), again.tick(5059.0), bool(again.tick(5060.0))]
