"""The measures as one table: a row a measure, a column a detector."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from rich.table import Table as Printed

from benchmarks.quality.baselines import BASELINES, DRAIN
from benchmarks.quality.intervals import HIGH, LOW
from benchmarks.quality.jobs import DISGUISED, SHIPPED
from benchmarks.quality.measures import Measure

COLUMNS: Final = {
    SHIPPED: "tidegate",
    DISGUISED: "disguised",
    **{name: name for name in BASELINES},
    "GaussianScorer": "Gaussian Scorer",
    "HalfSpaceTrees": "HalfSpace Trees",
    "OneClassSVM": "OneClass SVM",
    DRAIN: "Drain3 defaults",
}
FINE: Final = 10.0  # smaller figures are told with two digits behind the point
CAPTION: Final = """
halves: standard deviation over random halves of the files. disguised: the same data flipped, scaled, three rows \
averaged; metrics scaled and shifted. NAB: tidegate at its shipped alarm, all others at the threshold that is best on \
these labels. Recall at a budget: every detector at the one threshold that spends it. FA: false alarms a series or host.
"""


def number(value: float) -> str:
    """A figure with as many digits as it is worth."""
    if not np.isfinite(value):
        return "-"
    return f"{value:.2f}" if abs(value) < FINE else f"{value:.1f}"


def cell(measure: Measure | None) -> str:
    """The figure, its interval below."""
    if measure is None or not np.isfinite(measure.estimate.value):
        return ""
    one = measure.estimate
    return f"{number(one.value)}\n[dim]{number(one.low)}..{number(one.high)}[/dim]"


def spread(measure: Measure | None) -> str:
    """The standard deviation over halves of the files."""
    return "" if measure is None or not np.isfinite(measure.halves) else f"± {number(measure.halves)}"


def table_of(measures: Sequence[Measure], profile: str) -> Printed:
    """For a terminal."""
    columns = [name for name in COLUMNS if any(one.detector == name for one in measures)]
    title = f"Detection, profile {profile}: figure, and its {100 * (HIGH - LOW):.0f} % interval over files"
    printed = Printed(title=title, caption=CAPTION.strip(), caption_justify="left")
    printed.add_column("part")
    printed.add_column("measure")
    printed.add_column(COLUMNS[SHIPPED], justify="right", no_wrap=True)
    printed.add_column("halves", justify="right", no_wrap=True)
    for name in columns[1:]:
        printed.add_column(COLUMNS[name], justify="right", max_width=13)
    for part, measure in dict.fromkeys((one.part, one.measure) for one in measures):
        row = {one.detector: one for one in measures if (one.part, one.measure) == (part, measure)}
        cells = [cell(row.get(name)) for name in columns]
        printed.add_row(part, measure, cells[0], spread(row.get(SHIPPED)), *cells[1:])
    return printed
