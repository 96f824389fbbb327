"""What an operator asks, answered from the logs alone: pure projections over audit entries and roster notices.

The log is folded by the engine's own `Ledger`, so an answer can not differ from what the engine did: a record that was
ignored there, such as the claim of the slower of two engines, is shown as ignored here.
"""

import difflib
import enum
import sys
from collections.abc import Iterable

import msgspec

from console import fleets
from console.errors import IncidentNotFoundError
from console.sentences import say
from detectors.fleet import FleetView
from detectors.hostnames import folded
from detectors.signals import Signal, SignalKind
from remediations.acceptance import Breach
from remediations.addresses import SharedAddress, shared_addresses
from remediations.arming import disarmed
from remediations.decisions import covers
from remediations.incidents import EXECUTED, Action, ActionStatus, Incident, IncidentStatus
from remediations.ledger import Ledger
from remediations.loading import Rulebook
from remediations.policies import RuleMode
from remediations.records import (
    OF_NO_HOST,
    DecisionMade,
    EngineStarted,
    Entry,
    GateResult,
    Record,
    RulesChanged,
    RulesRefused,
    Verdict,
    VerificationOutcome,
)

CLOSED_MAXIMUM = 20
SUGGESTIONS = 5
SHORT_ID_CHARACTERS = 8


class Phase(enum.Enum):
    """Where an incident stands, in an operator's words. RUN_UNKNOWN: a run may have had its effect, or not."""

    NEEDS_HUMAN = "needs_human"
    RUN_UNKNOWN = "run_unknown"
    RUNNING = "running"
    VERIFYING = "verifying"
    OPEN = "open"
    CLOSED = "closed"


class DecisionBrief(msgspec.Struct, frozen=True):
    """The newest decision of an incident; `gate` is the one that denied, None if all passed or none was asked."""

    time: float
    verdict: Verdict
    reason: str
    rule: str
    playbook: str
    gate: GateResult | None

    @property
    def next_time(self) -> float:
        """When time will have cured the denial, in epoch seconds; 0 if time alone will not."""
        return self.gate.next_time if self.gate else 0.0


class IncidentRow(msgspec.Struct, frozen=True):
    """One incident in a list. Times are epoch seconds by the log's clock, 0 if they have not come.

    `age_seconds` counts from the opening; `attempts` counts runs that may have had an effect; `outcome` is what
    the stream showed after the last one that was judged; `fleet` is the raised fleet event that names the host,
    `fleet_now` counts the hosts it names that are in trouble still.
    """

    incident_id: str
    host: str
    phase: Phase
    kind: str
    score: float
    opened_time: float
    age_seconds: float
    attempts: int
    reason: str = ""
    decision: DecisionBrief | None = None
    outcome: VerificationOutcome | None = None
    closed_time: float = 0.0
    fleet: FleetView | None = None
    fleet_now: int = 0


class Step(msgspec.Struct, frozen=True):
    """One record of an incident, with its place in the log; `ignored` says why it changed nothing, empty if it did.

    `seen_offset` is the last record that its writer knew of: what it was decided on.
    """

    offset: int
    time: float
    seen_offset: int
    record: Record
    ignored: str = ""


class Explanation(msgspec.Struct, frozen=True):
    """The whole story of an incident: what was seen (`signal`), and every record about it in the log's order.

    `notes` are what is wrong with the readings of its host now.
    """

    incident: IncidentRow
    signal: Signal
    steps: tuple[Step, ...]
    notes: tuple[str, ...] = ()


class AuditLine(msgspec.Struct, frozen=True):
    """One audit record in one line: `type` such as `run.started`, `text` a sentence.

    `record` is None if its type is unknown to this version.
    """

    offset: int
    time: float
    type: str
    incident_id: str
    host: str
    text: str
    record: Record | None


class RuleRow(msgspec.Struct, frozen=True):
    """One rule of the policy, with the hosts of the inventory that it is meant for; denied if not `is_accepted`.

    `not_armed` says why it can never act as things are, empty if it can.
    """

    rule: str
    mode: RuleMode
    playbook: str
    kinds: tuple[SignalKind, ...]
    hosts: tuple[str, ...]
    cooldown_seconds: float
    attempts_maximum: int
    is_accepted: bool
    not_armed: str = ""


