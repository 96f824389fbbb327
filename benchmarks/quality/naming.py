"""Are the right names given: log lines to templates, incidents to metrics?"""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from benchmarks.quality.folders import Blame, Floats

FIRST_ROWS = 30  # of an incident: an operator reads the blame while it is fresh


def grouping_accuracy(templates: Sequence[str], events: Sequence[str]) -> float:
    """The share of lines whose template holds exactly the lines of their true event, as loghub counts it."""
    pairs = Counter(zip(templates, events, strict=True))
    sizes, truths = Counter(templates), Counter(events)
    right = sum(count for (name, truth), count in pairs.items() if count == sizes[name] == truths[truth])
    return right / len(events)


def first_blamed(seconds: Floats, ranking: Floats, blamed: Sequence[str], incident: Blame) -> str:
    """The metric that is most to blame by the strangest of the first rows of an incident; "" if none is named."""
    rows = np.flatnonzero((seconds >= incident.start) & (seconds <= incident.end))[:FIRST_ROWS]
    named = [row for row in rows if blamed[row]]
    return blamed[max(named, key=lambda row: ranking[row])].split()[0] if named else ""


def blamed_right(seconds: Floats, ranking: Floats, blamed: Sequence[str], incidents: Sequence[Blame]) -> list[bool]:
    """Of each incident, whether the metric most to blame is one that experts blamed."""
    return [first_blamed(seconds, ranking, blamed, incident) in incident.metrics for incident in incidents]
