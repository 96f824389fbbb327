"""Delegates: the hosts that a run acts through, named by variables of its target, found in the inventory alone."""

from collections.abc import Iterable, Mapping

import msgspec

from remediations.incidents import Action
from remediations.inventory import Inventory
from remediations.playbooks import Playbook
from remediations.runs import Target


class Delegates(msgspec.Struct, frozen=True):
    """The delegates of one run; `reason` and `value` say why they can not be told, empty if they can."""

    hosts: tuple[Target, ...] = ()
    reason: str = ""
    value: str = ""


def find(playbook: Playbook, target: Target, inventory: Inventory) -> Delegates:
    """Resolve every variable that the sidecar names: it holds one host name or a list of them, each once."""
    found: dict[str, Target] = {}
    for variable in playbook.sidecar.targets.delegates:
        value = target.variables.get(variable)
        if value is None:
            return Delegates(reason="delegate_missing", value=f"{target.name} has no variable {variable}")
        names = value if isinstance(value, list) else [value]
        if not names:
            return Delegates(reason="delegate_missing", value=f"{variable} of {target.name} is empty")
        for name in names:
            host = inventory.resolve(name) if isinstance(name, str) else None
            if host is None or host.name != name:  # Ansible, which is to act through it, knows the inventory's spelling
                hint = "" if host is None else f", the inventory has {host.name}"
                return Delegates(reason="delegate_unknown", value=f"{variable} of {target.name} is {name}{hint}")
            found[host.name] = host
    return Delegates(hosts=tuple(found.values()))


def busy_through(
    host: str,
    delegates: Delegates,
    unfinished: Iterable[Action],
    playbooks: Mapping[str, Playbook],
    inventory: Inventory,
) -> str:
    """Give the unfinished action that works on a delegate of this run, or works through its host; empty if none.

    One that works on this very host under another of its names counts as well.

    Two runs may act through the same delegate: how many run at a time is bounded by their groups.
    """
    mine = inventory.spelling(host) or host
    needed = {delegate.name for delegate in delegates.hosts} - {mine}
    for action in unfinished:
        if action.host == host:
            continue  # the target's own lock
        playbook, target = playbooks.get(action.playbook), inventory.resolve(action.host)
        used = find(playbook, target, inventory).hosts if playbook is not None and target is not None else ()
        name = target.name if target is not None else action.host
        if name == mine or name in needed or any(each.name == mine for each in used):
            return action.action_id
    return ""
