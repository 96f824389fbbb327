"""Log lines become rates by level."""

from detectors.rates import EMPTY_MAXIMUM, LATE_MAXIMUM, SERIES, LogRates

ERROR = "log.rate{level=error}"


def errors(rates: LogRates, time: float) -> list[tuple[float, float]]:
    """(end, error rate) of the windows that close at `time`."""
    return [(window.end, window.rates[ERROR]) for window in rates.close(time)]


def test_nothing_is_told_before_the_first_line() -> None:
    """A host without logs has no log series."""
    assert LogRates(5.0).close(1e9) == []


def test_every_level_is_told() -> None:
    """A window has one rate a level, zero where nothing was written."""
    rates = LogRates(5.0)
    rates.count(10.0, "info")
    assert set(SERIES) == set(rates.close(15.0)[0].rates)


def test_windows_close_by_event_time() -> None:
    """A window is told by the first record after it, also an empty one.

    time    10   12   14 | 15   17 | 20   25 26
    lines    e    e      |       e |
    """
    rates = LogRates(5.0)
    rates.count(10.0, "error")
    rates.count(12.0, "error")
    assert errors(rates, 14.9) == []
    assert errors(rates, 15.0) == [(15.0, 0.4)]
    rates.count(17.0, "error")
    assert errors(rates, 26.0) == [(20.0, 0.2), (25.0, 0.0)]


def test_a_long_gap_tells_a_bounded_number_of_empty_windows() -> None:
    """The open window, then the last empty ones."""
    rates = LogRates(5.0)
    rates.count(10.0, "error")
    told = errors(rates, 100_000.0)
    assert (15.0, 0.2) == told[0]
    assert [(100_000.0 - 5.0 * ago, 0.0) for ago in range(EMPTY_MAXIMUM - 1, -1, -1)] == told[1:]


def test_a_late_line_counts_in_the_open_window() -> None:
    """It is neither lost nor does it reopen a window that was told."""
    rates = LogRates(5.0)
    rates.count(20.0, "error")
    assert errors(rates, 11.0) == []
    rates.count(11.0, "error")
    assert errors(rates, 25.0) == [(25.0, 0.4)]


def test_a_clock_that_was_set_back_is_followed() -> None:
    """After many late records the window moves back to where the host now is."""
    rates = LogRates(5.0)
    rates.count(5000.0, "error")
    for _ in range(LATE_MAXIMUM + 1):
        rates.close(1000.0)
    rates.count(1000.0, "error")
    assert [1005.0] == [window.end for window in rates.close(1005.0)]


def test_an_unknown_level_is_not_counted() -> None:
    """Levels are a closed set."""
    rates = LogRates(5.0)
    rates.count(10.0, "shout")
    assert {0.0} == set(rates.close(15.0)[0].rates.values())
