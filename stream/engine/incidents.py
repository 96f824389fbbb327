"""Signals → incidents: what detect noticed is written down, and incidents end when their signals have cleared."""

from detectors.signals import HostStatus, Signal, SignalKind, SignalState
from remediations.decisions import answers
from remediations.identities import incident_id
from remediations.incidents import EXECUTED, Action, ActionStatus, Incident, IncidentStatus
from remediations.records import (
    HumanNeeded,
    IncidentClosed,
    IncidentOpened,
    IncidentUpdated,
    Verdict,
    VerificationOutcome,
)
from remediations.runner import is_another_machine
from remediations.runs import RunStatus
from stream.engine.context import EngineContext
from stream.errors import AppendLostError

NOTICES_SECONDS = 0.2
CALL_SECONDS = 3600.0
"""A call to look at a host that is well again stands so long; then the incident is closed as unproven."""
# A second run after one that broke off or that nobody saw the end of: only where the playbook says it does no harm.
NOT_REPEATED = frozenset({VerificationOutcome.FAILED, VerificationOutcome.UNKNOWN})


async def take_notices(context: EngineContext) -> None:
    """Wait a moment for signals and roster entries; keep the roster, write signals down as incidents."""
    for offset, notice in await context.notices.read(NOTICES_SECONDS):
        if isinstance(notice, HostStatus):
            known = context.roster.get(notice.host)
            if known is None or notice.time >= known.time:
                context.roster[notice.host] = notice
        else:
            await write_signal_or_rewind(context, offset, notice)


async def write_signal_or_rewind(context: EngineContext, offset: int, signal: Signal) -> None:
    """Write a signal down; when its record gets lost, the signal is read again. Raises AppendLostError then."""
    try:
        await write_signal(context, offset, signal)
    except AppendLostError:
        context.notices.rewind(offset)
        raise


async def write_signal(context: EngineContext, offset: int, signal: Signal) -> None:
    """Open an incident, or add to the open one of the host. A signal that is in the log already changes nothing."""
    context.checkpoint("W0")
    ledger = context.ledger
    incident = ledger.incident_of(signal.host)
    if ledger.is_handled(signal.id) or not is_wanted(context, incident, signal):
        context.checkpoint("W1")
        return
    if incident is not None:
        await context.append(update_of(incident, offset, signal))
    elif signal.state is SignalState.RAISED:
        episode = ledger.next_episode(signal.host)
        name = incident_id(signal.host, episode, ledger.state.log_id)
        await context.append(IncidentOpened(name, signal.host, episode, signal, signal_offset=offset))
        context.events.info("incident.opened", host=signal.host, signal=signal.id, score=signal.score)
    context.checkpoint("W1")


def is_wanted(context: EngineContext, incident: Incident | None, signal: Signal) -> bool:
    """Whether a signal is written down. That normal has moved is no trouble: only where a rule answers to it."""
    if signal.kind is not SignalKind.DRIFT:
        return True
    if signal.state is SignalState.CLEARED:
        return incident is not None and signal.raised_id in incident.raised
    book = context.rulebook
    is_answered = answers(book.policy, signal.kind, signal.host, book.inventory)
    return is_answered and (incident is None or not incident.is_trouble)


def update_of(incident: Incident, offset: int, signal: Signal) -> IncidentUpdated:
    """The record of a further signal of an incident."""
    is_worse = signal.state is SignalState.RAISED and signal.kind is not SignalKind.DRIFT and not incident.is_trouble
    return IncidentUpdated(
        incident_id=incident.incident_id,
        host=incident.host,
        signal_id=signal.id,
        raised_id=signal.raised_id,
        kind=signal.kind,
        state=signal.state,
        signal_time=signal.time,
        score=signal.score,
        signal_offset=offset,
        signal=signal if is_worse else None,
    )


async def close_incidents(context: EngineContext) -> None:
    """Close incidents whose signals have all cleared, unless one of their runs is not done or not judged yet.

    That they have cleared does not prove what a run of unknown outcome has done: a human is called to look.
    """
    for incident in context.ledger.open_incidents():
        if incident.raised or is_in_progress(context, incident):
            continue
        actions = runs_of(context, incident)
        unproven = unproven_run(actions)
        if unproven is not None and not is_looked_at(incident, context.clock.now()):
            await call_to_look(context, incident, unproven)
            continue
        reason, outcome = ending(actions)
        await context.append(IncidentClosed(incident.incident_id, incident.host, reason, outcome))
        context.looks.pop(incident.incident_id, None)
        context.events.info("incident.closed", host=incident.host, incident=incident.incident_id, reason=reason)
        context.checkpoint("W10")


