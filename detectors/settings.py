"""What one can choose about detection; every default is the shipped one."""

from fnmatch import fnmatchcase
from typing import Annotated, Literal

import msgspec

from detectors.drift.settings import DriftSettings

type ProfileName = Literal["full", "lean"]
type Patterns = Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]

LOG_SERIES = "log.*"
PERCENT = ("*percent", "*_pct", "cpu.usage_*")  # names of fields that can only be percentages of a whole


class Watch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How some series of some hosts are watched: the first entry of a list that fits holds."""

    hosts: Patterns = ("*",)
    """Names of hosts, with `*` and `?`."""
    series: Patterns = ("*",)
    """Names of series, with `*` and `?`."""
    profile: ProfileName = "full"
    """How much is remembered of a series: `full` in 16 KiB, `lean` in 0.5 KiB."""
    detectors: tuple[str, ...] = ()
    """Further detectors that judge these series: names of rows of `detectors/table.py`."""


ORDINARY = Watch()
LOGS = Watch(series=(LOG_SERIES,), profile="lean")


class DetectorSettings(msgspec.Struct, frozen=True):
    """Settings of a shard and of every host in it.

    A *row* is one round of a host's readings, however many messages it came in. Scores are in units of an alarm: a row
    at 1.0 or more votes for one.
    """

    threshold: float = 1.0
    """A row votes for an alarm from this host score on."""
    clear_ratio: float = 0.8
    """A row votes for the end of an alarm below this part of the threshold."""
    vote_seconds: float = 5.0
    """The latest rows of this long decide together; where rows are further apart, the latest one or two decide."""
    confirm_seconds: float = 30.0
    """Where rows come more often than this, at least two decide together: who looks often sees more that is chance."""
    raise_share: float = 0.6
    """So many of them must vote for an alarm to raise it (1 of 1, 2 of 2, 6 of 10)."""
    clear_share: float = 0.8
    """So many of them must vote for the end to clear it (8 of 10) ..."""
    clear_rows_minimum: int = 3
    """... and no fewer rows than this are asked (3 of 3)."""
    warmup_rows: int = 60
    """A host is young, and raises nothing, for so many rows."""
    pause_maximum_seconds: float = 3600.0
    """Learning pauses during an alarm or an incident for at most this long (event time), then learns the new normal."""
    log_window_seconds: float = 5.0
    """Log lines are counted by level over windows of this length (event time)."""
    silence_seconds: float = 60.0
    """A host is silent after at least this long without a reading ..."""
    silence_intervals: float = 10.0
    """... and at least so many of its usual intervals."""
    hosts_maximum: int = 10_000
    """Hosts of one shard; further new hosts are refused and counted."""
    series_maximum: int = 500
    """Series of one host; further new series are refused and counted."""
    series_full_maximum: int = 16
    """Series of one host that are watched with profile `full` (16 KiB each); further ones get `lean`."""
    series_lifetime_seconds: float = 86_400.0
    """A series quiet for this long (event time) gives its place to a new one when the host is full."""
    name_length_maximum: int = 512
    """Longer host and series names are refused and counted."""
    watch: tuple[Watch, ...] = ()
    """How series are watched; without an entry that fits: logs lean, all else full."""
    full_scales: dict[str, float] = {}
    """Series name (with `*`) to the most it can be; percentages are known by their names."""
    drift: DriftSettings = DriftSettings()
    """Which levels may move, and who tells."""

    @property
    def clear_threshold(self) -> float:
        """A row votes for the end of an alarm below this host score."""
        return self.clear_ratio * self.threshold

    def watch_of(self, host: str, series: str) -> Watch:
        """How a series is watched.

        Example:
            >>> settings = DetectorSettings(watch=(Watch(hosts=("edge-*",), profile="lean"),))
            >>> [settings.watch_of(host, "cpu.load").profile for host in ("edge-7", "web-1")]
            ['lean', 'full']
        """
        return next((one for one in (*self.watch, LOGS, ORDINARY) if _fits(one, host, series)), ORDINARY)

    def full_scale_of(self, series: str) -> float:
        """The most a series can be, 0 if nobody knows.

        Example:
            >>> [DetectorSettings().full_scale_of(name) for name in ("mem.used_percent", "mem.used{host=a}")]
            [100.0, 0.0]
        """
        field = series.partition("{")[0]
        for pattern, most in self.full_scales.items():
            if fnmatchcase(series, pattern):
                return most
        return 100.0 if any(fnmatchcase(field, pattern) for pattern in PERCENT) else 0.0


def _fits(watch: Watch, host: str, series: str) -> bool:
    return any(fnmatchcase(host, one) for one in watch.hosts) and any(fnmatchcase(series, one) for one in watch.series)
