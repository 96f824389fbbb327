"""What a host's samples lead to: alarms where a fault is, and only there."""

import math
from collections.abc import Callable, Iterable

import pytest

from detectors.samples import MetricSample, Sample, Source
from detectors.settings import DetectorSettings
from detectors.shard import Shard
from detectors.signals import HostState, Signal, SignalState
from tests.detectors.streams import START, Service, fleet, log, metric, seeded

SETTINGS = DetectorSettings()
HOST = "web-0"


def feed(shard: Shard, samples: Iterable[Sample], first: int = 0) -> list[Signal]:
    """Apply samples at consecutive offsets."""
    return shard.apply(list(enumerate(samples, first)))


def turns(signals: list[Signal]) -> list[tuple[str, str]]:
    """(host, state) of each signal."""
    return [(signal.host, signal.state.value) for signal in signals]


def state(shard: Shard) -> HostState:
    """Of the first host, by the roster."""
    return shard.roster(0.0)[0].state


@pytest.mark.parametrize("seed", range(1, 6))
def test_a_fault_is_raised_within_five_seconds_and_cleared_soon_after_the_restart(seed: int) -> None:
    """Latency times three, more CPU, threads and errors; one alarm, on the host that is ill, at two rows a second."""
    fault = range(240, 300)
    signals = feed(Shard(0, SETTINGS), fleet(seed, 400, hosts=3, fault=fault))
    assert [(HOST, "raised"), (HOST, "cleared")] == turns(signals)
    raised, cleared = ((signal.time - START) * 2.0 for signal in signals)
    assert fault.start < raised <= fault.start + 10
    assert fault.stop < cleared <= fault.stop + 20
    assert signals[0].id == signals[1].raised_id


@pytest.mark.parametrize("warmup", [60, 90])
def test_a_fault_right_after_the_warm_up_is_raised(warmup: int) -> None:
    """What was learned in the warm-up is enough."""
    signals = feed(Shard(0, DetectorSettings(warmup_rows=warmup)), fleet(7, 160, fault=range(100, 160)))
    assert [(HOST, "raised")] == turns(signals)


@pytest.mark.parametrize("seconds", [0.5, 10.0, 60.0, 300.0])
def test_a_fault_is_raised_at_every_cadence(seconds: float) -> None:
    """Half a second or five minutes between rows: the one threshold serves."""
    service = Service(3)
    rows = [metric(HOST, row, service.values(fault=row >= 300), seconds) for row in range(330)]
    assert [(HOST, "raised")] == turns(feed(Shard(0, SETTINGS), rows))


@pytest.mark.parametrize("seed", range(10, 16))
def test_a_healthy_fleet_raises_nothing(seed: int) -> None:
    """Ten minutes of noisy services at two rows a second, from the first row on."""
    assert turns(feed(Shard(0, SETTINGS), fleet(seed, 1200, hosts=2))) == []


def test_a_young_host_raises_nothing() -> None:
    """However wild it is."""
    rng = seeded(1)
    rows = [metric(HOST, row, {name: rng.paretovariate(0.5) for name in "abcdef"}) for row in range(60)]
    shard = Shard(0, SETTINGS)
    assert turns(feed(shard, rows)) == []
    assert state(shard) is HostState.YOUNG


SPIKES: dict[str, Callable[[float], float]] = {
    "1e300": lambda _: 1e300,
    "-1e300": lambda _: -1e300,
    "zero": lambda _: 0.0,
    "a hundredfold": lambda value: 100.0 * value + 100.0,
    "2^53 + 2": lambda _: 2.0**53 + 2.0,
    "not a number": lambda _: math.nan,
    "infinite": lambda _: math.inf,
}


def spiked(name: str, seconds: float, *places: int) -> list[Signal]:
    """What comes of a service whose every series spikes in these rows, and which fails much later."""
    service = Service(4)
    rows = [metric(HOST, row, service.values(fault=row >= 440), seconds) for row in range(470)]
    for place in places:
        wild = {series: SPIKES[name](value) for series, value in rows[place].values.items()}
        rows[place] = metric(HOST, place, wild, seconds)
    return feed(Shard(0, SETTINGS), rows)


@pytest.mark.parametrize("name", list(SPIKES))
def test_a_spike_of_one_row_never_raises(name: str) -> None:
    """Where rows come fast: not even if every series spikes at once; and a fault is seen as before afterwards."""
    signals = spiked(name, 0.5, 120, 200, 300)
    assert [(HOST, "raised")] == turns(signals)
    assert signals[0].time >= START + 440 * 0.5


