"""Did a run help? The stream that raised the alarm must show it, on data newer than the run; return codes do not."""

import msgspec

from detectors.signals import HostState, HostStatus, SignalKind
from remediations.incidents import Action, Incident
from remediations.policies import Verification
from remediations.records import RunVerified, VerificationOutcome
from remediations.runner import is_another_machine
from remediations.runs import RunStatus
from stream.engine.context import EngineContext

UNSUCCESSFUL = {
    RunStatus.UNKNOWN: VerificationOutcome.UNKNOWN,
    RunStatus.UNREACHABLE: VerificationOutcome.UNREACHABLE,
}
"""What runs came to that were no success: without a row here, they failed."""
TROUBLE = frozenset({SignalKind.ANOMALY, SignalKind.SILENCE})
CLEAR_STATES = {
    SignalKind.ANOMALY: {HostState.NORMAL},
    SignalKind.SILENCE: {HostState.NORMAL, HostState.ANOMALOUS, HostState.YOUNG},
    SignalKind.DRIFT: {HostState.NORMAL, HostState.ANOMALOUS},
}
"""In which states of a host its newest sample can show a kind clear."""


class Judgement(msgspec.Struct, frozen=True):
    """What a run came to, and the event time of the data that says so (0 if none does)."""

    outcome: VerificationOutcome
    reason: str
    observed_time: float = 0.0


async def verify_runs(context: EngineContext) -> None:
    """Judge every finished run that can be judged now (W9)."""
    for action in context.ledger.unverified():
        incident = context.ledger.state.incidents[action.incident_id]
        status = context.roster.get(action.host)
        judgement = judge(action, incident, status, context.clock.now())
        if judgement is None:
            continue
        score = status.score if status is not None else 0.0
        await context.append(
            RunVerified(
                incident_id=action.incident_id,
                host=action.host,
                action_id=action.action_id,
                outcome=judgement.outcome,
                reason=judgement.reason,
                observed_time=judgement.observed_time,
                score=score,
            )
        )
        context.metrics.verifications.labels(judgement.outcome.value).inc()
        context.events.info("run.verified", host=action.host, outcome=judgement.outcome.value, reason=judgement.reason)
        context.checkpoint("W9")


def judge(action: Action, incident: Incident, status: HostStatus | None, now: float) -> Judgement | None:
    """What a finished run came to; None while it can not be told yet. Times are epoch seconds.

        run ends          settled                         deadline
    ───────┼─────────────────┼───────────────────────────────┼──────►
           │  not looked at  │  newer data, all clear: success
           │                                                 │ newer data, still raised: ineffective
           │                                                 │ no newer data: unknown
    """
    run_status = action.run_status or RunStatus.UNKNOWN
    if run_status is not RunStatus.SUCCESSFUL:
        outcome = UNSUCCESSFUL.get(run_status, VerificationOutcome.FAILED)
        return Judgement(outcome, action.reason if is_another_machine(action.reason) else f"run_{run_status.value}")
    wanted = action.verification or Verification()
    settled = action.ended_time + wanted.settle_seconds
    clear_time, raised_time = observed(incident, status, watched(wanted, incident))
    if clear_time > settled:
        return Judgement(VerificationOutcome.SUCCESS, "signals_cleared", clear_time)
    if now < action.ended_time + max(wanted.deadline_seconds, wanted.settle_seconds):
        return None
    if raised_time > settled:
        return Judgement(VerificationOutcome.INEFFECTIVE, "signals_still_raised", raised_time)
    return Judgement(VerificationOutcome.UNKNOWN, "no_newer_data")


def watched(wanted: Verification, incident: Incident) -> frozenset[SignalKind]:
    """The kinds that must be clear: those that are asked for, else trouble and whatever the incident still rests on."""
    if wanted.signals:
        return frozenset(SignalKind(kind) for kind in wanted.signals)
    return TROUBLE | {signal.kind for signal in incident.raised.values()}


def observed(incident: Incident, status: HostStatus | None, kinds: frozenset[SignalKind]) -> tuple[float, float]:
    """Event times of the newest data that shows these kinds clear, and that shows one of them raised (0 if none)."""
    raised = [signal.time for signal in incident.raised.values() if signal.kind in kinds]
    seen = status.last_sample_time if status is not None and status.state is not HostState.SILENT else 0.0
    if raised:
        return 0.0, max(*raised, seen)
    told = (incident.cleared_time or 0.0) if kinds <= TROUBLE else 0.0  # beside trouble no drift is written down
    if status is not None and seen > told and shows_raised(status, kinds):
        return 0.0, seen
    return max(told, seen if status is not None and shows_clear(status, kinds) else 0.0), 0.0


def shows_raised(status: HostStatus, kinds: frozenset[SignalKind]) -> bool:
    """Whether the roster's newest sample shows one of the kinds raised. Of silence there is no sample."""
    is_anomalous = SignalKind.ANOMALY in kinds and status.state is HostState.ANOMALOUS
    return is_anomalous or (SignalKind.DRIFT in kinds and bool(status.moved))


def shows_clear(status: HostStatus, kinds: frozenset[SignalKind]) -> bool:
    """Whether the roster's newest sample shows all of the kinds clear. A young model can tell of silence alone."""
    return not shows_raised(status, kinds) and all(status.state in CLEAR_STATES[kind] for kind in kinds)
