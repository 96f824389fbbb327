"""The inventory: exact hosts, merged variables as Ansible merges them, and nothing that could reach further."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from remediations.errors import InventoryError
from remediations.inventory import Inventory, read_inventory
from remediations.runs import Target

FLEET = """
all:
  vars: {level: all, zone: a}
  children:
    fleet:
      vars: {level: fleet}
      children:
        web:
          vars: {level: web}
          hosts: {web-1: {port: 80}, web-2: }
        db: {hosts: {db-1: {level: own}}}
  hosts: {lone: }
"""


def read(folder: Path, text: str) -> Inventory:
    """The inventory that this text describes."""
    file = folder / "inventory.yml"
    file.write_text(text)
    return read_inventory(file)


def test_a_host_resolves_by_its_name(tmp_path: Path) -> None:
    """Only a name that is written down is a target, with the variables of its groups and its own."""
    inventory = read(tmp_path, FLEET)
    assert inventory.resolve("web-1") == Target(name="web-1", variables={"level": "web", "zone": "a", "port": 80})
    assert inventory.resolve("db-1") == Target(name="db-1", variables={"level": "own", "zone": "a"})
    for name in ("web", "web-3", "web-1-", "web-*", "all", "localhost", ""):
        assert inventory.resolve(name) is None


def test_groups_of_a_host_and_members_of_a_group(tmp_path: Path) -> None:
    """Parents count, `all` is no group of a host, and a host without a group is in `ungrouped`."""
    inventory = read(tmp_path, FLEET)
    assert inventory.groups_of("web-1") == ("fleet", "web")
    assert inventory.groups_of("lone") == ("ungrouped",)
    assert inventory.groups_of("ghost") == ()
    assert inventory.members("fleet") == ("db-1", "web-1", "web-2")
    assert inventory.members("all") == ("db-1", "lone", "web-1", "web-2")
    assert inventory.members("ungrouped") == ("lone",)
    assert inventory.members("ghost") == ()


LABELLED = """
web:
  vars: {tidegate_labels: {zone: a, rack: r1}}
  hosts: {web-1: , web-2: {tidegate_labels: {zone: b}}}
zone_a: {hosts: {db-1: }}
lone: {hosts: {cold: {tidegate_labels: }}}
"""


def test_labels_of_a_host_are_groups(tmp_path: Path) -> None:
    """A host's own labels win over its groups'; policies and limits take them like any other group."""
    inventory = read(tmp_path, LABELLED)
    assert inventory.groups_of("web-1") == ("rack_r1", "web", "zone_a")
    assert inventory.groups_of("web-2") == ("web", "zone_b")
    assert inventory.groups_of("cold") == ("lone",)
    assert inventory.members("zone_a") == ("db-1", "web-1")
    assert inventory.members("zone_b") == ("web-2",)


def test_variables_of_a_target_are_its_own(tmp_path: Path) -> None:
    """Whoever changes the variables of a target changes no inventory."""
    inventory = read(tmp_path, FLEET)
    target = inventory.resolve("web-1")
    assert target is not None
    target.variables["port"] = 1
    assert inventory.hosts["web-1"]["port"] == 80


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(FLEET, id="groups in groups"),
        pytest.param(
            "b: {vars: {x: b}, hosts: {h: }}\na: {vars: {x: a}, hosts: {h: }}\nall: {vars: {x: all, y: all}}",
            id="groups of one depth",
        ),
        pytest.param(
            "a: {vars: {x: a, ansible_group_priority: 9}, hosts: {h: }}\nb: {vars: {x: b}, hosts: {h: }}",
            id="priorities",
        ),
        pytest.param(
            "a: {vars: {x: a}, hosts: {h: }}\nb: {children: {c: {vars: {x: c}, hosts: {h: }}}, vars: {x: b}}",
            id="deeper wins",
        ),
        pytest.param(
            "a: {children: {c: {hosts: {h: {x: 1}}}}}\nb: {children: {c: }, vars: {x: 2, y: [1, {z: 2}]}}\n"
            "c: {hosts: {h: {w: 3}}}",
            id="a group in two parents, a host in two places",
        ),
        pytest.param("ungrouped: {hosts: {h: {x: 1}}}\nall: {vars: {x: 2, y: 3}}", id="ungrouped by name"),
    ],
)
def test_ansible_reads_the_same(tmp_path: Path, text: str) -> None:
    """Ansible's own reader gives the same hosts, groups and variables."""
    ours = read(tmp_path, text)
    theirs = json.loads(
        subprocess.run(
            [Path(sys.executable).parent / "ansible-inventory", "-i", tmp_path / "inventory.yml", "--list"],
            check=True,
            capture_output=True,
            cwd=tmp_path,
            env={"PATH": os.defpath, "HOME": str(tmp_path), "LANG": "C.UTF-8"},
        ).stdout
    )
    variables = theirs.pop("_meta")["hostvars"]
    for own in variables.values():
        own.pop("ansible_group_priority", None)
    assert {name: own for name, own in ours.hosts.items() if own} == variables
    for group in theirs.keys() - {"all"}:
        assert members(theirs, group) == set(ours.members(group))


def members(theirs: dict[str, dict[str, list[str]]], group: str) -> set[str]:
    """The hosts of a group and of its children, as Ansible lists them."""
    listed = theirs.get(group, {})
    below = [members(theirs, child) for child in listed.get("children", [])]
    return set(listed.get("hosts", [])).union(*below)


