"""What one can choose about detection; every default is the shipped one."""

import msgspec


class DetectorSettings(msgspec.Struct, frozen=True):
    """Settings of a shard and of every host in it.

    Scores are -log10 of a tail probability. A *row* is one round of a host's readings, however many messages it came in.
    """

    threshold: float = 3.0
    """A row votes for an alarm from this host score on."""
    clear_threshold: float = 2.0
    """A row votes for the end of an alarm below this host score."""
    raise_votes: int = 4
    """Rows that must vote for an alarm to raise it ..."""
    raise_rows: int = 6
    """... of this many latest rows."""
    clear_votes: int = 5
    """Rows that must vote for the end to clear it ..."""
    clear_rows: int = 6
    """... of this many latest rows."""
    warmup_rows: int = 60
    """A host is young, and raises nothing, for so many rows; a series is left out of the score for so many readings."""
    pause_maximum_seconds: float = 3600.0
    """Learning pauses during an alarm or an incident for at most this long (event time); then the new normal is learned."""
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
    """A series that has not reported for this long (event time) gives its place to a new one when the host is full."""
    name_length_maximum: int = 512
    """Longer host and series names are refused and counted."""
    detectors: tuple[str, ...] = ("level",)
    """Detectors that watch each series: names of rows of `detectors.table.DETECTORS`."""