@pytest.mark.parametrize("name", list(SPIKES))
def test_a_spike_blinds_nobody(name: str) -> None:
    """Where rows are far apart one wild row may raise: it is cleared soon, and a fault is seen as before afterwards."""
    seconds = 60.0
    signals = spiked(name, seconds, 200)
    assert signals[-1].state is SignalState.RAISED
    assert START + 440 * seconds <= signals[-1].time <= START + 445 * seconds


def test_one_strange_series_of_many_does_not_raise() -> None:
    """One metric of nine that is strange, though not beyond all it ever was, is not a host that is ill."""
    service = Service(5)
    rows = [metric(HOST, row, service.values() | {"fds": 19.0 if row > 300 else 14.0 + row % 7}) for row in range(600)]
    assert turns(feed(Shard(0, SETTINGS), rows)) == []


def test_one_series_far_beyond_all_it_ever_was_raises() -> None:
    """One metric of nine that leaves its world, on a host that is known well: a disk that is full."""
    service = Service(5)
    rows = [
        metric(HOST, row, service.values() | {"disk": 90.0 if row > 1100 else 40.0 + row % 7}, 10.0)
        for row in range(1110)
    ]
    signals = feed(Shard(0, SETTINGS), rows)
    assert (HOST, "raised") == turns(signals)[-1]
    assert "disk" == signals[-1].evidence.series[0].series


def test_the_only_series_of_a_host_raises() -> None:
    """A first metric in five lines is watched too."""
    rng = seeded(6)
    rows = [
        metric(HOST, row, {"queue": rng.gauss(50.0, 5.0) + (300.0 if row > 200 else 0.0)}, 10.0) for row in range(220)
    ]
    assert [(HOST, "raised")] == turns(feed(Shard(0, SETTINGS), rows))


def test_messages_of_one_time_are_one_row() -> None:
    """Telegraf sends cpu, mem and net apart: the alarm and the warm-up count rounds, not messages."""
    service, shard = Service(7), Shard(0, DetectorSettings(warmup_rows=50))
    offset = 0
    for row in range(50):
        for name, value in service.values().items():
            sample = MetricSample(HOST, START + 10.0 * row, {name: value}, Source("metrics", 0, offset))
            feed(shard, [sample], offset)
            offset += 1
    assert state(shard) is HostState.YOUNG
    feed(shard, [MetricSample(HOST, START + 500.0, service.values(), Source("metrics", 0, offset))], offset)
    assert state(shard) is HostState.NORMAL


def test_a_fault_in_split_messages_is_raised() -> None:
    """The score rests on the latest reading of each series, whichever message brought it."""
    service, shard, signals, offset = Service(8), Shard(0, SETTINGS), [], 0
    for row in range(320):
        for name, value in service.values(fault=row >= 300).items():
            sample = MetricSample(HOST, START + 10.0 * row, {name: value}, Source("metrics", 0, offset))
            signals += feed(shard, [sample], offset)
            offset += 1
    assert [(HOST, "raised")] == turns(signals)


def test_series_that_stop_and_start_are_harmless() -> None:
    """Half of the series fall silent for a while, new ones appear: no alarm."""
    service, rows = Service(9), []
    for row in range(900):
        values = service.values()
        if 300 <= row < 500:
            values = {name: values[name] for name in ("cpu", "rss", "requests", "threads")}
        if row >= 600:
            values |= {f"new.{name}": value * 7.0 for name, value in values.items()}
        rows.append(metric(HOST, row, values))
    assert turns(feed(Shard(0, SETTINGS), rows)) == []


def test_a_planned_restart_of_counters_is_harmless() -> None:
    """Six counters that fall to zero together are no alarm."""
    rng, totals, rows = seeded(10), dict.fromkeys("abcdef", 1e6), []
    for row in range(600):
        for name in totals:
            totals[name] = 0.0 if row == 300 else totals[name] + rng.randrange(50, 150)
        rows.append(metric(HOST, row, dict(totals)))
    assert turns(feed(Shard(0, SETTINGS), rows)) == []