def ending(actions: tuple[Action, ...]) -> tuple[str, VerificationOutcome | None]:
    """Reason of a close and outcome of the last run."""
    if not actions:
        return "recovered", None
    last = actions[-1]
    if unproven_run(actions) is not None:
        return "recovered_unproven", last.outcome or VerificationOutcome.UNKNOWN
    return "verified" if last.outcome is VerificationOutcome.SUCCESS else "recovered", last.outcome


def unproven_run(actions: tuple[Action, ...]) -> Action | None:
    """The last run that had an effect, if nobody knows which: it broke off, and may have left its work half done.

    A later run that never came to the target changes nothing about that.
    """
    last = next((action for action in reversed(actions) if not is_without_effect(action)), None)
    if last is None or not (last.status is ActionStatus.NEEDS_HUMAN or last.run_status is RunStatus.UNKNOWN):
        return None
    return last


def is_without_effect(action: Action) -> bool:
    """Whether a run is known to have done nothing on its target."""
    return action.run_status in {RunStatus.UNREACHABLE, RunStatus.REFUSED} or is_another_machine(action.reason)


def is_looked_at(incident: Incident, now: float) -> bool:
    """Whether a human has had the incident: its signals cleared after the call, or the call is long past."""
    is_called = incident.status is IncidentStatus.NEEDS_HUMAN
    return is_called and (incident.is_cleared_since_human or now >= incident.human_time + CALL_SECONDS)


async def call_to_look(context: EngineContext, incident: Incident, last: Action) -> None:
    """Hand over an incident that is over by its signals, once."""
    if incident.status is IncidentStatus.OPEN:
        reason = (
            f"run_unknown: {last.playbook} broke off on {incident.host}; the signals have cleared, look at the host"
        )
        await context.append(HumanNeeded(incident.incident_id, incident.host, last.action_id, reason))
        context.events.warning("incident.needs_human", host=incident.host, reason=reason)


async def call_humans(context: EngineContext) -> None:
    """Hand an incident over when no further attempt may follow: it had enough of them, or its host had."""
    for incident in context.ledger.open_incidents():
        if not incident.raised or incident.status is not IncidentStatus.OPEN or is_in_progress(context, incident):
            continue
        actions = runs_of(context, incident)
        reason = (give_up_reason(context, actions) if actions else "") or worn_out_reason(incident)
        if reason:
            last = actions[-1].action_id if actions else ""
            await context.append(HumanNeeded(incident.incident_id, incident.host, last, reason))
            context.events.warning("incident.needs_human", host=incident.host, reason=reason)


def give_up_reason(context: EngineContext, actions: tuple[Action, ...]) -> str:
    """Why no further attempt may follow the last run, empty if one may."""
    last = actions[-1]
    if last.status is not ActionStatus.VERIFIED or last.outcome is None or last.claim is None:
        return ""
    if is_another_machine(last.reason):
        return last.reason
    if len(actions) >= last.claim.limits.attempts_maximum:
        return f"attempts_exhausted: {len(actions)} run, the last one {last.outcome.value}"
    playbook = context.rulebook.playbooks.get(last.playbook)
    if last.outcome in NOT_REPEATED and (playbook is None or not playbook.sidecar.idempotent):
        return f"not_repeatable: {last.playbook} is not idempotent and its run is {last.outcome.value}"
    return ""


def worn_out_reason(incident: Incident) -> str:
    """Why the host of an incident may not be repaired once more, empty if it was not denied for that."""
    decision = incident.decision
    if decision is None or decision.verdict is not Verdict.DENY or decision.reason != "host_attempts_exhausted":
        return ""
    gate = decision.gates[-1]
    if gate.value == "0":
        return ""  # a limit of 0 allows nothing, and nothing was tried
    return (
        f"host_attempts_exhausted: {gate.value} runs on {incident.host} lately, limit {gate.limit}; "
        "the host is in trouble still or again: what causes it is not repaired"
    )


def runs_of(context: EngineContext, incident: Incident) -> tuple[Action, ...]:
    """The incident's actions that ran, or may have, in the order they were decided."""
    actions = (context.ledger.state.actions[action_id] for action_id in incident.actions)
    return tuple(action for action in actions if action.status in EXECUTED)


def is_in_progress(context: EngineContext, incident: Incident) -> bool:
    """Whether an action of the incident is claimed, may still have its effect, or is not judged yet."""
    actions = (context.ledger.state.actions[action_id] for action_id in incident.actions)
    return any(action.is_unfinished or action.status is ActionStatus.FINISHED for action in actions)