class RulesAnswer(msgspec.Struct, frozen=True):
    """What an operator wrote comes to: rules in the order they are asked, and how much they may choose from."""

    rules: tuple[RuleRow, ...]
    hosts: int
    playbooks: tuple[str, ...]
    protected_hosts: tuple[str, ...]
    breaches: tuple[Breach, ...] = ()
    shared_addresses: tuple[SharedAddress, ...] = ()


def rules(book: Rulebook, breaches: tuple[Breach, ...] = ()) -> RulesAnswer:
    """The rulebook without what may be secret in it (variables of hosts, inputs)."""
    why = {each.rule: each.reason for each in disarmed(book)}
    return RulesAnswer(
        rules=tuple(
            RuleRow(
                rule=rule.name,
                mode=rule.mode,
                playbook=rule.playbook,
                kinds=rule.match.kinds,
                hosts=tuple(host for host in book.inventory.hosts if covers(rule.match, book.inventory, host)),
                cooldown_seconds=rule.cooldown_seconds,
                attempts_maximum=rule.attempts_maximum,
                is_accepted=book.playbooks[rule.playbook].accepted_digest == book.playbooks[rule.playbook].digest,
                not_armed=why.get(rule.name, ""),
            )
            for rule in book.policy.rules
        ),
        hosts=len(book.inventory.hosts),
        playbooks=tuple(sorted(book.playbooks)),
        protected_hosts=book.policy.limits.protected_hosts,
        breaches=breaches,
        shared_addresses=shared_addresses(book.inventory),
    )


def incidents(entries: Iterable[Entry], now: float, closed_maximum: int = CLOSED_MAXIMUM) -> tuple[IncidentRow, ...]:
    """All open incidents, those that need a human first, then the newest closed ones."""
    ledger = fold(entries)
    rows = [_incident_row(ledger, incident, now) for incident in ledger.state.incidents.values()]
    phases = list(Phase)
    still_open = sorted(
        (row for row in rows if row.phase is not Phase.CLOSED),
        key=lambda row: (phases.index(row.phase), row.opened_time),
    )
    closed = sorted((row for row in rows if row.phase is Phase.CLOSED), key=lambda row: -row.closed_time)
    return (*still_open, *closed[:closed_maximum])


def refused_rules(entries: Iterable[Entry]) -> tuple[RulesRefused, ...]:
    """What each engine refuses now: rules that were right again, or with which it started, end a refusal."""
    found: dict[str, RulesRefused] = {}
    for record in (entry.record for entry in entries):
        if isinstance(record, RulesRefused):
            found[record.engine] = record
        elif isinstance(record, RulesChanged | EngineStarted):
            found.pop(record.engine, None)
    return tuple(found.values())


def explain(entries: Iterable[Entry], wanted: str, now: float) -> Explanation:
    """The story of one incident, named by its id, a unique beginning of it, or its host.

    A host means its open incident, else its newest one.

    Raises IncidentNotFoundError.
    """
    ledger, steps = Ledger(closed_kept=sys.maxsize), list[Step]()
    for entry in entries:
        ruling = ledger.apply(entry)
        if entry.record and _concerns(entry.record, wanted):
            steps.append(Step(entry.offset, entry.time, entry.seen.offset, entry.record, ruling.reason))
    incident = find_incident(ledger, wanted)
    events = fleets.events_of(incident, ((step.offset, step.time, step.record) for step in steps))
    return Explanation(
        incident=_incident_row(ledger, incident, now),
        signal=incident.signal,
        steps=tuple(
            step
            for step in steps
            if _incident_of(step.record) == incident.incident_id or fleets.fleet_id(step.record) in events
        ),
    )


def audit_line(entry: Entry) -> AuditLine:
    """One entry in one line."""
    record = entry.record
    if record is None:
        return AuditLine(
            entry.offset, entry.time, "unknown", "", "", "a record of a type that this version does not know", None
        )
    host = "" if isinstance(record, OF_NO_HOST) else record.host
    kind = str(record.__struct_config__.tag)
    return AuditLine(entry.offset, entry.time, kind, _incident_of(record), host, say(record), record)


