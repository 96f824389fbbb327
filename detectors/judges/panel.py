"""All judges of a host, in one list."""

import enum
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from detectors.errors import RowError
from detectors.gathering import Row
from detectors.judges.contract import Judge, Opinion, faded
from detectors.judges.logs import LogsJudge
from detectors.judges.named import NamedJudge
from detectors.judges.series import SeriesJudge
from detectors.judges.vitals import VitalsJudge
from detectors.settings import DetectorSettings, ProfileName
from detectors.signals import SeriesEvidence

BLAMED: Final = 8


class Kind(enum.Enum):
    """Which rows a judge is asked about."""

    METRICS = "metrics"
    LOGS = "logs"


class Bench(msgspec.Struct, frozen=True):
    """What judges are made of: the host's settings, by series, and a seed."""

    host: str
    settings: DetectorSettings
    interval_of: Callable[[str], float]
    seed: int

    def profile_of(self, series: str) -> ProfileName:
        """The profile of a series."""
        return self.settings.watch_of(self.host, series).profile

    def detectors_of(self, series: str) -> tuple[str, ...]:
        """The named detectors of a series."""
        return self.settings.watch_of(self.host, series).detectors


class Standing(msgspec.Struct, frozen=True, array_like=True):
    """What a judge said last: it counts until the judge is asked again, and fades."""

    score: float
    ranking: float
    level: float
    votes: dict[str, float]
    time: float
    interval: float

    def at(self, time: float) -> float:
        """The score as it counts now."""
        return faded(self.score, time - self.time, self.interval)


class SavedPanel(msgspec.Struct, frozen=True, array_like=True):
    """A saved panel, by names of judges."""

    judges: dict[str, bytes]
    standing: dict[str, Standing]


class Panel:
    """Asks every judge whose business a row is; the one that is nearest to an alarm speaks for the host."""

    def __init__(self, bench: Bench) -> None:
        vitals = VitalsJudge(bench.settings.full_scale_of)
        alone = bench.profile_of, bench.interval_of, bench.settings.series_full_maximum
        self.judges: dict[str, tuple[Kind, Judge]] = {
            # Many metrics together ...
            "vitals": (Kind.METRICS, vitals),
            # ... and each alone, which decides where they are few or young.
            "series": (Kind.METRICS, SeriesJudge(*alone, is_accompanied=vitals.knows_days, seed=bench.seed)),
            "detectors": (Kind.METRICS, NamedJudge(bench.detectors_of, seed=bench.seed)),
            # Lines of logs by level and template.
            "logs": (Kind.LOGS, LogsJudge(*alone, seed=bench.seed)),
            "log detectors": (Kind.LOGS, NamedJudge(bench.detectors_of, seed=bench.seed)),
        }
        self.standing: dict[str, Standing] = {}

    def score(self, row: Row) -> Opinion:
        """What the panel says of the host at this row; judges it is no business of stand by what they said."""
        for name, judge in self._asked(row):
            one = judge.score(row)
            self.standing[name] = Standing(one.score, one.ranking, one.level, one.votes, row.time, row.interval)
        standing = self.standing.values()
        return Opinion(
            max((one.at(row.time) for one in standing), default=0.0),
            max((one.ranking for one in standing), default=0.0),
            max((one.level for one in standing), default=0.0),
            {vote: said for one in standing for vote, said in one.votes.items()},
        )

    def learn(self, row: Row) -> None:
        """Take in the row that was scored last."""
        for _, judge in self._asked(row):
            judge.learn(row)

    def skip(self, row: Row, *, keep: bool) -> None:
        """Leave out the row that was scored last; `keep` it for later, or drop all that was kept."""
        for _, judge in self._asked(row):
            judge.skip(row, keep=keep)

    def recall(self) -> None:
        """Take in the rows that were kept."""
        for _, judge in self.judges.values():
            judge.recall()

    def _asked(self, row: Row) -> Iterable[tuple[str, Judge]]:
        kind = Kind.LOGS if row.of_logs else Kind.METRICS
        return ((name, judge) for name, (wanted, judge) in self.judges.items() if wanted is kind)

    def blame(self, time: float) -> list[SeriesEvidence]:
        """The series to blame, those of the judge that is nearest to an alarm first."""
        order = sorted(self.standing, key=lambda name: -self.standing[name].at(time))
        blamed: dict[str, SeriesEvidence] = {}
        for name in order:
            for one in self.judges[name][1].blame():
                blamed.setdefault(one.series, one)
        return list(blamed.values())[:BLAMED]

    def forget(self, series: str) -> None:
        """The series begins anew."""
        for _, judge in self.judges.values():
            judge.forget(series)

    def state(self) -> SavedPanel:
        """Everything."""
        judges = {name: judge.to_bytes() for name, (_, judge) in self.judges.items()}
        return SavedPanel(judges, dict(self.standing))

    def load(self, state: SavedPanel) -> None:
        """Take over a state. RowError if it is damaged or of another version."""
        if set(state.judges) != set(self.judges) or not set(state.standing) <= set(self.judges):
            raise RowError(f"saved judges are {sorted(state.judges)}, wanted {sorted(self.judges)}")
        for name, (_, judge) in self.judges.items():
            judge.load(state.judges[name])
        self.standing = dict(state.standing)
