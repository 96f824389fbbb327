"""The records of the audit log: one frozen struct for each thing that can happen, told apart by `type`.

A record says what happened and names the exact state it was decided on (`Seen`). Records are only ever added to: new
fields have defaults, no field changes its type, unknown types are skipped by readers.
"""

import enum

import msgspec

from detectors.fleet import FleetView
from detectors.signals import Signal, SignalKind, SignalState
from remediations.policies import RuleMode, Scalar, Verification
from remediations.runs import HostCounts, RunStatus, TaskEvent


class Verdict(enum.Enum):
    """What a decision came to."""

    RUN = "run"
    OBSERVE = "observe"
    DENY = "deny"


class GateResult(msgspec.Struct, frozen=True):
    """What one gate said.

    `value` and `limit` are text in the gate's own unit; `next_time` is epoch seconds, 0 if time alone will not help.
    """

    gate: str
    passed: bool
    reason: str = ""
    value: str = ""
    limit: str = ""
    next_time: float = 0.0


class ClaimLimits(msgspec.Struct, frozen=True):
    """The limits under which a claim is valid: carried by the claim, so that every reader judges it alike.

    Claims of versions that knew no `host_attempts_maximum` carry None: they were made without this limit.
    """

    cooldown_seconds: float
    attempts_maximum: int
    groups: tuple[str, ...]
    group_concurrency_maximum: int
    starts_maximum: int
    starts_window_seconds: float
    refuses_fleet_events: bool = False
    host_attempts_maximum: int | None = None
    host_attempts_window_seconds: float = 0.0
    cooldown_maximum_seconds: float = 0.0


class EngineStarted(msgspec.Struct, frozen=True, tag="engine.started", tag_field="type"):
    """An engine began to work with this policy, these playbooks and this inventory (SHA-256 digests).

    `log_id` is the identity of the audit log: the first record that has one gives it to the log.
    """

    engine: str
    version: str
    policy_digest: str
    playbook_digests: dict[str, str]
    inventory_digest: str = ""
    log_id: str = ""


class RulesChanged(msgspec.Struct, frozen=True, tag="rules.changed", tag_field="type"):
    """An engine at work goes on with these rules: they were changed, or are right again (SHA-256 digests)."""

    engine: str
    policy_digest: str
    playbook_digests: dict[str, str]
    inventory_digest: str


class RulesRefused(msgspec.Struct, frozen=True, tag="rules.refused", tag_field="type"):
    """The rules as their files are now are wrong: an engine at work keeps the last that were right (SHA-256 digest)."""

    engine: str
    problem: str
    policy_digest: str


class IncidentOpened(msgspec.Struct, frozen=True, tag="incident.opened", tag_field="type"):
    """A raised signal began an incident. `signal_offset` is the signal's place in the signals topic."""

    incident_id: str
    host: str
    episode: int
    signal: Signal
    signal_offset: int


class IncidentUpdated(msgspec.Struct, frozen=True, tag="incident.updated", tag_field="type"):
    """A further signal of the host, raised or cleared, belongs to its open incident.

    `signal` is the whole of it if from here on the incident is about this one: the first trouble after a mere drift.
    """

    incident_id: str
    host: str
    signal_id: str
    raised_id: str
    kind: SignalKind
    state: SignalState
    signal_time: float
    score: float
    signal_offset: int
    signal: Signal | None = None


class DecisionMade(msgspec.Struct, frozen=True, tag="decision.made", tag_field="type"):
    """A rule was weighed for an incident.

    `gates` are in the order they were asked; the last one is the one that denied, if any did.
    """

    incident_id: str
    host: str
    rule: str
    mode: RuleMode
    playbook: str
    attempt: int
    action_id: str
    verdict: Verdict
    reason: str
    gates: tuple[GateResult, ...]
    playbook_digest: str = ""
    inputs: dict[str, Scalar] = {}


class RunClaimed(msgspec.Struct, frozen=True, tag="run.claimed", tag_field="type"):
    """An engine wants to run an action; the first valid claim in log order has it."""

    incident_id: str
    host: str
    action_id: str
    claim: str
    engine: str
    limits: ClaimLimits


class RunRevoked(msgspec.Struct, frozen=True, tag="run.revoked", tag_field="type"):
    """A claim that had not started is taken back; the action may be claimed again."""

    incident_id: str
    host: str
    action_id: str
    claim: str
    reason: str