def fold(entries: Iterable[Entry]) -> Ledger:
    """The ledger after these entries; it forgets no closed incident."""
    ledger = Ledger(closed_kept=sys.maxsize)
    for entry in entries:
        ledger.apply(entry)
    return ledger


def find_incident(ledger: Ledger, wanted: str) -> Incident:
    """The incident with this id, this unique beginning of an id, or of this host. Raises IncidentNotFoundError."""
    known = ledger.state.incidents
    if wanted in known:
        return known[wanted]
    begun = [incident for incident_id, incident in known.items() if wanted and incident_id.startswith(wanted.lower())]
    if len(begun) == 1:
        return begun[0]
    if begun:
        raise IncidentNotFoundError(f"incident {wanted!r} is not unique, it may be: {_named(begun)}")
    of_host = [incident for incident in known.values() if incident.host == folded(wanted)]
    if of_host:
        return max(of_host, key=lambda incident: (incident.is_open, incident.opened_offset))
    raise IncidentNotFoundError(f"no incident {wanted!r}; {_suggestion(ledger, wanted)}")


def _suggestion(ledger: Ledger, wanted: str) -> str:
    still_open = {incident.incident_id: incident for incident in ledger.open_incidents()}
    if not still_open:
        return "no incident is open (`tidegate incidents` lists the closed ones)"
    names = {name: each for each in still_open.values() for name in (each.incident_id[: len(wanted)], each.host)}
    near = difflib.get_close_matches(wanted, names, n=SUGGESTIONS, cutoff=0.5)
    nearest = dict.fromkeys([names[name].incident_id for name in near] + list(still_open))
    return f"open are: {_named([still_open[incident_id] for incident_id in nearest])}"


def _named(found: list[Incident]) -> str:
    names = ", ".join(f"{each.incident_id[:SHORT_ID_CHARACTERS]} ({each.host})" for each in found[:SUGGESTIONS])
    return names + (f" and {len(found) - SUGGESTIONS} more" if len(found) > SUGGESTIONS else "")


def _incident_of(record: Record) -> str:
    return "" if isinstance(record, OF_NO_HOST) else record.incident_id


def _concerns(record: Record, wanted: str) -> bool:
    if isinstance(record, OF_NO_HOST):
        return bool(fleets.fleet_id(record))
    return record.incident_id.startswith(wanted.lower()) or record.host == folded(wanted)


def _incident_row(ledger: Ledger, incident: Incident, now: float) -> IncidentRow:
    actions = [ledger.state.actions[action_id] for action_id in incident.actions]
    outcomes = [action.outcome for action in actions if action.outcome]
    seen = fleets.view_of(ledger, incident)
    return IncidentRow(
        incident_id=incident.incident_id,
        host=incident.host,
        phase=_phase(incident, actions),
        kind=incident.signal.kind.value,
        score=incident.signal.score,
        opened_time=incident.opened_time,
        age_seconds=max(0.0, now - incident.opened_time),
        attempts=sum(action.status in EXECUTED for action in actions),
        reason=incident.reason,
        decision=_brief(incident.decision, incident.decision_time) if incident.decision else None,
        outcome=outcomes[-1] if outcomes else None,
        closed_time=incident.closed_time,
        fleet=seen,
        fleet_now=fleets.still_in_trouble(ledger, seen) if seen else 0,
    )


_PHASES = {
    ActionStatus.UNKNOWN: Phase.RUN_UNKNOWN,
    ActionStatus.CLAIMED: Phase.RUNNING,
    ActionStatus.STARTED: Phase.RUNNING,
    ActionStatus.FINISHED: Phase.VERIFYING,
}


def _phase(incident: Incident, actions: list[Action]) -> Phase:
    if incident.status is IncidentStatus.CLOSED:
        return Phase.CLOSED
    if incident.status is IncidentStatus.NEEDS_HUMAN:
        return Phase.NEEDS_HUMAN
    statuses = {action.status for action in actions}
    return next((phase for status, phase in _PHASES.items() if status in statuses), Phase.OPEN)


def _brief(decision: DecisionMade, time: float) -> DecisionBrief:
    gate = next((gate for gate in decision.gates if not gate.passed), None)
    return DecisionBrief(time, decision.verdict, decision.reason, decision.rule, decision.playbook, gate)
