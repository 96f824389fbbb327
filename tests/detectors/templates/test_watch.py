"""Templates of one host: their rates as series, what was never seen, and that none of it raises alone."""

from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.rates import Window
from detectors.samples import LogSample, Sample, Source
from detectors.settings import DetectorSettings
from detectors.shard import Shard
from detectors.signals import SignalState
from detectors.templates.watch import (
    MATURE_WINDOWS,
    SERIES_MAXIMUM,
    TEMPLATES_MAXIMUM,
    UNSEEN,
    UNSEEN_WINDOWS,
    LogTemplates,
    SavedWatch,
    is_of_templates,
)
from tests.detectors.streams import START, Service, metric
from tests.detectors.templates.lines import seeded, shop

SECONDS, LIFETIME = 5.0, 3600.0


def window(templates: LogTemplates, lines: list[str], time: float = 0.0) -> dict[str, float]:
    """Count the lines and close the window; its rates."""
    for line in lines:
        templates.count(time, "warn", line)
    return templates.close([Window(time + SECONDS, {})])[0].rates


def mature() -> LogTemplates:
    """A host whose logs are well known: 60 windows of the same two events."""
    templates = LogTemplates(SECONDS, LIFETIME)
    for number in range(MATURE_WINDOWS + 40):
        window(templates, [f"took {number} ms", f"wrote {number} bytes"] * 2)
    return templates


def test_nothing_is_told_before_the_first_line() -> None:
    """A host without logs has no log series."""
    windows = [Window(5.0, {"log.rate{level=info}": 0.0})]
    assert windows == LogTemplates(SECONDS, LIFETIME).close(windows)


def test_a_confirmed_template_is_a_series() -> None:
    """From its third line on, if those were in two windows; then every window tells its rate, also zero."""
    templates = LogTemplates(SECONDS, LIFETIME)
    assert {UNSEEN: 0.0} == window(templates, ["took 1 ms", "took 2 ms", "took 3 ms"])
    named = window(templates, ["took 4 ms", "took 5 ms"])
    assert [0.0, 0.4] == list(named.values())
    assert all(map(is_of_templates, named))
    assert dict.fromkeys(named, 0.0) == window(templates, [])


def test_the_series_are_bounded_and_change_hands_only_after_a_lifetime() -> None:
    """A flood of confirmed templates makes no more series than there are places, and takes none from a living one."""
    templates = LogTemplates(SECONDS, LIFETIME)
    early = [f"event {'abcdefghijklmnop'[number]} happened" for number in range(SERIES_MAXIMUM)]
    late = [f"incident {'abcdefghijklmnop'[number]} happened" for number in range(SERIES_MAXIMUM)]
    for _ in range(3):
        before = window(templates, early * 2)
    for _ in range(3):
        during = window(templates, late * 2, LIFETIME - 1.0)
    for _ in range(3):
        after = window(templates, late[:1] * 2, LIFETIME)
    assert SERIES_MAXIMUM + 1 == len(before)
    assert set(before) == set(during)
    assert 1 == len(set(after) - set(before))


def test_a_never_seen_template_is_told_once_it_is_confirmed() -> None:
    """Its third line in the second window makes it count, and gives a line as evidence; later it is ordinary."""
    templates = mature()
    assert 0.0 == window(templates, ["disk 7 is on fire"] * 2, 77.0)[UNSEEN]
    assert () == templates.evidence([])
    assert 0.4 == window(templates, ["disk 7 is on fire"] * 2)[UNSEEN]
    (line,) = templates.evidence([])
    assert ("disk 7 is on fire", "warn", 77.0, True) == (line.line, line.level, line.time, line.is_unseen)
    for _ in range(UNSEEN_WINDOWS):
        latest = window(templates, ["disk 7 is on fire"])
    assert 0.0 == latest[UNSEEN]
    assert () == templates.evidence([])


