"""Made-up hosts: rows of metrics that belong together, and what can happen to them."""

import numpy as np
import numpy.typing as npt

type Matrix = npt.NDArray[np.float64]


def clock(rows: int, interval: float = 60.0) -> Matrix:
    """Times of so many rows."""
    return 1_700_000_000.0 + interval * np.arange(rows)


def healthy(rows: int, metrics: int = 8, seed: int = 1) -> Matrix:
    """Two slow loads that all metrics share in their own proportion, and noise of each."""
    rng = np.random.default_rng(seed)
    loads = np.zeros((rows, 2))
    for row in range(1, rows):
        loads[row] = 0.95 * loads[row - 1] + rng.normal(0.0, 0.3, 2)
    shares = rng.uniform(-1.0, 1.0, (2, metrics))
    return np.asarray(50.0 + loads @ shares + rng.normal(0.0, 0.5, (rows, metrics)))
