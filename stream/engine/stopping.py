"""The stop of an engine: what it waits for and for how long, told to whoever waits with it."""

import asyncio
from contextlib import suppress

from remediations.incidents import Action, ActionStatus
from stream.engine.context import EngineContext
from stream.engine.recovery import let_go
from stream.engine.run_process import END_SECONDS
from stream.engine.runs import CLAIM_SECONDS
from stream.errors import AppendLostError

LAST_WORD_SECONDS = 5.0
LOOKED_INTO_SECONDS = 20.0
"""What became of a run can be asked again by the next start: nothing is lost when the asking is cut short."""


async def finish(context: EngineContext, grace_seconds: float | None, hurry: asyncio.Event) -> None:
    """Let runs end, within the grace; end the others and write them down as unknown: the next start finds out.

    Without a grace they get as long as they may take. `hurry` ends them at once.
    """
    if context.proof.task is not None:
        context.proof.task.cancel()
    runs = list(context.runs.values())
    if runs:
        seconds = longest_seconds(context) if grace_seconds is None else grace_seconds
        tell(context, seconds)
        await wait(runs, seconds, hurry)
    for run in runs:
        run.cancel()
    await asyncio.gather(*runs, return_exceptions=True)
    with suppress(TimeoutError, AppendLostError):  # with Kafka away the next start writes it
        async with asyncio.timeout(LAST_WORD_SECONDS):
            for action in context.ledger.unfinished():
                if action.claim is not None and action.claim.engine == context.engine:
                    await let_go(context, action, "engine_stopped")


async def wait(runs: list[asyncio.Task[None]], seconds: float, hurry: asyncio.Event) -> None:
    """Wait for all runs, so long at most, or until there is a hurry."""
    ended, hurried = asyncio.create_task(asyncio.wait(runs)), asyncio.create_task(hurry.wait())
    await asyncio.wait((ended, hurried), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    ended.cancel()
    hurried.cancel()


def tell(context: EngineContext, seconds: float) -> None:
    """Say what is waited for, for how long at most, and what can be done about it."""
    for action in under_way(context):
        context.events.warning(
            "engine.waits",
            host=action.host,
            playbook=action.playbook,
            action=action.action_id,
            at_most_seconds=round(seconds),
            hint="a second signal ends the run at once; its outcome is then looked for at the next start",
        )


def longest_seconds(context: EngineContext) -> float:
    """How long the longest of the runs under way may still take."""
    return max((left_seconds(context, action) for action in under_way(context)), default=LOOKED_INTO_SECONDS)


def under_way(context: EngineContext) -> list[Action]:
    """The actions that this process works on."""
    return [context.ledger.state.actions[action_id] for action_id in context.runs]


def left_seconds(context: EngineContext, action: Action) -> float:
    """How long an action may still take, with the time in which its processes are ended."""
    if action.status is ActionStatus.STARTED:
        return max(0.0, action.started_time + action.timeout_seconds - context.clock.now()) + END_SECONDS
    playbook = context.rulebook.playbooks.get(action.playbook)
    if action.status is ActionStatus.CLAIMED and playbook is not None:
        return CLAIM_SECONDS + playbook.sidecar.timeout_seconds + END_SECONDS
    return LOOKED_INTO_SECONDS
