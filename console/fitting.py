"""Drawings that look at the width they get: a table where there is room, lines where there is not."""

import itertools
from collections.abc import Callable, Iterator, Sequence

from rich.console import Console, ConsoleOptions, RenderableType

from detectors.signals import WindowPoint

TABLE_CELLS = 80
"""Columns of a terminal from which on a table of many columns can be read."""


class Fitted:
    """Something that is drawn anew for each width."""

    def __init__(self, draw: Callable[[int], RenderableType]) -> None:
        self._draw = draw

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """Draw it for this terminal."""
        yield self._draw(options.max_width)


def pooled(window: Sequence[WindowPoint], cells: int) -> list[float]:
    """The scores of a window in at most so many numbers: neighbours are told by the highest of them.

    Example:
        >>> pooled([WindowPoint(0.0, 1.0), WindowPoint(1.0, 3.0), WindowPoint(2.0, 2.0)], 2)
        [1.0, 3.0]
    """
    count = min(len(window), max(1, cells))
    edges = [place * len(window) // count for place in range(count + 1)]
    return [max(point.score for point in window[first:last]) for first, last in itertools.pairwise(edges)]
