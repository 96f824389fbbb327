"""The detectors that exist. A new one is one class that keeps the contract, and one row here."""

from collections.abc import Iterable
from typing import Final

from detectors.contract import Detector
from detectors.errors import SettingsError
from detectors.estimators.deviation import StandardAbsoluteDeviation
from detectors.estimators.forecast import HoltWinters, Snarimax
from detectors.estimators.gaussian import GaussianScorer
from detectors.estimators.half_space_trees import HalfSpaceTrees
from detectors.estimators.one_class_svm import OneClassSvm
from detectors.level import Level
from detectors.recent import Recent

DETECTORS: Final[dict[str, type[Detector]]] = {
    "level": Level,
    "recent": Recent,
    "gaussian_scorer": GaussianScorer,
    "standard_absolute_deviation": StandardAbsoluteDeviation,
    "half_space_trees": HalfSpaceTrees,
    "one_class_svm": OneClassSvm,
    "snarimax": Snarimax,
    "holt_winters": HoltWinters,
}


def check(names: Iterable[str]) -> None:
    """SettingsError unless each name is a row of the table."""
    for name in names:
        if name not in DETECTORS:
            raise SettingsError(f"detector {name!r} does not exist, wanted one or more of: {', '.join(DETECTORS)}")