class RunStarted(msgspec.Struct, frozen=True, tag="run.started", tag_field="type"):
    """From here on the playbook may have its effect. `token` is the log offset of the claim."""

    incident_id: str
    host: str
    action_id: str
    claim: str
    token: int
    playbook: str
    timeout_seconds: float
    verification: Verification


class RunProgressed(msgspec.Struct, frozen=True, tag="run.progressed", tag_field="type"):
    """One task ended."""

    incident_id: str
    host: str
    action_id: str
    claim: str
    task: TaskEvent


class RunFinished(msgspec.Struct, frozen=True, tag="run.finished", tag_field="type"):
    """The run ended and its outcome is known.

    `how` is `runner`, or `marker` when the target itself told it after a crash. `artifacts` is the folder with what the
    run left, on the engine's machine; empty if it is not known.
    """

    incident_id: str
    host: str
    action_id: str
    claim: str
    status: RunStatus
    rc: int | None
    reason: str
    hosts: dict[str, HostCounts]
    result: dict[str, object]
    how: str = "runner"
    artifacts: str = ""


class RunUnknown(msgspec.Struct, frozen=True, tag="run.unknown", tag_field="type"):
    """The run's outcome can not be known from here: its engine died, or its time ended."""

    incident_id: str
    host: str
    action_id: str
    claim: str
    reason: str
    artifacts: str = ""


class RunNotExecuted(msgspec.Struct, frozen=True, tag="run.not_executed", tag_field="type"):
    """The target's marker was absent and is closed now: the action had no effect and can have none."""

    incident_id: str
    host: str
    action_id: str
    claim: str


class VerificationOutcome(enum.Enum):
    """What the stream showed after a run. UNREACHABLE: the run never reached its target and had no effect."""

    SUCCESS = "success"
    INEFFECTIVE = "ineffective"
    FAILED = "failed"
    UNKNOWN = "unknown"
    UNREACHABLE = "unreachable"


class RunVerified(msgspec.Struct, frozen=True, tag="run.verified", tag_field="type"):
    """Whether the run helped. `observed_time` is the event time of the data it rests on, 0 if there was none."""

    incident_id: str
    host: str
    action_id: str
    outcome: VerificationOutcome
    reason: str
    observed_time: float
    score: float


class HumanNeeded(msgspec.Struct, frozen=True, tag="incident.needs_human", tag_field="type"):
    """Automation stops here for this incident, and for its host until the incident is closed."""

    incident_id: str
    host: str
    action_id: str
    reason: str


class IncidentClosed(msgspec.Struct, frozen=True, tag="incident.closed", tag_field="type"):
    """The incident is over.

    `reason` is `verified` after a run that helped, `recovered` when the signals cleared by themselves,
    `recovered_unproven` when that was after a run of which nobody knows what it did. `outcome` is that of the last run,
    None if there was none.
    """

    incident_id: str
    host: str
    reason: str
    outcome: VerificationOutcome | None = None


class FleetRaised(msgspec.Struct, frozen=True, tag="fleet.raised", tag_field="type"):
    """Several hosts of a group are in trouble together. `share_minimum` is the limit that the view's share reached."""

    fleet_id: str
    group: str
    episode: int
    view: FleetView
    share_minimum: float


class FleetCleared(msgspec.Struct, frozen=True, tag="fleet.cleared", tag_field="type"):
    """Over a whole window too few hosts of the group were in trouble for it to be one matter."""

    fleet_id: str
    group: str
    view: FleetView
    share_clear: float


type Record = (
    EngineStarted
    | IncidentOpened
    | IncidentUpdated
    | DecisionMade
    | RunClaimed
    | RunRevoked
    | RunStarted
    | RunProgressed
    | RunFinished
    | RunUnknown
    | RunNotExecuted
    | RunVerified
    | HumanNeeded
    | IncidentClosed
    | FleetRaised
    | FleetCleared
    | RulesChanged
    | RulesRefused
)


OF_NO_HOST = (EngineStarted, FleetRaised, FleetCleared, RulesChanged, RulesRefused)
"""Records that tell of no host and belong to no incident."""


class Seen(msgspec.Struct, frozen=True):
    """The last audit record its writer had folded: offset and chain value (hex); -1 and 64 zeros before the first."""

    offset: int
    chain: str


class Entry(msgspec.Struct, frozen=True):
    """One audit record as read from the log: its offset, the broker's append time (epoch seconds), and what it says.

    `record` is None when the type is unknown to this version; such an entry counts for the chain and for nothing else.
    """

    offset: int
    time: float
    record: Record | None
    seen: Seen
