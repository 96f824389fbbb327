"""How sure is a figure: bootstrap over files."""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec
import numpy as np

RESAMPLES: Final = 400
LOW, HIGH = 0.05, 0.95


class Estimate(msgspec.Struct, frozen=True):
    """A figure with the middle nine tenths of what it is on files drawn anew, with replacement."""

    value: float
    low: float
    high: float


def estimate[T](files: Sequence[T], figure: Callable[[Sequence[T]], float], seed: int = 0) -> Estimate:
    """The figure of all files, and its interval; NaN where it is not defined."""
    generator = np.random.default_rng(seed)
    draws = generator.integers(0, len(files), (RESAMPLES, len(files)))
    figures = np.array([figure([files[place] for place in draw]) for draw in draws])
    figures = figures[np.isfinite(figures)]
    low, high = np.quantile(figures, [LOW, HIGH]) if len(figures) else (np.nan, np.nan)
    return Estimate(figure(files), float(low), float(high))


def halves[T](files: Sequence[T], figure: Callable[[Sequence[T]], float], splits: int = 100, seed: int = 0) -> float:
    """The standard deviation of the figure over random halves of the files."""
    generator = np.random.default_rng(seed)
    chosen = [generator.permutation(len(files))[: (len(files) + 1) // 2] for _ in range(splits)]
    figures = np.array([figure([files[place] for place in half]) for half in chosen])
    figures = figures[np.isfinite(figures)]
    return float(figures.std()) if len(files) > 1 and len(figures) else float("nan")
