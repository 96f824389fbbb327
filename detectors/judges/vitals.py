"""Many metrics of a host together, by their vital signs."""

from collections.abc import Callable

import msgspec

from detectors.errors import RowError
from detectors.gathering import Row
from detectors.judges.contract import BLAME_FROM, Opinion
from detectors.signals import SeriesEvidence
from detectors.vitals.alarm import DAY, Alarm
from detectors.vitals.block import CAPACITY_MAXIMUM
from detectors.vitals.host import VARYING_LEAST, HostVitals
from detectors.vitals.layout import Words


class SavedVitals(msgspec.Struct, frozen=True, array_like=True):
    """A saved judge of many metrics."""

    vitals: bytes
    is_judging: bool
    blamed: tuple[SeriesEvidence, ...]


def copied(alarm: Alarm) -> Alarm:
    """The alarm as it is now."""
    return Alarm(
        raised=alarm.raised, calm=alarm.calm, rise=alarm.rise, time=alarm.time, began=alarm.began, raises=alarm.raises
    )


class VitalsJudge:
    """Judges the metrics of a host together, once enough of them vary and are known well.

    Parameters:
        full_scale_of: The most a metric can be, by its name; 0 if nobody knows.
    """

    def __init__(self, full_scale_of: Callable[[str], float]) -> None:
        self._full_scale_of = full_scale_of
        self._vitals = HostVitals()
        self._was: tuple[list[Words], Alarm] = [], self._vitals.alarm
        self._is_judging = False
        self._blamed: tuple[SeriesEvidence, ...] | None = ()  # None: not asked yet

    def score(self, row: Row) -> Opinion:
        """Score the row; 0 while fewer than six metrics vary, or none is mature."""
        vitals = self._vitals
        for name in row.values:
            if name not in vitals.names:
                vitals.declare(name, self._full_scale_of(name))
        if len(vitals.names) < VARYING_LEAST:
            return Opinion()
        self._was = [block.words.copy() for block in vitals.blocks], copied(vitals.alarm)
        reading = vitals.step(row.time, row.values)
        self._is_judging = vitals.varying() >= VARYING_LEAST and vitals.mature()
        if not self._is_judging:
            self._blamed = ()
            return Opinion()
        score = reading.anomaly / vitals.alarm.level()
        self._blamed = None if score >= BLAME_FROM else ()
        return Opinion(score, reading.anomaly, reading.score, {"vitals": score})

    def knows_days(self) -> bool:
        """Whether the host has been judged for a day: before that its tails and relations are guesses."""
        alarm = self._vitals.alarm
        return self._is_judging and alarm.time - alarm.began >= DAY

    def learn(self, row: Row) -> None:
        """The row that was scored last is learned: scoring has done so."""

    def skip(self, row: Row, *, keep: bool) -> None:
        """Take the learning of the latest row back, if it is not to be kept.

        What may be learned later is learned now: a memory of a week moves little in the hour that a pause lasts.
        """
        if keep or len(self._vitals.names) < VARYING_LEAST:
            return
        words, alarm = self._was
        for block, was in zip(self._vitals.blocks, words, strict=True):
            block.words[:] = was
        self._vitals.alarm = alarm
        self._vitals.step(row.time, row.values, learn=False)

    def recall(self) -> None:
        """Nothing is kept."""

    def blame(self) -> list[SeriesEvidence]:
        """The metrics to blame."""
        if self._blamed is None:
            self._blamed = self._vitals.evidence()
        return list(self._blamed)

    def forget(self, series: str) -> None:
        """The metric begins anew, in its place."""
        place = self._vitals.names.get(series)
        if place is not None:
            self._vitals.blocks[place // CAPACITY_MAXIMUM].vacate(place % CAPACITY_MAXIMUM)
            self._vitals.declare(series, self._full_scale_of(series))

    def to_bytes(self) -> bytes:
        """The whole state, exactly."""
        return msgspec.msgpack.encode(SavedVitals(self._vitals.to_bytes(), self._is_judging, tuple(self.blame())))

    def load(self, state: bytes) -> None:
        """Take over a state. RowError if the bytes are damaged or of another version."""
        try:
            saved = msgspec.msgpack.decode(state, type=SavedVitals)
        except msgspec.DecodeError as error:
            raise RowError(f"saved vitals of {len(state)} bytes can not be read: {error}") from error
        self._vitals = HostVitals.from_bytes(saved.vitals)
        self._is_judging, self._blamed = saved.is_judging, saved.blamed
