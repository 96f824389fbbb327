"""A recorded story: the notices and audit records of a demo that went as it should, in the order they were written."""

from detectors.signals import Evidence, HostState, HostStatus, SeriesEvidence, Signal, SignalKind, SignalState
from remediations.policies import RuleMode, Verification
from remediations.records import (
    ClaimLimits,
    DecisionMade,
    EngineStarted,
    Entry,
    GateResult,
    IncidentClosed,
    IncidentOpened,
    IncidentUpdated,
    Record,
    RunClaimed,
    RunFinished,
    RunProgressed,
    RunStarted,
    RunVerified,
    Seen,
    Verdict,
    VerificationOutcome,
)
from remediations.runs import HostCounts, RunStatus, TaskEvent, TaskOutcome

BEGIN = 1_000_000.0
SICK = "web-2"
FIRST, SECOND = "inc-first", "inc-second"
FIRST_FAULT, SECOND_FAULT = BEGIN + 70, BEGIN + 100
NEXT_TIME = BEGIN + 985
EVIDENCE = Evidence(series=(SeriesEvidence("service.latency_p50_seconds", 0.41, 0.002, 0.001, 0.004, 9.5),))


def signal(name: str, state: SignalState, time: float, host: str = SICK, raised_id: str = "") -> Signal:
    """An anomaly signal."""
    return Signal(name, SignalKind.ANOMALY, state, host, time, 7.5, 3.0, EVIDENCE, raised_id)


def status(host: str, state: HostState, time: float, samples: int = 150) -> HostStatus:
    """A roster entry."""
    return HostStatus(host, state, time, time - 0.2, 0.4, samples, 14, 0)


def task(number: int, name: str, outcome: TaskOutcome) -> RunProgressed:
    """A task of the run that ended."""
    event = TaskEvent(number, "Restart", name, "ansible.builtin.command", SICK, outcome, 1.2)
    return RunProgressed(FIRST, SICK, "action-1", "claim-1", event)


def decision(incident: str, verdict: Verdict, gates: tuple[GateResult, ...], reason: str = "") -> DecisionMade:
    """A decision on restarting the sick host."""
    return DecisionMade(
        incident, SICK, "restart-sick-service", RuleMode.AUTO, "restart", 1, "action-1", verdict, reason, gates
    )


RAISED = signal("aa", SignalState.RAISED, FIRST_FAULT + 3)
CLEARED = signal("bb", SignalState.CLEARED, FIRST_FAULT + 14, raised_id="aa")
RAISED_AGAIN = signal("cc", SignalState.RAISED, SECOND_FAULT + 3)
NOTICES: tuple[tuple[float, Signal | HostStatus], ...] = (
    *((BEGIN + 60, status(host, HostState.NORMAL, BEGIN + 60)) for host in ("web-1", SICK, "web-3")),
    (FIRST_FAULT + 3.5, RAISED),
    (FIRST_FAULT + 3.5, status(SICK, HostState.ANOMALOUS, FIRST_FAULT + 3.5)),
    (FIRST_FAULT + 14.5, CLEARED),
    (SECOND_FAULT + 3.5, RAISED_AGAIN),
)
PASSES = (GateResult("rule_mode", passed=True, value="auto"), GateResult("cooldown", passed=True, limit="900"))
DENIAL = GateResult("cooldown", passed=False, reason="cooldown", value="18.5", limit="900", next_time=NEXT_TIME)
LIMITS = ClaimLimits(900, 1, ("web",), 1, 3, 3600)
RECORDS: tuple[tuple[float, Record], ...] = (
    (BEGIN, EngineStarted("engine-1", "0.1.0", "digest", {})),
    (FIRST_FAULT + 3.7, IncidentOpened(FIRST, SICK, 1, RAISED, 30)),
    (FIRST_FAULT + 3.8, decision(FIRST, Verdict.RUN, PASSES)),
    (FIRST_FAULT + 3.9, RunClaimed(FIRST, SICK, "action-1", "claim-1", "engine-1", LIMITS)),
    (FIRST_FAULT + 4.0, RunStarted(FIRST, SICK, "action-1", "claim-1", 3, "restart", 120, Verification())),
    (FIRST_FAULT + 5.0, task(1, "Take the marker", TaskOutcome.CHANGED)),
    (FIRST_FAULT + 7.0, task(2, "Restart the service", TaskOutcome.CHANGED)),
    (
        FIRST_FAULT + 8.0,
        RunFinished(
            FIRST, SICK, "action-1", "claim-1", RunStatus.SUCCESSFUL, 0, "", {SICK: HostCounts(ok=5, changed=2)}, {}
        ),
    ),
    (
        FIRST_FAULT + 14.6,
        IncidentUpdated(FIRST, SICK, "bb", "aa", SignalKind.ANOMALY, SignalState.CLEARED, FIRST_FAULT + 14, 0.4, 32),
    ),
    (
        FIRST_FAULT + 15.0,
        RunVerified(FIRST, SICK, "action-1", VerificationOutcome.SUCCESS, "signal cleared", FIRST_FAULT + 14, 0.4),
    ),
    (FIRST_FAULT + 15.1, IncidentClosed(FIRST, SICK, "verified")),
    (SECOND_FAULT + 3.7, IncidentOpened(SECOND, SICK, 2, RAISED_AGAIN, 40)),
    (SECOND_FAULT + 3.8, decision(SECOND, Verdict.DENY, (PASSES[0], DENIAL), "cooldown")),
)


def entries(records: tuple[tuple[float, Record], ...] = RECORDS) -> tuple[Entry, ...]:
    """The records as read from the log."""
    return tuple(
        Entry(offset, time, record, Seen(offset - 1, "00" * 32)) for offset, (time, record) in enumerate(records)
    )
