"""Incidents → decisions → claims: weigh what may be done, write it down, and take what is allowed (W2 to W4)."""

import secrets

import msgspec

from remediations.decisions import Decision, decide, differs, look_again_time
from remediations.incidents import Incident, IncidentStatus
from remediations.records import DecisionMade, GateResult, RunClaimed, Verdict
from remediations.runner import PreparedRun, RunRefusedError
from stream.engine.context import EngineContext, Look
from stream.engine.incidents import is_in_progress
from stream.engine.rules import change_of
from stream.engine.runs import ClaimedRun, run

# After a claim that the log did not accept: whoever got in first needs a moment to be seen.
CLAIM_PAUSE_SECONDS = 2.0


async def decide_incidents(context: EngineContext) -> None:
    """Decide on every incident for which something changed, or whose time has come."""
    for incident in context.ledger.open_incidents():
        if incident.status is IncidentStatus.OPEN and incident.raised and not is_in_progress(context, incident):
            await decide_incident(context, incident)


async def decide_incident(context: EngineContext, incident: Incident) -> None:
    """Decide, record the decision if it says something new, and claim the run it allows."""
    now, status = context.clock.now(), context.roster.get(incident.host)
    if not is_due(context.looks.get(incident.incident_id), context.ledger.state.offset, status, now):
        return
    decision = weigh(context, incident, now)
    if decision.record.verdict is Verdict.RUN and not (context.has_free_slot and context.proof.is_tried):
        return
    decision, prepared = await prepare(context, decision)
    if differs(decision.record, incident.decision):
        await context.append(decision.record)
        note(context, incident, decision.record)
    context.checkpoint("W2")
    if prepared is not None:
        await claim(context, decision, prepared)
    again = look_again_time(decision, now) if prepared is None else now + CLAIM_PAUSE_SECONDS
    context.looks[incident.incident_id] = Look(context.ledger.state.offset, status, again)


def is_due(look: Look | None, offset: int, status: object, now: float) -> bool:
    """Whether deciding again could give another answer than last time."""
    return look is None or look.offset != offset or look.status is not status or now >= look.again_time


def weigh(context: EngineContext, incident: Incident, now: float) -> Decision:
    """Ask the rules and the gates."""
    book = context.rulebook
    return decide(incident, book.policy, context.ledger, context.roster, book.inventory, book.playbooks, now)


async def prepare(context: EngineContext, decision: Decision) -> tuple[Decision, PreparedRun | None]:
    """Make the allowed run ready before it is claimed; one that can not be made ready is denied, with its reason."""
    if decision.request is None:
        return decision, None
    if context.proof.problem:
        return denied(decision, "runner_not_ready", context.proof.problem), None
    change = await change_of(context, context.rulebook.playbooks[decision.record.playbook])
    if change:
        return denied(decision, "playbook_changed", change), None
    try:
        return decision, context.runner.prepare(decision.request)
    except RunRefusedError as error:
        return denied(decision, "run_refused", str(error)), None


def denied(decision: Decision, reason: str, value: str) -> Decision:
    """The decision with a last gate that says no."""
    refusal = GateResult("runner", passed=False, reason=reason, value=value)
    record = msgspec.structs.replace(
        decision.record, verdict=Verdict.DENY, reason=reason, gates=(*decision.record.gates, refusal)
    )
    return Decision(record=record)


def note(context: EngineContext, incident: Incident, record: DecisionMade) -> None:
    """Tell metrics and log of a new decision."""
    context.metrics.decisions.labels(record.verdict.value, record.reason).inc()
    context.metrics.decision_seconds.observe(max(0.0, context.clock.now() - incident.signal.time))
    context.events.info(
        "decision.made",
        host=record.host,
        incident=record.incident_id,
        rule=record.rule,
        verdict=record.verdict.value,
        reason=record.reason,
    )


async def claim(context: EngineContext, decision: Decision, prepared: PreparedRun) -> None:
    """Claim the run; if the log says that it is ours, begin it."""
    if decision.request is None or decision.limits is None or decision.verification is None:
        return
    record = RunClaimed(
        incident_id=decision.record.incident_id,
        host=decision.record.host,
        action_id=decision.record.action_id,
        claim=secrets.token_hex(16),
        engine=context.engine,
        limits=decision.limits,
    )
    sent = await context.log.send(record, context.clock.now())
    context.checkpoint("W3")
    entry = await context.log.read_back(sent)
    context.appended(entry, record)
    context.checkpoint("W4")
    if not context.ledger.holds(record.action_id, record.claim):
        context.runner.discard(prepared)
        context.events.info("claim.lost", host=record.host, action=record.action_id)
        return
    claimed = ClaimedRun(record, entry, decision.record.playbook, decision.request, decision.verification)
    context.runs[record.action_id] = context.tasks.create_task(run(context, claimed, prepared), name=record.action_id)
