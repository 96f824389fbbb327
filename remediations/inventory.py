"""The hosts that may be acted on: an Ansible inventory in its YAML form, resolved into plain values.

Only exact host names and plain values are read: no ranges, no patterns, no templates. What a run will reach is
therefore what this file says, and nothing from an event can widen it.
"""

import msgspec

from remediations.runs import Target

UNGROUPED = "ungrouped"


class Inventory(msgspec.Struct, frozen=True):
    """Hosts with their merged variables, and each host's groups (parents too, `all` not), in order of name."""

    hosts: dict[str, dict[str, object]] = {}
    host_groups: dict[str, tuple[str, ...]] = {}
    groups: dict[str, tuple[str, ...]] = {}

    def resolve(self, host: str) -> Target | None:
        """Give the host with its variables, None if the inventory does not have exactly this name."""
        variables = self.hosts.get(host)
        return None if variables is None else Target(name=host, variables=dict(variables))

    def groups_of(self, host: str) -> tuple[str, ...]:
        """Give all groups of a host but `all`; a host without one is in `ungrouped`; empty for an unknown host."""
        return self.host_groups.get(host, ())

    def members(self, group: str) -> tuple[str, ...]:
        """Give all hosts of a group and its children, empty for an unknown group."""
        return self.groups.get(group, ())