def test_evidence_tells_a_counter_by_its_growth_a_second() -> None:
    """A total that grew by 500 in half a second is told as 1000 a second; a gauge as it is."""
    rng, total, rows, shard = seeded(14), 1e6, [], Shard(0, SETTINGS)
    for row in range(400):
        total += 10.0 + rng.random()
        rows.append(metric(HOST, row, {"total": total, "gauge": rng.gauss(5.0, 1.0)}))
    feed(shard, [*rows, metric(HOST, 400, {"total": total + 500.0, "gauge": 60.0})])

    told = {each.series: (each.per_second, each.observed) for each in shard.explain(HOST).series}

    assert {"total": (True, 1000.0), "gauge": (False, 60.0)} == told


def test_learning_pauses_during_an_alarm() -> None:
    """An ill host stays anomalous for as long as it is ill, up to the longest pause."""
    shard = Shard(0, SETTINGS)
    signals = feed(shard, fleet(11, 3600, hosts=1, fault=range(300, 3600)))
    assert [(HOST, "raised")] == turns(signals)
    assert state(shard) is HostState.ANOMALOUS


def test_after_the_longest_pause_the_new_normal_is_learned() -> None:
    """Nobody repairs it: after ten minutes it is learned, the alarm clears and stays cleared."""
    settings = DetectorSettings(pause_maximum_seconds=600.0)
    signals = feed(Shard(0, settings), fleet(12, 3000, hosts=1, fault=range(300, 3000)))
    assert [(HOST, "raised"), (HOST, "cleared")] == turns(signals)
    assert 600.0 < signals[1].time - signals[0].time < 700.0


def test_learning_pauses_from_outside() -> None:
    """A host that was paused from its first row knows nothing; resumed, it learns."""
    shard, rows = Shard(0, SETTINGS), list(fleet(13, 500, hosts=1, fault=range(440, 500)))
    paused = [row for row in rows if row.time < START + 100.0]
    shard.pause(HOST)
    assert turns(feed(shard, paused)) == []
    before = shard.explain(HOST)
    shard.resume(HOST)
    assert before.series == ()
    assert [(HOST, "raised")] == turns(feed(shard, rows[len(paused) :], len(paused)))


@pytest.mark.parametrize("late", [0, 2, 8], ids=lambda rows: f"paused {rows} rows after the alarm")
def test_a_fault_that_comes_back_soon_is_raised_again(late: int) -> None:
    """What an incident was about is not learned, nor does it mute: a repair that holds for ten seconds is no repair."""
    service, shard = Service(5), Shard(0, SETTINGS)
    signals: list[Signal] = []
    for row in range(400):
        fault = 300 <= row < 320 or row >= 340
        if signals and signals[-1].state is SignalState.RAISED and row >= 307 + late:
            shard.pause(HOST)
        signals += feed(shard, [metric(HOST, row, service.values(fault=fault))], row)
        if signals and signals[-1].state is SignalState.CLEARED:
            shard.resume(HOST)
    assert [(HOST, "raised"), (HOST, "cleared"), (HOST, "raised")] == turns(signals)


@pytest.mark.parametrize("rows", [150, 360, 420])
def test_no_alarm_ends_by_doubt(rows: int) -> None:
    """A series that is known little needs more to begin an alarm; begun, it lasts as the fault does, at any pace."""
    rng, shard = seeded(1), Shard(0, SETTINGS)
    history = [metric(HOST, row, {"p99": rng.uniform(40.0, 50.0)}, 5.0) for row in range(rows)]
    first = 5 * rows
    fault = [metric(HOST, first + row, {"p99": rng.uniform(800.0, 1000.0)}, 1.0) for row in range(300)]
    assert [(HOST, "raised")] == turns(feed(shard, history + fault))


@pytest.mark.parametrize("start", range(11))
def test_whole_numbers_in_a_steady_order(start: int) -> None:
    """Few values over and over: the first of a new half hour of the week is no news; a twentyfold is, and stays so."""

    def value(second: int) -> float:
        return 40.0 + second * 7919 % 11

    history = [metric(HOST, second, {"latency": value(second)}, 1.0) for second in range(start, start + 1800, 5)]
    first = start + 1806
    fault = [metric(HOST, second, {"latency": 20.0 * value(second)}, 1.0) for second in range(first, first + 200)]
    shard = Shard(0, SETTINGS)
    assert turns(feed(shard, history)) == []
    assert [(HOST, "raised")] == turns(feed(shard, fault, len(history)))


YOUNG = {"a minute": 60.0, "five seconds": 5.0}


