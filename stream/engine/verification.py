"""Did a run help? The stream that raised the alarm must show it, on data newer than the run; return codes do not."""

import msgspec

from detectors.signals import HostState, HostStatus
from remediations.incidents import Action, Incident
from remediations.policies import Verification
from remediations.records import RunVerified, VerificationOutcome
from remediations.runs import RunStatus
from stream.engine.context import EngineContext


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
    if action.run_status is None or action.run_status is RunStatus.UNKNOWN:
        return Judgement(VerificationOutcome.UNKNOWN, "run_unknown")
    if action.run_status is not RunStatus.SUCCESSFUL:
        return Judgement(VerificationOutcome.FAILED, f"run_{action.run_status.value}")
    wanted = action.verification or Verification()
    settled = action.ended_time + wanted.settle_seconds
    clear_time, raised_time = observed(incident, status)
    if clear_time > settled:
        return Judgement(VerificationOutcome.SUCCESS, "signals_cleared", clear_time)
    if now < action.ended_time + max(wanted.deadline_seconds, wanted.settle_seconds):
        return None
    if raised_time > settled:
        return Judgement(VerificationOutcome.INEFFECTIVE, "signals_still_raised", raised_time)
    return Judgement(VerificationOutcome.UNKNOWN, "no_newer_data")


def observed(incident: Incident, status: HostStatus | None) -> tuple[float, float]:
    """Event times of the newest data that shows the host clear, and that shows it in trouble (0 if none)."""
    if incident.raised:
        times = [signal.time for signal in incident.raised.values()]
        if status is not None and status.state is not HostState.SILENT:
            times.append(status.last_sample_time)
        return 0.0, max(times)
    times = [incident.cleared_time or 0.0]
    if status is not None and status.state is HostState.NORMAL:
        times.append(status.last_sample_time)
    if status is not None and status.state is HostState.ANOMALOUS and status.last_sample_time > max(times):
        return 0.0, status.last_sample_time
    return max(times), 0.0
