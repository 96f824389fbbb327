"""When does a host's score raise an alarm, and when does the alarm clear?"""

import enum
import math
from collections.abc import Sequence
from typing import Final

THRESHOLD: Final = 1.0  # shipped, for every host and every pace of rows
CLEAR_SHARE: Final = 0.8  # of the level that raises: a score below it is calm
CALM_ROWS: Final = 3  # so many calm rows in a row clear
DAY: Final = 86_400.0
# A host that raises more than a few alarms a day, for days, gets a higher level: each alarm adds RISE to its logarithm,
# each day takes FALL away, so that no host raises more than FALL / RISE a day for long.
RISE: Final = 0.1
FALL: Final = 0.3
RISE_MAXIMUM: Final = 2.0
# A young host has not seen its days yet: its level is higher by so much at first, by half of it a day later, and so on.
YOUTH: Final = 0.5
# An alarm recurs if one was raised at about the same time of day on the days before.
SAME_SECONDS: Final = 900.0
SAME_DAYS: Final = 7
REMEMBERED: Final = 64


class Turn(enum.IntEnum):
    """What the alarm did at a row."""

    NONE = 0
    RAISED = 1
    CLEARED = 2


class Alarm:
    """Raised by one row at the level, cleared by `CALM_ROWS` calm ones; knows what recurs daily.

    The level is `THRESHOLD`, higher in the first days of a host, and on one that raises several alarms a day for days.
    What recurs at the same time of day is not muted, for a nightly fault is a fault: `recurred` says on how many of the
    last seven days it was there.

    Example:
        >>> alarm = Alarm()
        >>> [alarm.turn(60.0 * i, score).name for i, score in enumerate((0.3, 1.7, 1.5, 0.5, 0.4, 0.4))][1::4]
        ['RAISED', 'CLEARED']
        >>> alarm.turn(86_400.0, 1.5).name, alarm.recurred(86_400.0)
        ('RAISED', 1)
    """

    __slots__ = ("began", "calm", "raised", "raises", "rise", "time")

    def __init__(
        self,
        *,
        raised: bool = False,
        calm: int = 0,
        rise: float = 0.0,
        time: float = -math.inf,
        began: float = math.inf,
        raises: Sequence[float] = (),
    ) -> None:
        self.raised = raised
        self.calm = calm
        self.rise = rise
        self.time = time
        self.began = began
        self.raises = list(raises)

    def level(self) -> float:
        """The score that raises."""
        days = (self.time - self.began) / DAY if self.began <= self.time else 0.0
        return THRESHOLD * math.exp(self.rise) * (1.0 + YOUTH * math.exp2(-days))

    def turn(self, time: float, score: float) -> Turn:
        """What happens at a row with this time (epoch seconds) and score."""
        self.rise = max(self.rise - FALL * max(time - self.time, 0.0) / DAY, 0.0)
        self.time = max(time, self.time)
        if score > 0.0:
            self.began = min(self.began, self.time)
        self.calm = min(self.calm + 1, CALM_ROWS) if score < CLEAR_SHARE * self.level() else 0
        if not self.raised and score >= self.level():
            self.raised, self.rise = True, min(self.rise + RISE, RISE_MAXIMUM)
            self.raises = [*self.raises[1 - REMEMBERED :], time]
            return Turn.RAISED
        if self.raised and self.calm >= CALM_ROWS:
            self.raised = False
            return Turn.CLEARED
        return Turn.NONE

    def recurred(self, time: float) -> int:
        """On how many of the seven days before, an alarm was raised at this time of day, give or take 15 minutes."""
        ages = [(time - raised) / DAY for raised in self.raises]
        days = {round(age) for age in ages if abs(age - round(age)) <= SAME_SECONDS / DAY}
        return len(days & set(range(1, SAME_DAYS + 1)))
