"""When does a host's score raise an alarm, and when does the alarm clear?"""

import enum
from typing import Final

THRESHOLD: Final = 1.0  # shipped, for every host and every pace of rows
CLEAR: Final = 0.6  # a score below it is calm
CALM_ROWS: Final = 5  # so many calm rows in a row clear


class Turn(enum.IntEnum):
    """What the alarm did at a row."""

    NONE = 0
    RAISED = 1
    CLEARED = 2


class Alarm:
    """Raised by one row at the threshold, cleared by `CALM_ROWS` calm ones.

    Example:
        >>> alarm = Alarm()
        >>> [alarm.turn(score).name for score in (0.3, 1.2, 0.8, 0.5, 0.4, 0.4, 0.4, 0.4)][1::6]
        ['RAISED', 'CLEARED']
    """

    __slots__ = ("calm", "raised")

    def __init__(self, *, raised: bool = False, calm: int = 0) -> None:
        self.raised = raised
        self.calm = calm

    def turn(self, score: float) -> Turn:
        """What happens at a row with this score."""
        self.calm = min(self.calm + 1, CALM_ROWS) if score < CLEAR else 0
        if not self.raised and score >= THRESHOLD:
            self.raised = True
            return Turn.RAISED
        if self.raised and self.calm >= CALM_ROWS:
            self.raised = False
            return Turn.CLEARED
        return Turn.NONE
