"""What one can choose about detection; every default is the shipped one."""

import msgspec


class DetectorSettings(msgspec.Struct, frozen=True):
    """Settings of a shard and of every host in it.

    A *row* is one round of a host's readings, however many messages it came in. Host scores are -log10 of a tail
    probability a minute: at 3.0, such a row is expected less than once in a thousand minutes.
    """

    threshold: float = 3.0
    """A row votes for an alarm from this host score on."""
    clear_ratio: float = 0.5
    """A row votes for the end of an alarm below this part of the threshold."""
    vote_seconds: float = 5.0
    """The latest rows of this long decide together ..."""
    vote_rows_minimum: int = 3
    """... and never fewer rows than this."""
    raise_share: float = 0.6
    """So many of them must vote for an alarm to raise it (2 of 3, 6 of 10)."""
    clear_share: float = 0.8
    """So many of them must vote for the end to clear it (3 of 3, 8 of 10)."""
    warmup_rows: int = 60
    """A host is young, and raises nothing, for so many rows; a series counts nothing for so many readings."""
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
    series_lifetime_seconds: float = 86_400.0
    """A series quiet for this long (event time) gives its place to a new one when the host is full."""
    name_length_maximum: int = 512
    """Longer host and series names are refused and counted."""
    detectors: tuple[str, ...] = ("level", "recent")
    """Detectors that watch each series: names of rows of `detectors.table.DETECTORS`."""

    @property
    def clear_threshold(self) -> float:
        """A row votes for the end of an alarm below this host score."""
        return self.clear_ratio * self.threshold
