"""The detectors that exist. A new one is one class that keeps the contract, and one row here."""

from collections.abc import Iterable
from typing import Final

from detectors.contract import Detector
from detectors.errors import SettingsError
from detectors.level import Level
from detectors.recent import Recent

DETECTORS: Final[dict[str, type[Detector]]] = {
    "level": Level,
    "recent": Recent,
}


def check(names: Iterable[str]) -> None:
    """SettingsError unless there is at least one name and each is a row of the table."""
    chosen = list(names)
    for name in chosen or [""]:
        if name not in DETECTORS:
            raise SettingsError(f"detector {name!r} does not exist, wanted one or more of: {', '.join(DETECTORS)}")