@pytest.mark.parametrize("seconds", YOUNG.values(), ids=YOUNG)
@pytest.mark.parametrize("seed", range(4))
def test_a_young_host_of_two_metrics_is_calm(seconds: float, seed: int) -> None:
    """Noise sets a record now and then while little is known: that is no alarm."""
    rng = seeded(seed)
    rows = (metric(HOST, row, {name: rng.gauss(50.0, 3.0) for name in "ab"}, seconds) for row in range(300))
    assert turns(feed(Shard(0, SETTINGS), rows)) == []


@pytest.mark.parametrize("seed", range(2))
def test_five_metrics_are_no_noisier_than_one(seed: int) -> None:
    """Each of a few metrics can raise an alarm alone: the more there are, the stranger it must be."""

    def raised(names: str) -> int:
        rng = seeded(seed)
        rows = (metric(HOST, row, {name: rng.gauss(50.0, 3.0) for name in names}, 60.0) for row in range(4000))
        return sum(turn == (HOST, "raised") for turn in turns(feed(Shard(0, SETTINGS), rows)))

    assert raised("abcde") <= raised("a") + 4


def test_error_lines_count() -> None:
    """A burst of error lines is in the evidence of the alarm beside the metrics that moved."""
    signals = feed(Shard(0, SETTINGS), fleet(14, 340, hosts=1, fault=range(300, 340)))
    names = [series.series for series in signals[0].evidence.series]
    assert {"p50", "threads"} <= set(names)


def test_log_lines_alone_can_raise() -> None:
    """A host that only logs, and begins to log errors and warnings."""
    rng, shard, signals = seeded(15), Shard(0, SETTINGS), []
    for number in range(3000):
        time = START + number
        ill = number > 2000
        levels = ["info"] * rng.randrange(1, 4) + (["error"] * 5 + ["warn"] * 5 + ["fatal"] if ill else [])
        for index, level in enumerate(levels):
            line = log(HOST, number * 100 + index, time, level)
            signals += feed(shard, [line], number * 100 + index)
    assert [(HOST, "raised")] == turns(signals)
    assert "log.rate{level=error}" in [series.series for series in signals[0].evidence.series]


def test_evidence_is_complete() -> None:
    """Ranked series with what was expected, the recent window, votes, offsets."""
    signal = feed(Shard(3, SETTINGS), fleet(16, 340, hosts=1, fault=range(300, 340)))[0]
    evidence = signal.evidence
    blamed = {series.series: series for series in evidence.series}
    assert blamed["threads"].observed == 26.0
    assert 3.0 < blamed["threads"].low <= blamed["threads"].expected <= blamed["threads"].high < 9.0
    assert len(evidence.window) == 60
    assert (signal.time, signal.score) == (evidence.window[-1].time, evidence.window[-1].score)
    assert signal.score >= signal.threshold == 1.0
    assert set(evidence.votes) == {"vitals", "series", "logs"}
    assert evidence.partition == 3
    assert 0 < evidence.first_offset < evidence.last_offset


def test_a_clock_set_back_does_not_blind_for_long() -> None:
    """An hour back: some readings are left out, then the host is watched again."""
    service, shard = Service(17), Shard(0, SETTINGS)
    rows = [metric(HOST, row, service.values(fault=row >= 400)) for row in range(430)]
    for place in range(200, 430):
        row = rows[place]
        rows[place] = MetricSample(row.host, row.time - 3600.0, row.values, row.source)
    assert [(HOST, "raised")] == turns(feed(shard, rows))
    assert shard.refusals.late > 0


def test_names_and_numbers_of_series_are_bounded() -> None:
    """Further new series and over-long names are refused and counted; after a day of quiet a place is free again."""
    shard = Shard(0, DetectorSettings(series_maximum=10))
    feed(shard, [metric(HOST, 0, {f"s{number}": 1.0 for number in range(25)} | {"x" * 1000: 1.0})])
    assert shard.refusals.series == 16
    assert shard.roster(0.0)[0].series == 10
    feed(shard, [metric(HOST, 1, {"fresh": 1.0}, seconds=90_000.0)], 1)
    assert shard.refusals.series == 16
    assert shard.roster(0.0)[0].series == 10


def test_signal_states() -> None:
    """The roster's state follows the alarm."""
    shard, samples = Shard(0, SETTINGS), list(fleet(18, 400, hosts=1, fault=range(240, 300)))
    for number, sample in enumerate(samples):
        for signal in feed(shard, [sample], number):
            wanted = HostState.ANOMALOUS if signal.state is SignalState.RAISED else HostState.NORMAL
            assert wanted is state(shard)
