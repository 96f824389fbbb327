"""The benchmark's scores against figures worked out by hand."""

import math

import numpy as np
import pytest

from benchmarks.quality import nab
from benchmarks.quality.episodes import Episodes, episodes
from benchmarks.quality.events import delays, tally
from benchmarks.quality.folders import Blame, Floats, Labels
from benchmarks.quality.intervals import estimate
from benchmarks.quality.naming import blamed_right, grouping_accuracy
from benchmarks.quality.ranking import vus_pr

ROWS = 1000
FIRST, LAST = 400, 499


def marks(windows: int = 1) -> Episodes:
    """A file of a thousand minutes with one incident of a hundred, or none; the first 150 do not count."""
    times = np.arange(ROWS) * 60.0
    return episodes(times, Labels([(FIRST * 60.0, LAST * 60.0)][:windows]))


def alarms(*rows: int) -> Floats:
    """1 at these rows."""
    found = np.zeros(ROWS)
    found[list(rows)] = 1.0
    return found


def sigmoid(place: float) -> float:
    """As Numenta's paper has it."""
    return 2.0 / (1.0 + math.exp(5.0 * place)) - 1.0


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param((), 0.0, id="no alarm"),
        pytest.param((FIRST,), 100.0, id="first row of the window"),
        pytest.param((FIRST, FIRST + 5, LAST), 100.0, id="only the earliest counts"),
        pytest.param((LAST,), 100.0 * (sigmoid(-0.01) / sigmoid(-1.0) + 1.0) / 2.0, id="last row of the window"),
        pytest.param((FIRST, 900), 100.0 * (1.0 - 0.11 + 1.0) / 2.0, id="a false alarm"),
        pytest.param((FIRST, LAST + 10), 100.0 * (1.0 + 0.11 * sigmoid(10 / 99) + 1.0) / 2.0, id="just after"),
        pytest.param((FIRST, 100), 100.0, id="in the warm-up"),
    ],
)
def test_nab(rows: tuple[int, ...], expected: float) -> None:
    """Worth of an alarm by its place, 0 without alarms, 100 for the first row alone."""
    curve = nab.curve(marks(), alarms(*rows), np.array([0.5]))

    assert pytest.approx(expected) == float(nab.score([curve], nab.STANDARD)[0])


def test_nab_at_many_thresholds_is_nab_at_each() -> None:
    """The curve is what single thresholds give."""
    scores = np.random.default_rng(3).random(ROWS)
    thresholds = np.array([0.2, 0.9, 0.99, 2.0])
    together = nab.score([nab.curve(marks(), scores, thresholds)], nab.LOW_FP)
    alone = [nab.score([nab.curve(marks(), scores, np.array([one]))], nab.LOW_FP)[0] for one in thresholds]

    assert pytest.approx(alone) == together.tolist()


@pytest.mark.parametrize(
    ("rows", "caught", "false"),
    [
        pytest.param((), 0, 0, id="none"),
        pytest.param((450, 470), 1, 0, id="inside"),
        pytest.param((200, 230, 259, 260), 0, 2, id="an hour without pages after a page"),
        pytest.param((380, 410), 1, 1, id="a page before does not hide the incident"),
        pytest.param((503,), 1, 0, id="within the grace"),
        pytest.param((100,), 0, 0, id="warm-up"),
    ],
)
def test_pages(rows: tuple[int, ...], caught: int, false: int) -> None:
    """Incidents caught, and pages outside of them, with seven minutes of grace."""
    found = tally(marks(), alarms(*rows), np.array([0.5]), 420.0)

    assert (1, caught, false) == (found.incidents, found.caught[0], found.false_alarms[0])
    assert pytest.approx((850 - 107) / 1440.0) == found.days


def test_delay_is_from_the_true_onset() -> None:
    """Windows begin before what they are about: the delay may be negative."""
    labels = Labels([(FIRST * 60.0, LAST * 60.0)], [450 * 60.0])
    known = episodes(np.arange(ROWS) * 60.0, labels)

    assert [-600.0] == delays(known, alarms(440, 460), 0.5)


@pytest.mark.parametrize(("inside", "expected"), [(1.0, 1.0), (0.0, 100 / 850)])
def test_ranking_without_buffer_is_average_precision(inside: float, expected: float) -> None:
    """1 if all rows of the incident come first; the share of labelled rows if all rows are equal."""
    scores = np.zeros(ROWS)
    scores[FIRST : LAST + 1] = inside

    assert pytest.approx(expected) == vus_pr(marks(), scores, 0)


def test_ranking_is_not_defined_without_labels() -> None:
    """No incident, no figure."""
    assert math.isnan(vus_pr(marks(0), np.zeros(ROWS)))


@pytest.mark.parametrize(
    ("templates", "expected"),
    [("aabb", 1.0), ("aaaa", 0.0), ("abcc", 0.5), ("ccdd", 1.0)],
)
def test_grouping(templates: str, expected: float) -> None:
    """A line counts if its template holds exactly the lines of its event, whatever the template is called."""
    assert expected == grouping_accuracy(list(templates), list("xxyy"))


def test_blame_is_read_at_the_strangest_of_the_first_rows() -> None:
    """The first thirty rows of an incident count; no name is wrong."""
    times, blamed = np.arange(100) * 60.0, [""] * 100
    blamed[12], blamed[15], blamed[70] = "cpu disk", "disk cpu", "cpu"
    ranking = np.zeros(100)
    ranking[[12, 15, 70]] = 2.0, 1.0, 9.0
    incidents = [Blame(600.0, 6000.0, ["cpu"]), Blame(600.0, 6000.0, ["disk"]), Blame(1200.0, 1300.0, ["cpu"])]

    assert [True, False, False] == blamed_right(times, ranking, blamed, incidents)


def test_an_interval_holds_the_figure_and_repeats() -> None:
    """Equal files give equal intervals; what does not vary has none."""
    files = [1.0, 2.0, 3.0, 4.0]

    first, again = (estimate(files, lambda some: sum(some) / len(some)) for _ in range(2))

    assert first == again
    assert 1.0 <= first.low < first.value < first.high <= 4.0
    assert (5.0, 5.0) == (estimate([5.0, 5.0], max).low, estimate([5.0, 5.0], max).high)
