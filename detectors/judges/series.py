"""Each series alone, by the memory detector: the strangest one speaks for the host."""

import heapq
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

import msgspec

from detectors.errors import RowError
from detectors.gathering import Row
from detectors.judges.contract import BLAME_FROM, Opinion, faded
from detectors.judges.memories import Memories, SavedMemories, Scored
from detectors.memory.alarm import THRESHOLD
from detectors.memory.layout import Rows
from detectors.memory.profiles import FULL, LEAN, PROFILES
from detectors.signals import SeriesEvidence

MUTED: Final = 0.99  # a series that is strange, but no stranger than it often is, is at most so near to an alarm
FEW: Final = 5  # series of a host, each of which alone can raise an alarm ...
TOP: Final = 3  # ... of more it takes so many, or a judge of all of them
JOINT: Final = 2.1  # of the threshold, that their geometric mean must reach ...
JOINT_FAST: Final = 1.5  # ... or this, where rows come so fast that several must agree
FAST_SECONDS: Final = 2.5
FLOOR: Final = 0.05  # keeps the geometric mean above zero
BREAKOUT: Final = 0.5  # of all that a series ever was, by so much beyond it: that counts whoever judges beside it


class Weighed(NamedTuple):
    """A series, its score in units of an alarm, whether it has shown all it ever is, and is far beyond that."""

    name: str
    score: float
    is_known: bool
    breaks_out: bool


class Held(msgspec.Struct, frozen=True, array_like=True):
    """The latest score of a series that matters, in units of an alarm; it counts until its next reading."""

    score: float
    is_known: bool
    breaks_out: bool
    time: float
    interval: float
    evidence: SeriesEvidence


class SavedSeries(msgspec.Struct, frozen=True, array_like=True):
    """A saved judge of series."""

    memories: dict[str, SavedMemories]
    held: dict[str, Held]


def joint(scores: Iterable[float], interval_seconds: float) -> float:
    """The geometric mean of the three highest scores, in units of the level that it takes to raise an alarm.

    Example:
        >>> [round(joint(scores, 60.0), 1) for scores in ([4.0, 4.0, 4.0, 0.0], [4.0, 4.0])]
        [1.9, 0.4]
    """
    highest = heapq.nlargest(TOP, scores)
    highest += [0.0] * (TOP - len(highest))
    mean = math.exp(sum(math.log(score + FLOOR) for score in highest) / TOP)
    return mean / (JOINT_FAST if interval_seconds < FAST_SECONDS else JOINT)


