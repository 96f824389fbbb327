"""What the detectors say: signals with their evidence, and the roster of who is there."""

import enum

import msgspec

from detectors.saves import SavedState


class SignalKind(enum.Enum):
    """What kind of thing was noticed.

    DRIFT is no trouble: what is normal has moved. FLEET is of no single host: several of a group are in trouble.
    """

    ANOMALY = "anomaly"
    SILENCE = "silence"
    DRIFT = "drift"
    FLEET = "fleet"


class SignalState(enum.Enum):
    """Whether the signal begins or ends."""

    RAISED = "raised"
    CLEARED = "cleared"


class HostState(enum.Enum):
    """What the roster says of a host. UNREADABLE: records of it come, and none of them gives a reading."""

    YOUNG = "young"
    NORMAL = "normal"
    ANOMALOUS = "anomalous"
    SILENT = "silent"
    UNREADABLE = "unreadable"


class Unread(msgspec.Struct, frozen=True):
    """The latest record of a host that gave no reading: why, and since when there was none but such records.

    `reason` and `detail` are those of its refusal; times are our clock's, epoch seconds.
    """

    reason: str
    detail: str
    first_time: float
    last_time: float


class SeriesEvidence(msgspec.Struct, frozen=True):
    """One series to blame: what was seen against what was expected, in the series' own unit.

    `expected` is the model's centre, `low` and `high` the band it finds ordinary; `score` is
    -log10 of the calibrated tail probability. `per_second`: the series only grows, so its growth a second is told.
    """

    series: str
    observed: float
    expected: float
    low: float
    high: float
    score: float
    per_second: bool = False


class WindowPoint(msgspec.Struct, frozen=True, array_like=True):
    """One point of the recent window: event time in epoch seconds, the host's calibrated score."""

    time: float
    score: float


class LineEvidence(msgspec.Struct, frozen=True):
    """A log line that stands for its template: the first one that was seen, at `time` (event time, epoch seconds).

    `is_unseen` tells a template that was never seen before on this host, though its logs are well known.
    """

    template_id: str
    template: str
    level: str
    line: str
    time: float
    is_unseen: bool


class Evidence(msgspec.Struct, frozen=True):
    """Why a signal was raised or cleared, complete enough to draw without the model.

    `series` is ordered, most to blame first; `window` is ordered by time; `votes` maps a detector's name to its score;
    `first_offset` and `last_offset` bound the records of `partition` of the samples topic that the window covers;
    `lines` are of log templates that were never seen before and of those to blame.
    """

    series: tuple[SeriesEvidence, ...] = ()
    window: tuple[WindowPoint, ...] = ()
    votes: dict[str, float] = {}
    partition: int = -1
    first_offset: int = -1
    last_offset: int = -1
    lines: tuple[LineEvidence, ...] = ()


class Signal(msgspec.Struct, frozen=True, tag="signal", tag_field="type"):
    """Something noticed on one host.

    `id` is deterministic (hex): the same samples give the same id, so a replay repeats a signal and never invents one.
    A cleared signal carries in `raised_id` the id of the raised one it ends. `time` is event time in epoch seconds of
    the newest sample it rests on; `score` and `threshold` are in units of the shipped alarm, which takes 1.0.
    """

    id: str
    kind: SignalKind
    state: SignalState
    host: str
    time: float
    score: float
    threshold: float
    evidence: Evidence
    raised_id: str = ""


class HostStatus(msgspec.Struct, frozen=True, tag="host", tag_field="type"):
    """One entry of the roster: what detect knows of a host at `time` (detect's wall clock, epoch seconds).

    `samples` counts the samples applied to the host's model over its life; `last_sample_time` is event time.
    Until `maintenance_until` (epoch seconds, 0 if never) nothing is learned; `saves` can be gone back to, oldest first.
    `moved` are series whose level has moved and that are not known again yet. `unread` tells of a record that gave no
    reading, if none that did has come since. `behind_seconds` is by how much the clock or time zone of the host is
    constantly behind ours, negative if it is ahead and 0 if it is right or nobody knows.
    """

    host: str
    state: HostState
    time: float
    last_sample_time: float
    score: float
    samples: int
    series: int
    partition: int
    maintenance_until: float = 0.0
    saves: tuple[SavedState, ...] = ()
    moved: tuple[str, ...] = ()
    unread: Unread | None = None
    behind_seconds: float = 0.0


type Notice = Signal | HostStatus
