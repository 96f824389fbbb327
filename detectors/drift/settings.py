"""What one can choose about drift; every default is the shipped one."""

from typing import Annotated, Literal

import msgspec

type Positive = Annotated[int, msgspec.Meta(gt=0)]
type Seconds = Annotated[float, msgspec.Meta(gt=0)]


class DriftSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When normal has moved.

    A level has moved when the detector says so and the second half of the next blocks lies outside all that was normal
    in the past eight days.
    """

    detector: Literal["adwin", "page_hinkley", "kswin", ""] = "adwin"
    """River's test that finds changes: a row of `detectors.drift.detectors.DRIFTS`. Empty: drift is not looked for."""
    series: tuple[str, ...] = ("*",)
    """Names of series that are watched (with `*`), beside the host's score; rates of log lines never are."""
    series_maximum: Positive = 8
    """So many series of a host are watched, the first that come."""
    block_seconds: Seconds = 60.0
    """Readings are averaged over blocks of this length (event time) ..."""
    confirm_blocks: Positive = 60
    """... and so many blocks after a change tell whether it stays."""
    history_seconds: Annotated[float, msgspec.Meta(ge=0)] = 86_400.0
    """Nothing is said of a level known for less than this: it may come again every day."""
    steps: Annotated[float, msgspec.Meta(ge=0)] = 1.5
    """How far outside a level must be: so many times the largest change from one hour to the next."""
