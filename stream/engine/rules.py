"""The rules while the engine works: read again when their files change, and held to at the moment of a run."""

import asyncio
from importlib.metadata import version
from pathlib import Path

from remediations.arming import disarmed
from remediations.catalogue import read_playbooks
from remediations.errors import DocumentError
from remediations.playbooks import Playbook
from remediations.records import EngineStarted
from stream.engine.context import EngineContext

RELOAD_SECONDS = 5.0


async def reload_rules(context: EngineContext) -> None:
    """Work by changed rules from now on, and say so in the log; of files that are wrong the last good state holds."""
    now = context.clock.now()
    if now < context.rules_time + RELOAD_SECONDS:
        return
    context.rules_time = now
    try:
        rulebook = await asyncio.to_thread(context.read_rules)
    except DocumentError as error:
        if str(error) != context.rules_problem:
            context.events.error("rules.refused", error=str(error), kept=context.rulebook.policy_digest)
        context.rules_problem = str(error)
        return
    context.rules_problem = ""
    if rulebook != context.rulebook:
        context.rulebook = rulebook
        await introduce(context)


async def introduce(context: EngineContext) -> None:
    """Say in the log who works from here on, and by which rules."""
    book = context.rulebook
    await context.append(
        EngineStarted(
            engine=context.engine,
            version=version("tidegate"),
            policy_digest=book.policy_digest,
            playbook_digests=book.playbook_digests,
            inventory_digest=book.inventory_digest,
        )
    )
    context.events.info("engine.rules", engine=context.engine, policy=book.policy_digest)
    tell_disarmed(context)


def tell_disarmed(context: EngineContext) -> None:
    """Name the playbooks that were not accepted because of what they break, and the rules that can never act."""
    for playbook in context.rulebook.playbooks.values():
        if playbook.breach:
            context.events.warning("playbook.not_accepted", playbook=playbook.name, problem=playbook.breach)
    rules = disarmed(context.rulebook)
    context.metrics.rules_disarmed.set(len(rules))
    for each in rules:
        context.events.warning("rule.not_armed", rule=each.rule, reason=each.reason)


async def change_of(context: EngineContext, playbook: Playbook) -> str:
    """Why the files of a playbook are not what was decided on, empty if they are."""
    folder = Path(context.settings.engine.playbooks)
    try:
        found = await asyncio.to_thread(read_playbooks, folder)
    except DocumentError as error:
        return str(error)
    digest = found[playbook.name].digest if playbook.name in found else "none"
    return "" if digest == playbook.digest else f"{playbook.path} has digest {digest}, decided on {playbook.digest}"
