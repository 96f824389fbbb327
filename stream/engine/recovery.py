"""Runs whose engine is gone: take back what had not started, find out on the target what became of the rest.

claimed      revoke: nothing ran, and a late owner is stopped when it reads back its start
started      write down `unknown`
unknown      end what still runs here; then whoever knows tells:
             the run process wrote its end down   finished
             marker done                          finished (marker)
             marker absent                        close it, not executed: a further attempt may be decided
             marker begun, no end                 failed if the playbook may be repeated, else a human
             target not reached                   ask again, later and later; the target stays locked; then a human
"""

import asyncio

from remediations.incidents import Action, ActionStatus
from remediations.ledger import Ledger
from remediations.records import HumanNeeded, Record, RunFinished, RunNotExecuted, RunRevoked, RunUnknown
from remediations.runner import MarkerReport, RunnerError
from remediations.runs import MarkerState, RunRequest, RunResult, RunStatus
from stream.engine.context import EngineContext, Runner
from stream.engine.runs import CLAIM_SECONDS, KNOWN
from stream.errors import AppendLostError

RUN_GRACE_SECONDS = 60.0
"""A run of another engine counts as abandoned when its own time and this are over without a word of its end."""

UNCOUNTED = frozenset({"engine_gone", "engine_stopped", "start_stale"})
"""Why runs are unknown that nobody saw the end of; all others are counted by the engine that did."""

TIDY_SECONDS = 3600.0
PAUSE_SECONDS, PAUSE_MAXIMUM_SECONDS = 5.0, 120.0
PATIENCE_SECONDS = 900.0
"""A target that can not be asked for so long after the run's time is over is left to a human."""


async def recover_runs(context: EngineContext) -> None:
    """Begin to recover every unfinished action that nobody works on, as far as there are free slots."""
    now = context.clock.now()
    for action in context.ledger.unfinished():
        if action.action_id in context.runs or not is_abandoned(action, context.engine, now):
            continue
        if action.status is not ActionStatus.UNKNOWN:
            await let_go(context, action, "engine_gone")
        elif context.has_free_slot and now >= context.recoveries.get(action.action_id, 0.0):
            context.runs[action.action_id] = context.tasks.create_task(resolve(context, action))


async def tidy_runs(context: EngineContext) -> None:
    """Now and then remove the artifacts of old runs; what is still in evidence keeps its own."""
    now = context.clock.now()
    if now >= context.tidy_time + TIDY_SECONDS:
        context.tidy_time = now
        await asyncio.to_thread(context.runner.tidy, now, in_evidence(context.ledger))


def in_evidence(ledger: Ledger) -> set[str]:
    """Actions whose outcome is to be found out, and all of incidents that are open, a human's too."""
    unfinished = {action.action_id for action in ledger.unfinished()}
    return unfinished.union(*(incident.actions for incident in ledger.open_incidents()))


async def let_go(context: EngineContext, action: Action, reason: str) -> None:
    """Take a claim back, or write down that a started run's outcome is unknown."""
    if action.status is ActionStatus.CLAIMED:
        await context.append(RunRevoked(**identity(action), reason=reason))
    elif action.status is ActionStatus.STARTED:
        await context.append(RunUnknown(**identity(action), reason=reason))


def is_abandoned(action: Action, engine: str, now: float) -> bool:
    """Whether an unfinished action that is not run by this process is run by nobody.

    An action of this very engine is from an earlier life: the folder's lock admits one at a time. Of another engine
    only time can tell, by the broker's clock.
    """
    if action.claim is None or action.claim.engine == engine:
        return True
    if action.status is ActionStatus.CLAIMED:
        return now - action.claim.time > 2 * CLAIM_SECONDS
    return now - action.started_time > action.timeout_seconds + RUN_GRACE_SECONDS


