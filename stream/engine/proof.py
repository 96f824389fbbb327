"""Can a run begin at all? Tried at the start and, while it can not, again and again; the engine is not ready before."""

from stream.engine.context import EngineContext, boot_seconds

AGAIN_SECONDS = 15.0


async def prove_runner(context: EngineContext) -> None:
    """Play a play that does nothing, in the background, until that has succeeded once."""
    proof = context.proof
    if proof.task is not None:
        if proof.task.done():
            conclude(context, proof.task.result())
        return
    if proof.problem and boot_seconds() >= proof.again_time:
        proof.task = context.tasks.create_task(context.runner.prove())


def conclude(context: EngineContext, problem: str) -> None:
    """Take note of how a proof ended, and tell it if it is new."""
    proof, before = context.proof, context.proof.problem
    proof.task, proof.problem, proof.is_tried = None, problem, True
    proof.again_time = boot_seconds() + AGAIN_SECONDS
    context.metrics.runner_ready.set(not problem)
    if problem == before:
        return
    context.looks.clear()  # what was denied, or waited, is looked at again
    if problem:
        context.events.error("runner.not_ready", cause=problem, again_seconds=AGAIN_SECONDS)
    else:
        context.events.info("runner.ready")
