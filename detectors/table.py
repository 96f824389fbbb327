"""The detectors that exist. A new one is one class that keeps the contract, and one row here."""

from typing import Final

from detectors.contract import Detector
from detectors.level import Level

DETECTORS: Final[dict[str, type[Detector]]] = {
    "level": Level,
}
