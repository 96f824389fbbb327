"""Facts that the tests of this package build on: one host in trouble, one playbook, one policy, a log to write to."""

from collections.abc import Mapping

from detectors.signals import Evidence, HostState, HostStatus, Signal, SignalKind, SignalState
from remediations.identities import incident_id
from remediations.incidents import Incident
from remediations.inventory import Inventory
from remediations.ledger import Ledger, Ruling
from remediations.playbooks import (
    FromConstant,
    FromIncident,
    FromInventory,
    IncidentField,
    InputSpec,
    Playbook,
    Sidecar,
)
from remediations.policies import Limits, Policy, Rule, RuleMode, Verification
from remediations.records import (
    ClaimLimits,
    DecisionMade,
    Entry,
    IncidentClosed,
    IncidentOpened,
    IncidentUpdated,
    Record,
    RunClaimed,
    RunFinished,
    RunRevoked,
    RunStarted,
    RunUnknown,
    Seen,
    Verdict,
)
from remediations.runs import RunStatus

NOW = 1_800_000_000.0
HOST = "web-1"
CLAIM = "c1"

LIMITS = ClaimLimits(
    cooldown_seconds=900.0,
    attempts_maximum=1,
    groups=("web",),
    group_concurrency_maximum=1,
    starts_maximum=10,
    starts_window_seconds=3600.0,
)

INVENTORY = Inventory(
    hosts={"web-1": {"service_name": "shop"}, "web-2": {"service_name": "shop"}, "db-1": {}},
    host_groups={"web-1": ("fleet", "web"), "web-2": ("fleet", "web"), "db-1": ("fleet",)},
    groups={"all": ("db-1", "web-1", "web-2"), "fleet": ("db-1", "web-1", "web-2"), "web": ("web-1", "web-2")},
)

PLAYBOOK = Playbook(
    name="restart",
    path="/playbooks/restart.yml",
    digest="d" * 64,
    sidecar=Sidecar(
        description="Restart one service.",
        action="restart",
        timeout_seconds=60.0,
        inputs={
            "service_name": FromInventory(variable="service_name"),
            "marker_id": FromIncident(field=IncidentField.ACTION_ID),
            "grace_seconds": FromConstant(value=5),
        },
        verification=Verification(settle_seconds=2.0, deadline_seconds=60.0),
    ),
    accepted_digest="d" * 64,
    inputs={
        "service_name": InputSpec(type="str", required=True),
        "marker_id": InputSpec(type="str", required=True),
        "grace_seconds": InputSpec(type="int"),
    },
)
PLAYBOOKS = {"restart": PLAYBOOK}


def rule(**changes: object) -> Rule:
    """A rule in mode auto that restarts."""
    return Rule(**({"name": "restart-on-anomaly", "playbook": "restart", "mode": RuleMode.AUTO} | changes))


def policy(*rules: Rule, **limits: object) -> Policy:
    """A policy with these rules, or the one above."""
    return Policy(version=1, rules=rules or (rule(),), limits=Limits(**({"group_concurrency_maximum": 2} | limits)))


def signal(name: str = "s1", host: str = HOST, *, time: float = NOW, **changes: object) -> Signal:
    """A raised anomaly."""
    fields = {"kind": SignalKind.ANOMALY, "state": SignalState.RAISED, "score": 5.0, "threshold": 3.0} | changes
    return Signal(id=name, host=host, time=time, evidence=Evidence(), **fields)


def status(host: str = HOST, **changes: object) -> HostStatus:
    """A roster entry of an anomalous host with a mature model."""
    fields = {
        "state": HostState.ANOMALOUS,
        "time": NOW,
        "last_sample_time": NOW,
        "score": 5.0,
        "samples": 1000,
        "series": 8,
        "partition": 0,
    }
    return HostStatus(host=host, **(fields | changes))