def test_a_young_host_has_seen_nothing_yet() -> None:
    """Before maturity every template is ordinary."""
    templates = LogTemplates(SECONDS, LIFETIME)
    for _ in range(5):
        told = window(templates, ["took 5 ms", "disk is on fire"])
    assert 0.0 == told[UNSEEN]


def test_where_new_templates_are_common_none_is_never_seen() -> None:
    """A host that writes free text says nothing of it."""
    templates, rng = LogTemplates(SECONDS, LIFETIME), seeded(1)
    for _ in range(MATURE_WINDOWS + 40):
        word = "".join(rng.choices("abcdefgh", k=8))
        told = window(templates, ["took 5 ms", f"{word} said {word}"] + ["took 6 ms"] * 9)
    for _ in range(3):
        told = window(templates, ["disk is on fire"] * 2)
    assert 0.0 == told[UNSEEN]


def test_a_series_to_blame_has_a_line() -> None:
    """The evidence of a template's series is a line of it."""
    templates = mature()
    name = next(name for name in window(templates, []) if name != UNSEEN)
    (line,) = templates.evidence([name])
    assert name == f"log.template{{id={line.template_id}}}"
    assert not line.is_unseen


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.text(max_size=12) | st.sampled_from(["took 5 ms", "disk full"]), max_size=5), max_size=12))
def test_state_round_trip_is_exact(windows: list[list[str]]) -> None:
    """Restored at any point it has equal state, through bytes, and tells the same."""
    one, other = LogTemplates(SECONDS, LIFETIME), LogTemplates(SECONDS, LIFETIME)
    for lines in windows:
        saved = msgspec.msgpack.decode(msgspec.msgpack.encode(other.state()), type=SavedWatch)
        other = LogTemplates.restore(saved, SECONDS, LIFETIME)
        assert window(one, lines) == window(other, lines)
        assert one.state() == other.state()


def test_memory_is_bounded() -> None:
    """Ever new lines: tracks within the bound, state within 200 KB."""
    templates, rng = LogTemplates(SECONDS, LIFETIME), seeded(3)
    for _ in range(50):
        window(templates, [" ".join("".join(rng.choices("abcdefgh", k=8)) for _ in range(30)) for _ in range(10)])
    assert TEMPLATES_MAXIMUM == len(templates.tracks) == templates.miner.count
    assert len(msgspec.msgpack.encode(templates.state())) < 200_000


def busy(seed: int, *, metrics: bool, new: range, fault: range = range(0)) -> Iterator[Sample]:
    """Twenty minutes of a shop's logs; in the rows of `new` it also writes a line that it never wrote before."""
    rng, service, lines = seeded(seed), Service(seed), shop(seed, 10**5)
    number = 0
    for row in range(2400):
        if metrics:
            yield metric("web-0", row, service.values(fault=row in fault))
        texts = [next(lines)[1] for _ in range(int(rng.expovariate(0.5)))]
        texts += ["something that was never written before"] * (row in new)
        for text in texts:
            number += 1
            yield LogSample("web-0", START + 0.5 * row, "info", text, Source("logs", 0, number))


@pytest.mark.parametrize("metrics", [True, False])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("new", [range(0), range(1500, 2400, 4)])
def test_log_templates_alone_raise_nothing(seed: int, new: range, *, metrics: bool) -> None:
    """A healthy host's templates come and go in bursts, and a harmless new one appears: no signal."""
    assert [] == Shard(0, DetectorSettings()).apply(list(enumerate(busy(seed, metrics=metrics, new=new))))


def test_a_raised_signal_shows_the_line_that_is_new() -> None:
    """What else is new on an ill host is in the evidence."""
    samples = busy(1, metrics=True, new=range(1480, 1600), fault=range(1500, 1600))
    raised = Shard(0, DetectorSettings()).apply(list(enumerate(samples)))[0]
    assert SignalState.RAISED is raised.state
    assert ["something that was never written before"] == [one.line for one in raised.evidence.lines if one.is_unseen]
