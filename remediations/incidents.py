"""What the log says of an incident, an action and a host, as the ledger folds it."""

import enum
from collections.abc import Iterable, Iterator

import msgspec

from detectors.signals import Signal, SignalKind
from remediations.policies import WINDOW_MAXIMUM_SECONDS, Scalar, Verification
from remediations.records import ClaimLimits, DecisionMade, FleetRaised, VerificationOutcome
from remediations.runs import RunStatus


class IncidentStatus(enum.Enum):
    """Where an incident stands. NEEDS_HUMAN is open too: automation has stopped."""

    OPEN = "open"
    NEEDS_HUMAN = "needs_human"
    CLOSED = "closed"


class RaisedSignal(msgspec.Struct, frozen=True):
    """A raised signal that has not cleared yet. `time` is event time in epoch seconds."""

    id: str
    kind: SignalKind
    time: float
    score: float


class Incident(msgspec.Struct, frozen=True):
    """One incident of one host.

    `signal` opened it; `raised` holds the signals that are raised still, by id. `cleared_time` is the event time at
    which the last of them cleared, None while one is raised. `actions` are action ids in the order they were decided.
    `human_time` is when a human was called first, 0 if nobody was; `is_cleared_since_human` tells whether the last
    signal cleared after that. Times are epoch seconds by the log's clock unless said otherwise.
    """

    incident_id: str
    host: str
    episode: int
    signal: Signal
    opened_time: float
    opened_offset: int
    raised: dict[str, RaisedSignal]
    status: IncidentStatus = IncidentStatus.OPEN
    cleared_time: float | None = None
    decision: DecisionMade | None = None
    decision_time: float = 0.0
    actions: tuple[str, ...] = ()
    reason: str = ""
    closed_time: float = 0.0
    human_time: float = 0.0
    is_cleared_since_human: bool = False

    @property
    def is_open(self) -> bool:
        """Whether signals of the host still belong to this incident."""
        return self.status is not IncidentStatus.CLOSED

    @property
    def is_trouble(self) -> bool:
        """Whether something is wrong: where only a level has moved, models are to learn it."""
        kinds = {signal.kind for signal in self.raised.values()} or {self.signal.kind}
        return kinds != {SignalKind.DRIFT}


class ActionStatus(enum.Enum):
    """Where an action stands. From DECIDED it may be claimed; CLAIMED, STARTED and UNKNOWN hold the target's lock."""

    DECIDED = "decided"
    CLAIMED = "claimed"
    STARTED = "started"
    UNKNOWN = "unknown"
    FINISHED = "finished"
    NOT_EXECUTED = "not_executed"
    VERIFIED = "verified"
    NEEDS_HUMAN = "needs_human"


UNFINISHED = frozenset({ActionStatus.CLAIMED, ActionStatus.STARTED, ActionStatus.UNKNOWN})

EXECUTED = frozenset(
    {
        ActionStatus.STARTED,
        ActionStatus.UNKNOWN,
        ActionStatus.FINISHED,
        ActionStatus.VERIFIED,
        ActionStatus.NEEDS_HUMAN,
    }
)


class Claim(msgspec.Struct, frozen=True):
    """The claim that holds an action. `token` is its log offset: a later claim of anything has a higher one."""

    claim: str
    engine: str
    token: int
    time: float
    limits: ClaimLimits


class Action(msgspec.Struct, frozen=True):
    """One attempt to run one playbook on one host. Times are epoch seconds by the log's clock, 0 until they happen."""

    action_id: str
    incident_id: str
    host: str
    rule: str
    playbook: str
    playbook_digest: str
    inputs: dict[str, Scalar]
    attempt: int
    decided_time: float
    status: ActionStatus = ActionStatus.DECIDED
    claim: Claim | None = None
    started_time: float = 0.0
    ended_time: float = 0.0
    timeout_seconds: float = 0.0
    verification: Verification | None = None
    tasks: int = 0
    run_status: RunStatus | None = None
    reason: str = ""
    outcome: VerificationOutcome | None = None

    @classmethod
    def decided(cls, record: DecisionMade, time: float) -> "Action":
        """The action that a decision allows."""
        return cls(
            action_id=record.action_id,
            incident_id=record.incident_id,
            host=record.host,
            rule=record.rule,
            playbook=record.playbook,
            playbook_digest=record.playbook_digest,
            inputs=record.inputs,
            attempt=record.attempt,
            decided_time=time,
        )

    @property
    def is_unfinished(self) -> bool:
        """Whether the action holds its target's lock and a place in its groups."""
        return self.status in UNFINISHED


class HostStanding(msgspec.Struct, frozen=True):
    """What the limits need to know of a host, for as long as the log is.

    `incident_id` is its open incident, `lock` the action that holds it, `needs_human` the incident that waits for a
    human (each empty if none). `last_run_end` is when the last run on it ended, None if there was none. `starts` are
    the times of runs that started on it within the longest window, whatever came of them, without those that the marker
    tells never began.
    """

    host: str
    episode: int = 0
    incident_id: str = ""
    lock: str = ""
    last_run_end: float | None = None
    needs_human: str = ""
    starts: tuple[float, ...] = ()


def remembered(starts: Iterable[float], now: float) -> Iterator[float]:
    """Give the starts that any window may still hold."""
    return (start for start in starts if start + WINDOW_MAXIMUM_SECONDS > now)


class FleetStanding(msgspec.Struct, frozen=True):
    """A group's fleet events: how many there were, and the one that is raised, None if none is."""

    episode: int = 0
    event: FleetRaised | None = None


class LedgerState(msgspec.Struct):
    """All that a ledger remembers.

    `log_id` is the identity of the log, empty before an engine has given it one.
    `offset` and `time` are those of the last folded entry. `unfinished` maps actions that hold a lock to their groups,
    `starts` are the times of valid starts within the longest window, `handled` maps ids of handled signals to their
    offsets, `closed` are the closed incidents that are remembered, oldest first, `ignored` counts records by reason,
    `fleets` are the fleet events of groups.
    """

    offset: int = -1
    time: float = 0.0
    log_id: str = ""
    incidents: dict[str, Incident] = {}
    actions: dict[str, Action] = {}
    hosts: dict[str, HostStanding] = {}
    unfinished: dict[str, tuple[str, ...]] = {}
    starts: list[float] = []
    handled: dict[str, int] = {}
    signal_offset: int = -1
    closed: list[str] = []
    ignored: dict[str, int] = {}
    fleets: dict[str, FleetStanding] = {}
