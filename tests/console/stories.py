"""Audit logs and rosters as an engine and detect would have written them."""

import msgspec

from detectors.fleet import CommonMetric, FleetView
from detectors.signals import (
    Evidence,
    HostState,
    HostStatus,
    SeriesEvidence,
    Signal,
    SignalKind,
    SignalState,
    WindowPoint,
)
from remediations.policies import RuleMode, Verification
from remediations.records import (
    ClaimLimits,
    DecisionMade,
    EngineStarted,
    Entry,
    FleetCleared,
    FleetRaised,
    GateResult,
    HumanNeeded,
    IncidentClosed,
    IncidentOpened,
    IncidentUpdated,
    Record,
    RunClaimed,
    RunFinished,
    RunNotExecuted,
    RunProgressed,
    RunRevoked,
    RunStarted,
    RunUnknown,
    RunVerified,
    Seen,
    Verdict,
    VerificationOutcome,
)
from remediations.runs import HostCounts, RunStatus, TaskEvent, TaskOutcome

T0 = 1795227600.0  # 2026-11-21T02:20:00Z
ONE, TWO = "1f" * 16, "2e" * 16
ACTION = "ac" * 16
LIMITS = ClaimLimits(900.0, 1, ("web",), 1, 10, 3600.0)


def status(host: str, state: HostState, score: float = 0.5, time: float = T0, partition: int = 0) -> HostStatus:
    """A roster entry with 500 samples, the last one second before `time`."""
    return HostStatus(host, state, time, time - 1.0, score, 500, 12, partition)


def log(*records: Record | None) -> list[Entry]:
    """The records as entries, one a second from T0."""
    return [Entry(offset, T0 + offset, record, Seen(offset - 1, "0" * 64)) for offset, record in enumerate(records)]


def signal(host: str, state: SignalState = SignalState.RAISED, identity: str = "5a" * 16) -> Signal:
    """A signal with full evidence."""
    series = SeriesEvidence("proc.cpu{service=web}", 98.2, 21.5, 12.0, 33.25, 9.4)
    window = tuple(WindowPoint(T0 - 30.0 + place, place / 3) for place in range(30))
    evidence = Evidence((series,), window, {"level": 9.4}, 3, 100, 129)
    return Signal(identity, SignalKind.ANOMALY, state, host, T0, 9.4, 3.0, evidence)


def opened(incident: str = ONE, host: str = "web-01", episode: int = 1, identity: str = "") -> IncidentOpened:
    """An incident opened by a raised signal."""
    raised = signal(host, identity=identity or incident)
    return IncidentOpened(incident, host, episode, raised, 40)


def decided(
    verdict: Verdict, incident: str = ONE, host: str = "web-01", gate: GateResult | None = None, **changes: object
) -> DecisionMade:
    """A decision of rule `restart-web`; denied by `gate` if there is one."""
    gates = (GateResult("rule_mode", passed=True, value="auto"), GateResult("cooldown", passed=True, limit="900"))
    decision = DecisionMade(
        incident_id=incident,
        host=host,
        rule="restart-web",
        mode=RuleMode.AUTO,
        playbook="restart",
        attempt=1,
        action_id=ACTION,
        verdict=verdict,
        reason=gate.reason if gate else "all_gates_passed",
        gates=(gates[0], gate) if gate else gates,
    )
    return msgspec.structs.replace(decision, **changes)


COOLDOWN = GateResult("cooldown", passed=False, reason="cooldown", value="41", limit="900", next_time=T0 + 859.0)
STARTED = EngineStarted("engine-1", "0.1.0", "sha256:" + "d" * 64, {"restart": "sha256:" + "e" * 64})
CLEARED = IncidentUpdated(ONE, "web-01", "5b" * 16, ONE, SignalKind.ANOMALY, SignalState.CLEARED, T0 + 8.0, 0.4, 41)
TASK = TaskEvent(2, "restart", "Restart the service", "supervisorctl", "web-01", TaskOutcome.CHANGED, 1.25)
OF_RUN = (ONE, "web-01", ACTION, "c1")


def running(token: int = 3) -> tuple[Record, ...]:
    """From the opening to a run that has started."""
    return (
        STARTED,
        opened(),
        decided(Verdict.RUN),
        RunClaimed(*OF_RUN, "engine-1", LIMITS),
        RunClaimed(ONE, "web-01", ACTION, "c2", "engine-2", LIMITS),
        RunStarted(*OF_RUN, token, "restart", 60.0, Verification()),
        RunProgressed(*OF_RUN, TASK),
    )


FINISHED = RunFinished(*OF_RUN, RunStatus.SUCCESSFUL, 0, "", {"web-01": HostCounts(ok=1, changed=1)}, {"pid": 7})
UNKNOWN = RunUnknown(*OF_RUN, "engine_lost")
NOT_EXECUTED = RunNotExecuted(*OF_RUN)
HUMAN = HumanNeeded(ONE, "web-01", ACTION, "attempts_exhausted")
VERIFIED = RunVerified(ONE, "web-01", ACTION, VerificationOutcome.SUCCESS, "", T0 + 8.0, 0.4)
CLOSED = IncidentClosed(ONE, "web-01", "verified")
VIEW = FleetView(
    group="web",
    time=T0 + 1.0,
    known=8,
    affected=4,
    silent=1,
    share=0.5,
    began=T0,
    hosts=("web-01", "web-02", "web-03", "web-04"),
    common=(CommonMetric("disk.wait", 3, 2), CommonMetric("cpu.iowait", 2, 0)),
)
FLEET = "f1" * 16
FLEET_RAISED = FleetRaised(FLEET, "web", 1, VIEW, 0.3)
FLEET_CLEARED = FleetCleared(FLEET, "web", msgspec.structs.replace(VIEW, affected=1, time=T0 + 900.0), 0.15)
REVOKED = RunRevoked(*OF_RUN, "recovered")


def repaired() -> tuple[Record, ...]:
    """A whole incident that went well."""
    return (*running(), FINISHED, CLEARED, VERIFIED, CLOSED)
