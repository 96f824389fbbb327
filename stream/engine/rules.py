"""The rules while the engine works: read again when their files change, and held to at the moment of a run."""

import asyncio
from importlib.metadata import version
from pathlib import Path

from remediations.arming import disarmed
from remediations.catalogue import read_playbooks
from remediations.errors import DocumentError
from remediations.identities import new_log_identity
from remediations.loading import Rulebook
from remediations.playbooks import Playbook
from remediations.records import EngineStarted, RulesChanged, RulesRefused
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
            await refuse_rules(context, str(error))
        return
    if rulebook != context.rulebook or context.rules_problem:
        await change_rules(context, rulebook)


async def refuse_rules(context: EngineContext, problem: str) -> None:
    """Keep the rules that were right, and say so wherever operators look."""
    kept = context.rulebook.policy_digest
    context.metrics.rules_refused.set(1)
    context.events.error("rules.refused", error=problem, kept=kept)
    await context.append(RulesRefused(engine=context.engine, problem=problem, policy_digest=kept))
    context.rules_problem = problem


async def change_rules(context: EngineContext, book: Rulebook) -> None:
    """Work by these rules from now on: said first, so that what a lost record should have said is said again."""
    await context.append(
        RulesChanged(
            engine=context.engine,
            policy_digest=book.policy_digest,
            playbook_digests=book.playbook_digests,
            inventory_digest=book.inventory_digest,
        )
    )
    context.rulebook, context.rules_problem = book, ""
    context.metrics.rules_refused.set(0)
    context.events.info("rules.changed", engine=context.engine, policy=book.policy_digest)
    tell_disarmed(context)


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
            log_id=context.ledger.state.log_id or new_log_identity(),
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
