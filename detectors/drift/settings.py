"""What one can choose about drift; every default is the shipped one."""

import msgspec


class DriftSettings(msgspec.Struct, frozen=True):
    """When normal has moved.

    `detector` is a row of `detectors.drift.detectors.DRIFTS`, empty for none. Watched are the host's score and its
    first `series_maximum` series whose names match `series` (`*` stands for anything). A level has moved when
    `detector` says so and the second half of the next `confirm_blocks` means of `block_seconds` (event time) lies
    outside all that was normal before. Nothing is said of a level known for less than `history_seconds`: it may come
    again every day.
    """

    detector: str = "adwin"
    series: tuple[str, ...] = ("*",)
    series_maximum: int = 8
    block_seconds: float = 60.0
    confirm_blocks: int = 60
    history_seconds: float = 86_400.0
    steps: float = 1.5
    """How far outside: so many times the largest change from one hour to the next."""