class Log:
    """An audit log in memory, folded as it is written: one second between records unless a time is given."""

    def __init__(self, ledger: Ledger | None = None) -> None:
        self.ledger = ledger or Ledger()
        self.entries: list[Entry] = []
        self.time = NOW

    def append(self, record: Record | None, *, time: float | None = None) -> Ruling:
        """Write a record and give the ledger's ruling on it."""
        self.time = self.time + 1 if time is None else time
        entry = Entry(offset=len(self.entries), time=self.time, record=record, seen=Seen(offset=-1, chain="00" * 32))
        self.entries.append(entry)
        return self.ledger.apply(entry)

    def open(self, host: str = HOST, name: str = "", offset: int = 0) -> Incident:
        """Open the host's next incident with a raised signal."""
        episode = self.ledger.next_episode(host)
        raised = signal(name or f"{host}-{episode}", host, time=self.time)
        self.append(opened(host, episode, raised, offset))
        incident = self.ledger.incident_of(host)
        assert incident is not None
        return incident

    def run(self, incident: Incident, action: str = "a1", claim: str = CLAIM, limits: ClaimLimits = LIMITS) -> None:
        """Decide, claim, start and finish an action."""
        self.start(incident, action, claim, limits)
        self.run_ends(incident, action, claim)

    def run_ends(self, incident: Incident, action: str = "a1", claim: str = CLAIM) -> None:
        """Finish a started action."""
        self.append(finished(incident, action, claim))

    def start(self, incident: Incident, action: str = "a1", claim: str = CLAIM, limits: ClaimLimits = LIMITS) -> None:
        """Decide, claim and start an action."""
        self.append(decided(incident, action, self.ledger.next_attempt(incident.incident_id)))
        assert Ruling(valid=True) == self.append(claimed(incident, action, claim, limits))
        self.append(started(incident, action, claim, self.ledger.state.offset))


def opened(host: str, episode: int, raised: Signal, offset: int = 0) -> IncidentOpened:
    """An incident begins."""
    return IncidentOpened(
        incident_id=incident_id(host, episode), host=host, episode=episode, signal=raised, signal_offset=offset
    )


def updated(
    incident: Incident, name: str, state: SignalState, *, raised_id: str = "", offset: int = 1
) -> IncidentUpdated:
    """A further signal of an incident."""
    return IncidentUpdated(
        incident_id=incident.incident_id,
        host=incident.host,
        signal_id=name,
        raised_id=raised_id,
        kind=SignalKind.ANOMALY,
        state=state,
        signal_time=NOW,
        score=4.0,
        signal_offset=offset,
    )


def decided(incident: Incident, action: str = "a1", attempt: int = 1, **changes: object) -> DecisionMade:
    """A decision to run."""
    fields: Mapping[str, object] = {
        "rule": "restart-on-anomaly",
        "mode": RuleMode.AUTO,
        "playbook": "restart",
        "verdict": Verdict.RUN,
        "reason": "all_gates_passed",
        "gates": (),
    }
    return DecisionMade(
        incident_id=incident.incident_id,
        host=incident.host,
        action_id=action,
        attempt=attempt,
        **(dict(fields) | changes),
    )


def claimed(
    incident: Incident, action: str = "a1", claim: str = CLAIM, limits: ClaimLimits = LIMITS, engine: str = "e1"
) -> RunClaimed:
    """A claim."""
    return RunClaimed(
        incident_id=incident.incident_id,
        host=incident.host,
        action_id=action,
        claim=claim,
        engine=engine,
        limits=limits,
    )


def revoked(incident: Incident, action: str = "a1", claim: str = CLAIM) -> RunRevoked:
    """A claim is taken back."""
    return RunRevoked(
        incident_id=incident.incident_id, host=incident.host, action_id=action, claim=claim, reason="engine_restarted"
    )


def started(incident: Incident, action: str = "a1", claim: str = CLAIM, token: int = 0) -> RunStarted:
    """A run starts."""
    return RunStarted(
        incident_id=incident.incident_id,
        host=incident.host,
        action_id=action,
        claim=claim,
        token=token,
        playbook="restart",
        timeout_seconds=60.0,
        verification=Verification(),
    )


def finished(
    incident: Incident, action: str = "a1", claim: str = CLAIM, run_status: RunStatus = RunStatus.SUCCESSFUL
) -> RunFinished:
    """A run ends."""
    return RunFinished(
        incident_id=incident.incident_id,
        host=incident.host,
        action_id=action,
        claim=claim,
        status=run_status,
        rc=0,
        reason="",
        hosts={},
        result={},
    )


def unknown(incident: Incident, action: str = "a1", claim: str = CLAIM) -> RunUnknown:
    """A run is lost."""
    return RunUnknown(
        incident_id=incident.incident_id, host=incident.host, action_id=action, claim=claim, reason="engine_died"
    )


def closed(incident: Incident, reason: str = "recovered") -> IncidentClosed:
    """An incident ends."""
    return IncidentClosed(incident_id=incident.incident_id, host=incident.host, reason=reason)
