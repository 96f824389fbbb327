"""From what detectors said, and the labels, to figures with their intervals."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Final

import msgspec
import numpy as np

from benchmarks.quality import nab
from benchmarks.quality.baselines import DRAIN
from benchmarks.quality.episodes import Episodes, episodes
from benchmarks.quality.events import Tally, candidates, delays, tally
from benchmarks.quality.folders import HOSTS, Floats, Labels, Part
from benchmarks.quality.intervals import Estimate, estimate, halves
from benchmarks.quality.jobs import SHIPPED, Grouping, Outcome
from benchmarks.quality.naming import blamed_right
from benchmarks.quality.ranking import vus_pr

BUDGETS: Final = {Part.NAB: 0.1, Part.KPI: 1.0, Part.SMD: 1.0, Part.ASD: 1.0}  # false alarms a day and series
GRACE_SECONDS: Final = {Part.KPI: 420.0}  # labels of KPIs end with the fault, their alarms a few rows later
ALARM: Final = np.array([0.5])
NEAR, FINE = 4.0, 300  # thresholds between these parts of the budget are tried in so many steps


class Measure(msgspec.Struct, frozen=True):
    """One figure of one detector on one part of the data."""

    part: str
    measure: str
    detector: str
    estimate: Estimate
    halves: float = float("nan")


class Told(msgspec.Struct, frozen=True):
    """One file with its labels."""

    key: str
    marks: Episodes
    labels: Labels
    outcome: Outcome

    @property
    def ranking(self) -> Floats:
        """What orders its rows."""
        return self.outcome.verdicts.rankings


def told(outcomes: Iterable[Outcome], labels: dict[str, Labels]) -> list[Told]:
    """The outcomes that have labels, in order of their keys."""
    known = sorted((outcome for outcome in outcomes if outcome.key in labels), key=lambda outcome: outcome.key)
    return [Told(one.key, episodes(one.seconds, labels[one.key], one.merged), labels[one.key], one) for one in known]


def measure(part: Part, detector: str, files: list[Told]) -> list[Measure]:
    """All figures of a detector on a part."""
    if not files:
        return []
    rows = [*_at_budget(part, files)]
    if any(one.outcome.verdicts.alarms.any() for one in files):
        rows += _of_alarms(part, files)
    if part is Part.NAB:
        rows += _of_nab(files)
    if part in HOSTS:
        found = [vus_pr(one.marks, one.outcome.verdicts.scores) for one in files]
        rows.append(("VUS-PR", estimate(found, _mean), float("nan")))
        rows += _of_blame(files)
    return [Measure(part.value, name, detector, figure, spread) for name, figure, spread in rows]


type _Row = tuple[str, Estimate, float]


def _mean(values: Sequence[float]) -> float:
    return float(np.nanmean(values)) if len(values) and not np.isnan(values).all() else float("nan")


def _row[T](name: str, files: Sequence[T], figure: Callable[[Sequence[T]], float]) -> _Row:
    return name, estimate(files, figure), halves(files, figure)


def _tallies(part: Part, files: list[Told], scores: list[Floats], thresholds: Floats) -> list[Tally]:
    grace = GRACE_SECONDS.get(part, 0.0)
    return [tally(one.marks, score, thresholds, grace) for one, score in zip(files, scores, strict=True)]


def _recall(tallies: Sequence[Tally], place: int = 0) -> float:
    incidents = sum(one.incidents for one in tallies)
    return sum(float(one.caught[place]) for one in tallies) / incidents if incidents else float("nan")


def _rates(tallies: Sequence[Tally]) -> Floats:
    days = sum(one.days for one in tallies)
    alarms: Floats = sum((one.false_alarms for one in tallies), start=np.zeros(1))
    return alarms / days if days else np.full_like(alarms, np.nan)


def _rate(tallies: Sequence[Tally]) -> float:
    return float(_rates(tallies)[0])


def _recall_at(budget: float) -> Callable[[Sequence[Tally]], float]:
    def recall(tallies: Sequence[Tally]) -> float:
        within = np.flatnonzero(_rates(tallies) <= budget)
        return _recall(tallies, int(within[0])) if len(within) else 0.0

    return recall


def _at_budget(part: Part, files: list[Told]) -> Iterable[_Row]:
    scores, budget = [one.ranking for one in files], BUDGETS[part]
    coarse = candidates([(one.marks, one.ranking) for one in files])
    rates = _rates(_tallies(part, files, scores, coarse))
    low, high = (np.r_[coarse[rates <= most], np.inf][0] for most in (budget * NEAR, budget / NEAR))
    thresholds = _between(scores, low, high)
    yield _row(f"recall at {budget:g} FA/day", _tallies(part, files, scores, thresholds), _recall_at(budget))


def _between(scores: Sequence[Floats], low: float, high: float) -> Floats:
    """Some of the scores that occur between two, lowest first."""
    found = np.unique(np.concatenate([some[(some >= low) & (some <= high)] for some in scores]))
    return found[np.unique(np.linspace(0, len(found) - 1, FINE).astype(int))] if len(found) else np.array([low])


def _of_alarms(part: Part, files: list[Told]) -> Iterable[_Row]:
    alarms = [one.outcome.verdicts.alarms for one in files]
    tallies = _tallies(part, files, alarms, ALARM)
    yield _row("alarm: recall", tallies, _recall)
    yield _row("alarm: FA/day", tallies, _rate)
    quiet = [one for one in tallies if not one.incidents]
    if quiet:
        yield _row("alarm: FA/day, no incidents", quiet, _rate)
    late = [
        delays(one.marks, alarm, ALARM[0], GRACE_SECONDS.get(part, 0.0))
        for one, alarm in zip(files, alarms, strict=True)
    ]
    yield _row("alarm: median delay, min", late, _median_minutes)


def _median_minutes(late: Sequence[list[float]]) -> float:
    every = [seconds for one in late for seconds in one]
    return float(np.median(every)) / 60.0 if every else float("nan")


def _of_nab(files: list[Told]) -> Iterable[_Row]:
    """At the shipped alarm; for a detector that has none, at the threshold that is best on these very labels."""
    alarmed = any(one.outcome.verdicts.alarms.any() for one in files)
    scores = [one.outcome.verdicts.alarms if alarmed else one.ranking for one in files]
    thresholds = ALARM if alarmed else np.r_[candidates([(one.marks, one.ranking) for one in files]), np.inf]
    curves = [nab.curve(one.marks, score, thresholds) for one, score in zip(files, scores, strict=True)]
    best = int(np.argmax(nab.score(curves, nab.STANDARD)))
    for name, profile in (("NAB standard", nab.STANDARD), ("NAB low-FP", nab.LOW_FP)):
        yield _row(name, curves, partial(_nab_score, profile, best))


def _nab_score(profile: nab.Profile, place: int, curves: Sequence[nab.Curve]) -> float:
    return float(nab.score(curves, profile)[place])


def _of_blame(files: list[Told]) -> Iterable[_Row]:
    right = [
        blamed_right(one.outcome.seconds, one.ranking, one.outcome.verdicts.blamed, one.labels.blame)
        for one in files
        if one.outcome.verdicts.blamed and one.labels.blame
    ]
    if right:
        yield _row("blame: top metric right", right, lambda some: _mean([float(hit) for one in some for hit in one]))


def of_logs(groupings: Sequence[Grouping]) -> list[Measure]:
    """Grouping accuracy, mean over systems."""
    known = [one for one in groupings if not np.isnan(one.shipped)]
    if not known:
        return []
    named = ((SHIPPED, [one.shipped for one in known]), (DRAIN, [one.drain for one in known]))
    return [Measure("logs", "grouping accuracy", name, estimate(values, _mean)) for name, values in named]