async def resolve(context: EngineContext, action: Action) -> None:
    """Find out what became of an unknown run, and write it down; if nobody can tell yet, ask again later."""
    try:
        record = await outcome(context, action)
        if record is None:
            wait(context, action)
            return
        await context.append(record)
        context.recoveries.pop(action.action_id, None)
        count_end(context, action, record)
        context.events.info("run.resolved", host=action.host, action=action.action_id, record=type(record).__name__)
    except AppendLostError as error:
        context.events.warning("run.resolution_lost", action=action.action_id, error=str(error))
    finally:
        del context.runs[action.action_id]


def count_end(context: EngineContext, action: Action, record: Record) -> None:
    """Count the end of a run that was found out here, unless the run was counted when it ended without one."""
    if action.reason not in UNCOUNTED:
        return
    match record:
        case RunFinished():
            status = record.status.value
        case RunNotExecuted():
            status = "not_executed"
        case _:
            status = RunStatus.UNKNOWN.value
    context.metrics.runs.labels(action.playbook, status).inc()


def wait(context: EngineContext, action: Action) -> None:
    """Ask again after a pause that grows with the time it has taken already."""
    now = context.clock.now()
    pause = min(max(PAUSE_SECONDS, (now - action.started_time) / 4), PAUSE_MAXIMUM_SECONDS)
    context.recoveries[action.action_id] = now + pause
    context.events.warning("run.unresolved", host=action.host, action=action.action_id, again_seconds=pause)


async def outcome(context: EngineContext, action: Action) -> Record | None:
    """The record that ends an unknown run; None if it can not be told now."""
    if not await context.runner.end_leftovers(action.action_id):
        return None
    request = context.request_of(action)
    known = context.runner.recorded(request)
    if known is not None and known.status in KNOWN:
        return finished(action, known, "runner")
    report = await look(context.runner, request)
    match report.state:
        case MarkerState.DONE:
            status = report.outcome or RunStatus.UNKNOWN
            return finished(action, RunResult(status, None, reason="told by the marker"), "marker")
        case MarkerState.CLOSED:
            return RunNotExecuted(**identity(action))
        case MarkerState.BEGUN:
            return begun(context, action)
        case _:
            return given_up(context, action, report)


async def look(runner: Runner, request: RunRequest) -> MarkerReport:
    """Ask the target. An absent marker is closed at once, which tells again: it may have been taken meanwhile."""
    if not request.targets:
        return MarkerReport(MarkerState.UNREACHABLE, reason="it is no longer in the inventory")
    try:
        report = await runner.inspect(request)
        return await runner.close(request) if report.state is MarkerState.ABSENT else report
    except RunnerError as error:
        return MarkerReport(MarkerState.UNREACHABLE, reason=str(error))


def begun(context: EngineContext, action: Action) -> Record:
    """The run had begun and broke off: it may have had a part of its effect."""
    playbook = context.rulebook.playbooks.get(action.playbook)
    if playbook is not None and playbook.sidecar.idempotent:
        reason = "it broke off; the playbook may be repeated"
        return finished(action, RunResult(RunStatus.UNKNOWN, None, reason=reason), "marker")
    reason = f"run_unknown: {action.playbook} had begun on {action.host} and broke off, it may be half done"
    return HumanNeeded(action.incident_id, action.host, action.action_id, reason)


def given_up(context: EngineContext, action: Action, report: MarkerReport) -> Record | None:
    """A human, when the target could not be asked for too long."""
    if context.clock.now() - action.started_time < action.timeout_seconds + PATIENCE_SECONDS:
        return None
    reason = f"run_unknown: {action.host} can not be asked what became of {action.playbook}: {report.reason}"
    return HumanNeeded(action.incident_id, action.host, action.action_id, reason)


def finished(action: Action, result: RunResult, how: str) -> RunFinished:
    """The end of a run as it was found out."""
    return RunFinished(
        **identity(action),
        status=result.status,
        rc=result.rc,
        reason=result.reason,
        hosts=result.hosts,
        result=result.result,
        how=how,
        artifacts=result.artifacts,
    )


def identity(action: Action) -> dict[str, str]:
    """The fields by which every record of a run names it."""
    return {
        "incident_id": action.incident_id,
        "host": action.host,
        "action_id": action.action_id,
        "claim": action.claim.claim if action.claim else "",
    }
