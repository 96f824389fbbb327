"""Labels as rows of one file: which rows are an incident, when it began, and which rows count at all."""

import msgspec
import numpy as np
import numpy.typing as npt

from benchmarks.quality.folders import Floats, Labels

WARM_UP_SHARE, WARM_UP_ROWS = 0.15, 750


class Episodes(msgspec.Struct, frozen=True):
    """One file: first and last row of each incident, its true onset in seconds, and the first row that counts."""

    seconds: Floats
    windows: list[tuple[int, int]]
    onsets: list[float]
    warm_up: int

    @property
    def rows(self) -> int:
        """How many rows the file has."""
        return len(self.seconds)

    @property
    def step(self) -> float:
        """Usual seconds between rows."""
        return float(np.median(np.diff(self.seconds))) if self.rows > 1 else 60.0

    def inside(self, grace_seconds: float = 0.0) -> npt.NDArray[np.bool_]:
        """Which rows belong to an incident, or follow it by at most `grace_seconds`."""
        rows = np.zeros(self.rows, np.bool_)
        for start, end in self.windows:
            rows[start : self.last(end, grace_seconds) + 1] = True
        return rows

    def last(self, end: int, grace_seconds: float) -> int:
        """The last row that is still credited to a window that ends at row `end`."""
        return int(np.searchsorted(self.seconds, self.seconds[end] + grace_seconds, "right")) - 1

    def counted(self) -> npt.NDArray[np.bool_]:
        """Which rows are scored."""
        return np.arange(self.rows) >= self.warm_up


def episodes(seconds: Floats, labels: Labels, merged: int = 1) -> Episodes:
    """The labels of one file as rows; windows without a row are left out.

    A row of a disguised file is `merged` rows of the file that was labelled: its warm-up is as long in time.
    """
    windows, onsets = [], []
    for start, end in labels.windows:
        first = int(np.searchsorted(seconds, start, "left"))
        last = int(np.searchsorted(seconds, end, "right")) - 1
        if last >= first:
            windows.append((first, last))
            known = [point for point in labels.points if seconds[first] <= point <= seconds[last]]
            onsets.append(min(known, default=float(seconds[first])))
    warm_up = labels.first_row
    if warm_up is None:
        warm_up = min(int(WARM_UP_SHARE * len(seconds)), WARM_UP_ROWS // merged)
    return Episodes(seconds, windows, onsets, warm_up)
