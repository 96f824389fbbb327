"""Series to test detectors on."""

import math

import numpy as np

from detectors.memory.layout import Words


def times(rows: int, interval: float = 60.0) -> Words:
    """Epoch seconds at an even pace."""
    return 1.7e9 + interval * np.arange(rows)


def noise(rows: int, seed: int = 0) -> Words:
    """Normal noise."""
    return np.random.default_rng(seed).normal(50.0, 3.0, rows)


def daily(rows: int, seed: int = 0) -> Words:
    """A day's swing with noise and, late, a spike and a step."""
    series = 100.0 + 30.0 * np.sin(np.arange(rows) * 2.0 * math.pi / 288.0) + noise(rows, seed) / 10.0
    series[int(rows * 0.8)] += 90.0
    series[int(rows * 0.9) :] += 25.0
    return series


def walk(rows: int, seed: int = 0) -> Words:
    """A random walk in steps of whole numbers."""
    return np.cumsum(np.random.default_rng(seed).integers(-3, 4, rows)).astype(float)


def heavy(rows: int, seed: int = 0) -> Words:
    """A lognormal series."""
    return np.random.default_rng(seed).lognormal(3.0, 1.5, rows)


def two_valued(rows: int, seed: int = 0) -> Words:
    """Zeros and rare ones."""
    return (np.random.default_rng(seed).random(rows) < 0.05).astype(float)


KINDS = {"noise": noise, "daily": daily, "walk": walk, "heavy": heavy, "two-valued": two_valued}
