"""What may have been meant by a name that no host has: a pattern, a group, a host that is not there yet, a slip."""

import fnmatch
import re
from collections.abc import Collection, Sequence
from pathlib import Path

import msgspec

from console.hosts import newest_statuses
from console.reading import read_notices
from console.requests import ask
from detectors.commands import Answer, Command, Refusal
from detectors.hostnames import near
from remediations.errors import RemediationError
from remediations.inventory import Inventory
from stream.engine.flow import read_hosts
from stream.settings import Settings

SHOWN = 5
_PATTERN = re.compile(r"[*?\[\]!&~,]")


async def answered(settings: Settings, commands: Sequence[Command], wait_seconds: float) -> list[Answer]:
    """Give commands to detect, as `ask`; a refusal of a host that it has not seen says what may have been meant."""
    answers = await ask(settings, commands, wait_seconds)
    if all(answer.refusal is not Refusal.UNKNOWN_HOST for answer in answers):
        return answers
    seen, inventory = newest_statuses(await read_notices(settings)), _inventory(settings)
    return [
        msgspec.structs.replace(answer, words=f"{answer.words}; {meaning(answer.command.host, seen, inventory)}")
        if answer.refusal is Refusal.UNKNOWN_HOST
        else answer
        for answer in answers
    ]


def meaning(name: str, seen: Collection[str], inventory: Inventory | None) -> str:
    """What a name is that detect has not seen, and which hosts are near it."""
    known = inventory or Inventory()
    if _PATTERN.search(name):
        return f"it is a pattern, wanted exact names: it fits {_listed(fnmatch.filter(sorted(seen), name)) or 'none'}"
    if known.members(name):
        return f"it is a group of the inventory, wanted exact names: its hosts are {_listed(known.members(name))}"
    found = _listed(near(name, {*seen, *known.hosts}, SHOWN))
    nearest = f"; nearest: {found}" if found else ""
    if known.spelling(name):
        return "the inventory has it: it is known here from its first sample on"
    return ("the inventory does not have it either" if inventory else "the inventory can not be read here") + nearest


def _inventory(settings: Settings) -> Inventory | None:
    """The inventory, None where it can not be read: these commands need not run where the engine does."""
    try:
        return read_hosts(settings) if Path(settings.engine.inventory).exists() else None
    except RemediationError:
        return None


def _listed(names: Sequence[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")
