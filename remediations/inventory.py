"""The hosts that may be acted on: an Ansible inventory, resolved into plain values.

One YAML file is read here; INI files, folders, and what has group_vars or host_vars, by Ansible itself. Only exact host
names and plain values are taken: no ranges, no patterns, no templates, no programs. What a run will reach is therefore
what these files say, and nothing from an event can widen it.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path

import msgspec

from detectors.hostnames import EXACT_HOST, first_label, folded, is_short_for, nearest
from remediations.documents import read_yaml, shortened
from remediations.errors import InventoryError
from remediations.inventory_export import Export, export, is_plain
from remediations.runs import Target

ALL = "all"
UNGROUPED = "ungrouped"
LABELS = "tidegate_labels"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_KEYS = ("hosts", "vars", "children")
_TEMPLATE = re.compile(r"\{\{|\{%|\{#")
_SECRET = re.compile(r"pass|secret|token|key", re.IGNORECASE)
VAULT_IT = (
    "and a password need not be written out: give it encrypted in this place (`ansible-vault encrypt_string`), or in a "
    "file of group_vars or host_vars that `ansible-vault encrypt` has encrypted, and name engine.vault_password_file"
)
_PRIORITY = "ansible_group_priority"


class Inventory(msgspec.Struct, frozen=True, dict=True):
    """Hosts with their merged variables, and each host's groups (parents too, `all` not), in order of name.

    A host's labels, its variable `tidegate_labels`, are groups as well: `zone: a` is the group `zone_a`. Hosts are
    found by any spelling of their names (`spelling`), and kept as the inventory spells them, which Ansible knows.
    """

    hosts: dict[str, dict[str, object]] = {}
    host_groups: dict[str, tuple[str, ...]] = {}
    groups: dict[str, tuple[str, ...]] = {}

    def spelling(self, host: str) -> str:
        """Give the host as the inventory spells it, empty if it is not there.

        Names that fold to the same are the same host. Else a name without a domain and one with a domain are the same
        where the one is the other without it and no further host of the inventory begins with that label.
        """
        name = folded(host)
        if not name or name in self._by_fold:
            return self._by_fold.get(name, "")
        alike = self._by_label.get(first_label(name), [])
        only = folded(alike[0]) if len(alike) == 1 else ""
        return alike[0] if only and (is_short_for(name, only) or is_short_for(only, name)) else ""

    def resolve(self, host: str) -> Target | None:
        """Give the host with its variables, None if the inventory does not have it (`spelling`)."""
        name = self.spelling(host)
        return Target(name=name, variables=dict(self.hosts[name])) if name else None

    def nearest(self, host: str) -> str:
        """Give the host of the inventory that is spelled most like one that is not there, empty if none is like it."""
        if host not in self._nearest:
            self._nearest[host] = nearest(host, self.hosts)
        return self._nearest[host]

    def groups_of(self, host: str) -> tuple[str, ...]:
        """Give all groups of a host but `all`; a host without one is in `ungrouped`; empty for an unknown host."""
        return self.host_groups.get(self.spelling(host), ())

    def members(self, group: str) -> tuple[str, ...]:
        """Give all hosts of a group and its children, empty for an unknown group."""
        return self.groups.get(group, ())

    @cached_property
    def _by_fold(self) -> dict[str, str]:
        return {folded(host): host for host in self.hosts}

    @cached_property
    def _by_label(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name, host in self._by_fold.items():
            if first_label(name):
                found.setdefault(first_label(name), []).append(host)
        return found

    @cached_property
    def _nearest(self) -> dict[str, str]:
        return {}


def read_inventory(path: Path, vault_password_file: Path | None = None) -> Inventory:
    """Read an Ansible inventory, a file or a folder. Raises InventoryError, which names the place.

    Files that Ansible's vault has encrypted take its password; single values that it has stay as they are.
    """
    return _read_yaml(path) if is_plain(path) else _read_export(path, export(path, vault_password_file))


def _read_export(path: Path, read: Export) -> Inventory:
    """Take what Ansible has read, checked like what is read here."""
    tree = _Tree(path)
    for name, group in read.groups.items():
        body = {"hosts": dict.fromkeys(group.hosts), "children": dict.fromkeys(group.children)}
        tree.add(name, {key: value for key, value in body.items() if value}, name)
    for host, variables in read.variables.items():
        if host in tree.host_variables:
            tree.host_variables[host] = tree.checked(variables, host)
    tree.complete()
    return _inventory(tree)


def _read_yaml(file: Path) -> Inventory:
    """Read one YAML file.

    Variables merge as Ansible merges them: parents before children, groups of one depth by `ansible_group_priority` and
    name, the host's own last.
    """
    top = _mapping(file, "", read_yaml(file, InventoryError))
    tree = _Tree(file)
    for name, body in top.items():
        tree.add(name, body, name)
    tree.complete()
    return _inventory(tree)


def _inventory(tree: "_Tree") -> Inventory:
    hosts = sorted(tree.host_variables)
    own = {host: tree.groups_above(host) for host in hosts}
    variables = {host: tree.merged(host, own[host]) for host in hosts}
    labelled = {host: frozenset(_label_groups(tree.file, host, variables[host])) for host in hosts}
    above = {host: own[host] | labelled[host] for host in hosts}
    names = sorted(tree.parents.keys() | frozenset().union(*labelled.values()))
    return Inventory(
        hosts=variables,
        host_groups={host: tuple(sorted(above[host] - {ALL})) or (UNGROUPED,) for host in hosts},
        groups={name: tuple(host for host in hosts if name in above[host]) for name in names}
        | {ALL: tuple(hosts), UNGROUPED: tuple(host for host in hosts if not above[host] - {ALL, UNGROUPED})},
    )


def _label_groups(file: Path, host: str, variables: Mapping[str, object]) -> Iterator[str]:
    """Give the groups that a host is in by its labels. Raises InventoryError."""
    place = f"{host}.{LABELS}"
    for label, value in _mapping(file, place, variables.get(LABELS)).items():
        name = f"{label}_{value}"
        if not isinstance(value, str) or _NAME.fullmatch(name) is None:
            problem = f"is {shortened(value)}, wanted text with which {label}_… is a name like {_NAME.pattern}"
            raise InventoryError(file, f"{place}.{label}", problem)
        yield name


class _Tree:
    """Groups and hosts as they are written down, gathered from every place that mentions them."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.parents: dict[str, set[str]] = {}
        self.group_variables: dict[str, dict[str, object]] = {}
        self.host_variables: dict[str, dict[str, object]] = {}
        self.host_parents: dict[str, set[str]] = {}
        self.spellings: dict[str, str] = {}

    def add(self, name: str, body: object, path: str) -> None:
        """Add a group with all that is below it."""
        if _NAME.fullmatch(name) is None:
            raise InventoryError(self.file, path, f"is no name of a group, wanted {_NAME.pattern}")
        self.parents.setdefault(name, set())
        parts = _mapping(self.file, path, body)
        for key in parts:
            if key not in _KEYS:
                raise InventoryError(self.file, path, f"has the unknown key {key}, wanted {', '.join(_KEYS)}")
        variables = self.checked(parts.get("vars"), f"{path}.vars")
        self.group_variables.setdefault(name, {}).update(variables)
        for host, own in _mapping(self.file, f"{path}.hosts", parts.get("hosts")).items():
            self._add_host(host, own, name, f"{path}.hosts.{host}")
        for child, below in _mapping(self.file, f"{path}.children", parts.get("children")).items():
            self.add(child, below, f"{path}.children.{child}")
            self.parents[child].add(name)

    def complete(self) -> None:
        """Put `all` above what has nothing above it; raise if a group is above itself."""
        self.parents.setdefault(ALL, set())
        for name in self.parents.keys() - {ALL}:
            self.parents[name] = self.parents[name] or {ALL}
        for name in sorted(self.parents):
            if name in self._above(self.parents[name]):
                raise InventoryError(self.file, name, "is a child of itself")

    def groups_above(self, host: str) -> set[str]:
        """Give every group that a host is in, by itself or through a child."""
        return self._above(self.host_parents[host])

    def merged(self, host: str, groups: Iterable[str]) -> dict[str, object]:
        """Give the host's variables."""
        merged: dict[str, object] = {}
        for name in (ALL, *sorted(set(groups) - {ALL}, key=self._rank)):
            merged.update(self.group_variables.get(name, {}))
        merged.pop(_PRIORITY, None)
        return merged | self.host_variables[host]

    def _add_host(self, host: str, own: object, group: str, path: str) -> None:
        if EXACT_HOST.fullmatch(host) is None:
            raise InventoryError(
                self.file, path, "is no exact host name: write each host out, without ranges or patterns"
            )
        if host in (ALL, UNGROUPED):
            raise InventoryError(self.file, path, "is the name of a group that Ansible makes, not of a host")
        other = self.spellings.setdefault(folded(host), host)
        if other != host:
            raise InventoryError(
                self.file, path, f"is the same host as {other}: names are compared without regard to case"
            )
        self.host_variables.setdefault(host, {}).update(self.checked(own, path))
        self.host_parents.setdefault(host, set()).add(group)

    def checked(self, data: object, path: str) -> dict[str, object]:
        """Give variables as they are; raise for a name that is none, or a value that is a template."""
        variables = dict(_mapping(self.file, path, data))
        for name, value in variables.items():
            if _NAME.fullmatch(name) is None:
                raise InventoryError(self.file, f"{path}.{name}", f"is no name of a variable, wanted {_NAME.pattern}")
            self._refuse_templates(value, f"{path}.{name}")
        return variables

    def _refuse_templates(self, value: object, path: str) -> None:
        if isinstance(value, str) and _TEMPLATE.search(value):
            advice = VAULT_IT if _SECRET.search(path) else "write the value out"
            raise InventoryError(self.file, path, f"is {shortened(value)}: templates are not read here, {advice}")
        inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, each in inner:
            self._refuse_templates(key, path)
            self._refuse_templates(each, f"{path}.{key}")

    def _above(self, groups: Iterable[str]) -> set[str]:
        found: set[str] = set()
        waiting = list(groups)
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting.extend(self.parents[name])
        return found

    def _depth(self, group: str) -> int:
        return 1 + max((self._depth(parent) for parent in self.parents[group]), default=0)

    def _rank(self, group: str) -> tuple[int, int, str]:
        priority = self.group_variables.get(group, {}).get(_PRIORITY, 1)
        return self._depth(group), priority if isinstance(priority, int) else 1, group


def _mapping(file: Path, path: str, data: object) -> Mapping[str, object]:
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise InventoryError(file, path, f"is {shortened(data)}, wanted a mapping")
    return data