NAMED = """\
shop: {hosts: {Till-1: , till_2.shop.example: , TILL-3.example.: , till-4.a.example: , till-4.b.example: , till-5: }}
more: {hosts: {till-5.example: , 192.0.2.7: }}
"""


@pytest.mark.parametrize(
    ("name", "host"),
    [
        pytest.param("till-1", "Till-1", id="another case"),
        pytest.param("TILL-1.", "Till-1", id="a dot at the end"),
        pytest.param("till-3.example", "TILL-3.example.", id="without the inventory's dot"),
        pytest.param("till_2", "till_2.shop.example", id="short for the only one with a domain"),
        pytest.param("till-1.shop.example", "Till-1", id="the inventory leaves the domain out"),
        pytest.param("till_2.other.example", "", id="another domain"),
        pytest.param("till-4", "", id="short for two"),
        pytest.param("till-5", "till-5", id="exact before short"),
        pytest.param("till-5.example", "till-5.example", id="exact before the one without domain"),
        pytest.param("till-5.other", "", id="two begin with this label"),
        pytest.param("192", "", id="a part of an address"),
        pytest.param("till", "", id="a part of a label"),
        pytest.param("till-*", "", id="a pattern"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_a_host_is_found_by_each_of_its_names(tmp_path: Path, name: str, host: str) -> None:
    """Spelled as the inventory has it, with its groups and variables; empty where more than one may be meant."""
    inventory = read(tmp_path, NAMED)
    target = inventory.resolve(name)
    assert (inventory.spelling(name), target.name if target else "") == (host, host)
    assert bool(inventory.groups_of(name)) is bool(host)


@pytest.mark.parametrize("second", ["WEB-9", "Web-9", "web-9."])
def test_two_spellings_of_one_host_are_refused(tmp_path: Path, second: str) -> None:
    """Whatever is reported of web-9 could mean either."""
    with pytest.raises(InventoryError, match=rf"b.hosts.{second}: is the same host as web-9"):
        read(tmp_path, f"a: {{hosts: {{web-9: }}}}\nb: {{hosts: {{'{second}': }}}}\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(
            "db: {hosts: {'db[1:3]': }}",
            "db.hosts.db[1:3]: is no exact host name: write each host out, without ranges or patterns",
            id="a range",
        ),
        pytest.param(
            "db: {hosts: {'db*': }}",
            "db.hosts.db*: is no exact host name: write each host out, without ranges or patterns",
            id="a wildcard",
        ),
        pytest.param(
            "db: {hosts: {all: }}",
            "db.hosts.all: is the name of a group that Ansible makes, not of a host",
            id="a group's name",
        ),
        pytest.param(
            "db: {hosts: {h: {x: '{{ lookup(''pipe'', ''id'') }}'}}}",
            "db.hosts.h.x: is \"{{ lookup('pipe', 'id') }}\": templates are not read here, write the value out",
            id="a template",
        ),
        pytest.param(
            "db: {vars: {x: {y: [1, '{% if a %}']}}, hosts: {h: }}",
            "db.vars.x.y.1: is '{% if a %}': templates are not read here, write the value out",
            id="a template, deep inside",
        ),
        pytest.param(
            "db: {host: {h: }}", "db: has the unknown key host, wanted hosts, vars, children", id="an unknown key"
        ),
        pytest.param("db: {hosts: [h]}", "db.hosts: is ['h'], wanted a mapping", id="a list of hosts"),
        pytest.param("db: {hosts: {h: 5}}", "db.hosts.h: is 5, wanted a mapping", id="no variables"),
        pytest.param("[db]\nh\n", "line 2, column 1: expected '<document start>', but found '<scalar>'", id="INI form"),
        pytest.param(
            "'a-b': {}", "a-b: is no name of a group, wanted [A-Za-z_][A-Za-z0-9_]{0,127}", id="a group's name"
        ),
        pytest.param(
            "a: {vars: {'x-y': 1}}",
            "a.vars.x-y: is no name of a variable, wanted [A-Za-z_][A-Za-z0-9_]{0,127}",
            id="a variable's name",
        ),
        pytest.param("a: {children: {b: {children: {a: }}}}", "a: is a child of itself", id="a circle"),
        pytest.param("a: {children: {all: }}", "a: is a child of itself", id="all inside of a group"),
        pytest.param(
            "a: {hosts: {h: {tidegate_labels: {zone: 'a b'}}}}",
            "h.tidegate_labels.zone: is 'a b', wanted text with which zone_… is a name like"
            " [A-Za-z_][A-Za-z0-9_]{0,127}",
            id="a label that makes no group",
        ),
        pytest.param(
            "a: {hosts: {h: {tidegate_labels: {zone: [a]}}}}",
            "h.tidegate_labels.zone: is ['a'], wanted text with which zone_… is a name like"
            " [A-Za-z_][A-Za-z0-9_]{0,127}",
            id="a label that is a list",
        ),
        pytest.param(
            "a: {hosts: {h: {tidegate_labels: zone}}}",
            "h.tidegate_labels: is 'zone', wanted a mapping",
            id="labels that are none",
        ),
        pytest.param("a: {hosts: {h: , h: }}", "line 1, column 18: key h is there twice", id="a host twice"),
    ],
)
def test_what_could_reach_further_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """Ranges, patterns, templates and forms that are not read are refused, with place and reason."""
    with pytest.raises(InventoryError) as caught:
        read(tmp_path, text)
    assert f"{tmp_path / 'inventory.yml'}: {message}" == str(caught.value)