class SeriesJudge:
    """Judges each series by its own memory.

    A series counts in full only while its own alarm is raised: so the peaks that it is used to hold. The strangest one
    speaks for a host of a few series; of more series the geometric mean of the strangest three does.

    Parameters:
        profile_of: The profile of a series, by its name.
        interval_of: Its usual interval in seconds.
        full_maximum: Series that can have profile `full`; further ones get `lean`.
        is_accompanied: Whether another judge knows the same metrics better: then only a series that breaks out of all
            it ever was counts in full.
        seed: Of the memories' random choices.
    """

    name = "series"

    def __init__(
        self,
        profile_of: Callable[[str], str],
        interval_of: Callable[[str], float],
        full_maximum: int,
        is_accompanied: Callable[[], bool] = lambda: False,
        seed: int = 0,
    ) -> None:
        self._profile_of = profile_of
        self._interval_of = interval_of
        self._full_maximum = full_maximum
        self._is_accompanied = is_accompanied
        self._seed = seed
        self._memories: dict[str, Memories] = {}
        self.profiles: dict[str, str] = {}
        self._held: dict[str, Held] = {}
        self._scored: list[tuple[Memories, Scored]] = []
        self._plan: list[tuple[Memories, Sequence[str], Rows]] = []
        self._planned: tuple[str, ...] = ()

    def score(self, row: Row) -> Opinion:
        """Score the series of this row; those that are not in it count as they did, while that is fresh."""
        names = tuple(row.values)
        if names != self._planned:
            self._plan, self._planned = self._parted(names), names
        self._scored = [(memories, memories.score(some, rows, row)) for memories, some, rows in self._plan]
        before = {name: self._held.pop(name) for name in names if name in self._held}
        alarming = {name for name, one in before.items() if one.score >= 1.0}
        weighed = [
            one for memories, scored in self._scored for one in self._weigh(memories, scored, row.time, alarming)
        ]
        weighed += [
            Weighed(name, faded(one.score, row.time - one.time, one.interval), one.is_known, one.breaks_out)
            for name, one in self._held.items()
            if name not in row.values
        ]
        if not weighed:
            return Opinion(votes={self.name: 0.0})
        score = self.together(weighed, row.interval)
        if self._is_accompanied():
            return Opinion(score, votes={self.name: score or max(one.score for one in weighed)})
        ranking = max(float(scored.readings.rankings.max()) for _, scored in self._scored)
        return Opinion(score, ranking / THRESHOLD, score, {self.name: score})

    def together(self, weighed: list[Weighed], interval_seconds: float) -> float:
        """One score of a host, of the scores of its series."""
        scores = [one.score for one in weighed]
        if len(self.profiles) <= FEW:
            return max(scores, default=0.0)
        alone = max((one.score for one in weighed if one.breaks_out), default=0.0)
        if self._is_accompanied():
            return alone
        return max(alone, joint(scores, interval_seconds))

    def _parted(self, names: Sequence[str]) -> list[tuple[Memories, Sequence[str], Rows]]:
        """The series by profile, each with its memories and its places there."""
        parts: dict[str, list[str]] = {}
        for name in names:
            parts.setdefault(self._profile(name), []).append(name)
        plan: list[tuple[Memories, Sequence[str], Rows]] = []
        for profile, some in parts.items():
            memories = self._memories.get(profile)
            if memories is None:
                memories = self._memories[profile] = Memories(PROFILES[profile], seed=self._seed)
            plan.append((memories, some, memories.place(some)))
        return plan

    def _profile(self, name: str) -> str:
        profile = self.profiles.get(name)
        if profile is None:
            profile = self._profile_of(name)
            if profile == FULL.name and list(self.profiles.values()).count(profile) >= self._full_maximum:
                profile = LEAN.name
            self.profiles[name] = profile
        return profile

    def _doubt(self, memories: Memories, scored: Scored, place: int, interval_seconds: float) -> float:
        """By how much the score of a series is too high to begin an alarm: it knows little, or is one of several, and
        the more there are, the likelier one of them is strange by chance (Bonferroni). None ends by doubt.
        """
        doubt = memories.youth(scored, place, interval_seconds)
        if len(self.profiles) <= FEW and interval_seconds >= FAST_SECONDS:  # one row of one series decides
            doubt += memories.records(scored, place) + math.log10(len(self.profiles))
        return doubt

    def _weigh(self, memories: Memories, scored: Scored, time: float, alarming: set[str]) -> list[Weighed]:
        """The strange ones of some series with their scores in units of an alarm; what matters of them is held.

        Those that were `alarming` at their reading before are taken at their word.
        """
        weighed = []
        for place in scored.strange:
            name = scored.names[place]
            interval = self._interval_of(name)
            level = float(scored.readings.scores[place])
            if name not in alarming:
                level -= self._doubt(memories, scored, place, interval)
            score = max(level, 0.0) / THRESHOLD
            if not memories.is_raised(scored, place):
                score = min(score, MUTED)
            is_known = score >= 1.0 and memories.is_known(scored, place, interval)
            breaks_out = is_known and memories.breakout(scored, place) >= BREAKOUT
            weighed.append(Weighed(name, score, is_known, breaks_out))
            if score >= BLAME_FROM:
                evidence = memories.explain(scored, place)
                self._held[name] = Held(score, is_known, breaks_out, time, interval, evidence)
        return weighed

    def learn(self, row: Row) -> None:
        """The row that was scored last is learned."""
        del row
        for memories, scored in self._scored:
            memories.learn(scored)

    def skip(self, row: Row, *, keep: bool) -> None:
        """The row that was scored last is not learned, or later."""
        del row
        for memories, scored in self._scored:
            memories.skip(scored, keep=keep)

    def recall(self) -> None:
        """Learn what was skipped and kept."""
        for memories in self._memories.values():
            memories.recall()

    def blame(self) -> list[SeriesEvidence]:
        """The series whose scores matter, highest first."""
        order = sorted(self._held.values(), key=lambda one: (-one.score, one.evidence.series))
        return [one.evidence for one in order]

    def forget(self, series: str) -> None:
        """The series begins anew."""
        self._held.pop(series, None)
        profile = self.profiles.pop(series, None)
        if profile is not None:
            self._memories[profile].forget(series)
        self._planned = ()

    def to_bytes(self) -> bytes:
        """The whole state, exactly."""
        memories = {name: one.state() for name, one in self._memories.items()}
        return msgspec.msgpack.encode(SavedSeries(memories, self._held))

    def load(self, state: bytes) -> None:
        """Take over a state. RowError if the bytes are damaged or of another version."""
        try:
            saved = msgspec.msgpack.decode(state, type=SavedSeries)
        except msgspec.DecodeError as error:
            raise RowError(f"saved series of {len(state)} bytes can not be read: {error}") from error
        for name, one in saved.memories.items():
            if name not in PROFILES:
                raise RowError(f"saved series have profile {name!r}, wanted one of: {', '.join(PROFILES)}")
            self._memories[name] = Memories(PROFILES[name], seed=self._seed)
            self._memories[name].load(one)
            self.profiles |= dict.fromkeys(self._memories[name].places, name)
        self._held = dict(saved.held)
        self._planned = ()
