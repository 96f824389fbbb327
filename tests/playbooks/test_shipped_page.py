"""docs/shipped-playbooks.md says what is so: the inputs of every role, their defaults, and examples that load."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from remediations.catalogue import read_playbooks
from remediations.delegates import find
from remediations.inventory import read_inventory
from remediations.playbooks import FromInventory
from tests.playbooks.runs import PLAYBOOKS

PAGE = (PLAYBOOKS.parent / "docs" / "shipped-playbooks.md").read_text()
ROLES = {"restart": "restart", "scale": "scale", "rollback": "rollback", "drain": "drain and undrain", "clean": "clean"}
ROW = re.compile(r"^\| `(\w+)` \| (.*?) \|.*\|$", re.MULTILINE)
VARIABLE = re.compile(r"\{\{ (\w+) \| default\(")


def section(title: str) -> str:
    """The text below a heading, up to the next of its kind."""
    (found,) = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    return str(found)


def specification(role: str) -> dict[str, dict[str, Any]]:
    """The options of all entry points of a role, as its specification has them."""
    text = (PLAYBOOKS / "roles" / role / "meta" / "argument_specs.yml").read_text()
    points = yaml.safe_load(text)["argument_specs"].values()
    return {name: option for point in points for name, option in point["options"].items()}


def defaults(role: str) -> dict[str, object]:
    """The defaults of a role, out of its one file or its files."""
    folder = PLAYBOOKS / "roles" / role / "defaults"
    files = [yaml.safe_load(file.read_text()) or {} for file in folder.rglob("*.yml")]
    return {name: value for file in files for name, value in file.items()}


def told(cell: str) -> object:
    """The default that a table tells: a literal, or words."""
    return "" if cell == "none" else yaml.safe_load(cell.strip("`")) if cell.startswith("`") else cell


def wanted(role: str, name: str) -> object:
    """The default that the page has to tell."""
    source = read_playbooks(PLAYBOOKS)[role].sidecar.inputs.get(name)
    if isinstance(source, FromInventory):
        return f"variable `{source.variable}`"
    option, own = specification(role)[name], defaults(role).get(name)
    variable = VARIABLE.search(own) if isinstance(own, str) else None
    if variable is not None:
        return f"variable `{variable[1]}`"
    return option.get("default", own)


WORDS: dict[str, dict[str, object]] = {
    "rollback": {"rollback_folder": "/opt/<service>"},
    "drain": {"drain_kubernetes_grace_seconds": "what the pod says"},
}


@pytest.mark.parametrize("role", ROLES)
def test_inputs(role: str) -> None:
    """The table of a playbook names every input of its role, no other, and its default."""
    rows = ROW.findall(section(ROLES[role]))
    assert sorted(name for name, _ in rows) == sorted(specification(role))
    found = {name: told(cell) for name, cell in rows}
    expected = {name: wanted(role, name) for name, _ in rows} | WORDS.get(role, {})
    assert found == expected


@pytest.mark.parametrize(
    "role", [path.parent.parent.name for path in PLAYBOOKS.glob("roles/*/meta/argument_specs.yml")]
)
def test_specifications_tell_the_defaults(role: str) -> None:
    """A default that a specification tells is the one that the role has."""
    own = defaults(role)
    options = {name: option["default"] for name, option in specification(role).items() if "default" in option}
    assert {name: own.get(name) for name in options} == options


def test_every_playbook_is_there() -> None:
    """The first table names each playbook of the folder, but for the two that the engine itself runs."""
    names = re.findall(r"^\| \[(\w+)\]", PAGE, re.MULTILINE)
    shipped = read_playbooks(PLAYBOOKS)
    assert sorted(names) == sorted(shipped)


EXAMPLES = re.findall(r"^```yaml\n(?!# in the policy)(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
SHARED = re.compile(r"(ansible|kubernetes|tidegate)_\w+")


@pytest.mark.parametrize("text", EXAMPLES, ids=range(len(EXAMPLES)))
def test_examples(text: str, tmp_path: Path) -> None:
    """Every inventory on the page can be read, and its variables are inputs or what sidecars and roles read.

    Where it names balancers, they are hosts of the same inventory.
    """
    file = tmp_path / "inventory.yml"
    file.write_text(text)
    inventory = read_inventory(file)
    shipped = read_playbooks(PLAYBOOKS)
    sources = [source for playbook in shipped.values() for source in playbook.sidecar.inputs.values()]
    known = {source.variable for source in sources if isinstance(source, FromInventory)}
    known |= {name for role in ROLES for name in specification(role)}
    found = {name for group in all_variables(yaml.safe_load(text)) for name in group}
    assert {name for name in found - known if not SHARED.fullmatch(name)} == set()
    targets = [
        target for host in inventory.hosts if (target := inventory.resolve(host)) and "balancer" in target.variables
    ]
    assert [find(shipped["drain"], target, inventory).reason for target in targets] == [""] * len(targets)


def all_variables(tree: object) -> Iterator[dict[str, object]]:
    """The variables of all groups and hosts of an inventory."""
    for name, body in tree.items() if isinstance(tree, dict) else ():
        if name == "vars":
            yield body
        elif name == "hosts":
            yield from (own for own in body.values() if own)
        else:
            yield from all_variables(body)
