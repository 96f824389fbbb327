"""A claimed run → its end: started, played, written down (W5 to W8). From its start on nothing is ever run again."""

import asyncio
from contextlib import suppress

import msgspec

from remediations.incidents import ActionStatus
from remediations.policies import Verification
from remediations.records import (
    Entry,
    Record,
    RunClaimed,
    RunFinished,
    RunProgressed,
    RunRevoked,
    RunStarted,
    RunUnknown,
)
from remediations.runner import PreparedRun
from remediations.runs import RunRequest, RunResult, RunStatus, TaskEvent
from stream.engine.context import EngineContext, boot_seconds
from stream.errors import AppendLostError

CLAIM_SECONDS = 30.0
"""A claim not started for so long is stale: its owner lets it go, other engines take it back after twice that."""

KNOWN = frozenset({RunStatus.SUCCESSFUL, RunStatus.FAILED, RunStatus.REFUSED, RunStatus.UNREACHABLE})
"""Ends that say what happened. After any other only the target can tell."""

APPEND_PAUSE_SECONDS = 1.0


class ClaimedRun(msgspec.Struct, frozen=True):
    """A run whose claim the log has accepted: `entry` is the claim's place in the log."""

    claim: RunClaimed
    entry: Entry
    playbook: str
    request: RunRequest
    verification: Verification

    @property
    def started(self) -> RunStarted:
        """The record of its start."""
        return RunStarted(
            **identity(self.claim),
            token=self.entry.offset,
            playbook=self.playbook,
            timeout_seconds=self.request.timeout_seconds,
            verification=self.verification,
        )


def identity(claim: RunClaimed) -> dict[str, str]:
    """The fields by which every record of a run names it."""
    return {
        "incident_id": claim.incident_id,
        "host": claim.host,
        "action_id": claim.action_id,
        "claim": claim.claim,
    }


async def run(context: EngineContext, claimed: ClaimedRun, prepared: PreparedRun) -> None:
    """Start the run if the claim still holds, play it, write down its end."""
    since = boot_seconds()
    try:
        if not await start(context, claimed, since):
            context.runner.discard(prepared)
            return
        result = await play(context, claimed, prepared)
        context.checkpoint("W7")
        await conclude(context, claimed, result)
        context.checkpoint("W8")
    finally:
        del context.runs[claimed.claim.action_id]


async def start(context: EngineContext, claimed: ClaimedRun, since: float) -> bool:
    """Write and read back the start. False when the claim was taken back, here or by another engine."""
    claim = claimed.claim
    reason = why_not(context, claim, since)
    if reason:
        await context.append(RunRevoked(**identity(claim), reason=reason))
        return False
    try:
        await context.append(claimed.started)
    except AppendLostError as error:
        context.events.warning("run.start_lost", host=claim.host, action=claim.action_id, error=str(error))
        return False
    context.checkpoint("W5")
    action = context.ledger.state.actions[claim.action_id]
    if action.status is not ActionStatus.STARTED or not context.ledger.holds(claim.action_id, claim.claim):
        context.events.warning("run.overtaken", host=claim.host, action=claim.action_id)
        return False
    if is_stale(since):  # Kafka was away meanwhile: what the decision rested on is long past
        await context.append(RunUnknown(**identity(claim), reason="start_stale"))
        return False
    return True


def why_not(context: EngineContext, claim: RunClaimed, since: float) -> str:
    """Why a claimed run is not started after all, empty if it is."""
    if context.is_stopping:
        return "engine_stopping"
    incident = context.ledger.incident_of(claim.host)
    if is_stale(since):
        return "claim_stale"
    return "" if incident is not None and incident.raised else "recovered"


def is_stale(since: float) -> bool:
    """Whether a claim is too old to be started; `since` is by the clock of `boot_seconds`."""
    return boot_seconds() - since > CLAIM_SECONDS


async def play(context: EngineContext, claimed: ClaimedRun, prepared: PreparedRun) -> RunResult:
    """Run the playbook; each task that ends is written to the log, behind the run and never in its way."""
    claim = claimed.claim
    context.events.info("run.started", host=claim.host, action=claim.action_id, playbook=claimed.playbook)
    context.metrics.runs_inflight.inc()
    began = boot_seconds()
    tasks: asyncio.Queue[TaskEvent | None] = asyncio.Queue()
    writing = asyncio.create_task(write_progress(context, claim, tasks))

    def heard(task: TaskEvent) -> None:
        context.checkpoint("W6")
        tasks.put_nowait(task)

    try:
        return await context.runner.play(prepared, heard)
    finally:
        context.metrics.runs_inflight.dec()
        context.metrics.run_seconds.labels(claimed.playbook).observe(boot_seconds() - began)
        tasks.put_nowait(None)
        await writing


async def write_progress(context: EngineContext, claim: RunClaimed, tasks: asyncio.Queue[TaskEvent | None]) -> None:
    """Append tasks as they end. One that is lost is missed by readers, and changes no decision."""
    while (task := await tasks.get()) is not None:
        with suppress(AppendLostError):
            await context.append(RunProgressed(**identity(claim), task=task))


async def conclude(context: EngineContext, claimed: ClaimedRun, result: RunResult) -> None:
    """Write down how the run ended, for as long as it takes: the end is known here and nowhere else."""
    claim = claimed.claim
    await append_end(context, end_record(claim, result))
    context.metrics.runs.labels(claimed.playbook, result.status.value).inc()
    context.events.info(
        "run.ended", host=claim.host, action=claim.action_id, status=result.status.value, reason=result.reason
    )


def end_record(claim: RunClaimed, result: RunResult, how: str = "runner") -> RunFinished | RunUnknown:
    """Finished if the result says what happened, else unknown."""
    if result.status not in KNOWN:
        reason = f"{result.status.value}: {result.reason}"
        return RunUnknown(**identity(claim), reason=reason, artifacts=result.artifacts)
    return RunFinished(
        **identity(claim),
        status=result.status,
        rc=result.rc,
        reason=result.reason,
        hosts=result.hosts,
        result=result.result,
        how=how,
        artifacts=result.artifacts,
    )


async def append_end(context: EngineContext, record: Record) -> None:
    """Append, and again when it got lost: a second such record in the log would change nothing."""
    while True:
        try:
            await context.append(record)
        except AppendLostError as error:
            context.events.warning("run.end_lost", error=str(error))
            await asyncio.sleep(APPEND_PAUSE_SECONDS)
            continue
        return
