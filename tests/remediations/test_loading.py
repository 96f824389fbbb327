"""The rulebook: everything that a rule names exists and fits, or nothing is loaded."""

import re
from pathlib import Path

import pytest

from detectors.signals import SignalKind
from remediations.errors import DocumentError, InventoryError, PlaybookError, PolicyError
from remediations.loading import Rulebook, load_rulebook
from remediations.policies import FleetEvents

INVENTORY = "web: {hosts: {web-1: {service: shop}, web-2: }}\ndb: {hosts: {db-1: }}\n"
PLAY = "- {hosts: all, roles: [restart]}\n"
SPECS = """
argument_specs:
  main:
    options:
      restart_service: {required: true}
      restart_id: {required: true}
      restart_wait: {type: int}
      restart_token: {no_log: true}
"""
SIDECAR = """
description: Restart.
action: restart
timeout_seconds: 60
inputs:
  restart_id: {from: incident, field: incident_id}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An inventory and a folder with one playbook."""
    for name in ("playbooks/roles/restart/meta", "playbooks/roles/restart/tasks"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "inventory.yml").write_text(INVENTORY)
    (tmp_path / "playbooks/restart.yml").write_text(PLAY)
    (tmp_path / "playbooks/restart.meta.yml").write_text(SIDECAR)
    (tmp_path / "playbooks/roles/restart/meta/argument_specs.yml").write_text(SPECS)
    return tmp_path


def load(folder: Path, rules: str, limits: str = "{}") -> Rulebook:
    """The rulebook with these rules."""
    (folder / "policy.yml").write_text(f"version: 1\nlimits: {limits}\nrules:\n{rules}")
    return load_rulebook(folder / "policy.yml", folder / "inventory.yml", folder / "playbooks")


def a_rule(name: str = "a", inputs: str = "{restart_service: shop}", **others: str) -> str:
    """One rule as YAML."""
    fields = {"name": name, "playbook": "restart", "inputs": inputs} | others
    return "- {" + ", ".join(f"{key}: {value}" for key, value in fields.items()) + "}\n"


def test_a_rulebook_has_all_that_decisions_rest_on(folder: Path) -> None:
    """Policy, inventory and playbooks come together, each with its digest."""
    book = load(folder, a_rule())
    assert [rule.name for rule in book.policy.rules] == ["a"]
    assert set(book.inventory.hosts) == {"web-1", "web-2", "db-1"}
    assert book.playbook_digests == {"restart": book.playbooks["restart"].digest}
    assert {len(book.policy_digest), len(book.inventory_digest)} == {64}


def test_digests_are_of_the_content(folder: Path) -> None:
    """A comment makes no other policy, a value does."""
    book = load(folder, a_rule())
    assert book.policy_digest == load(folder, a_rule() + "# said otherwise\n").policy_digest
    assert book.policy_digest != load(folder, a_rule(attempts_maximum="2")).policy_digest
    (folder / "inventory.yml").write_text(INVENTORY.replace("shop", "cart"))
    assert book.inventory_digest != load(folder, a_rule()).inventory_digest


def test_a_policy_without_rules_is_one(folder: Path) -> None:
    """Tidegate may run and only watch."""
    assert load(folder, "  []").policy.rules == ()


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        pytest.param(
            a_rule() + a_rule(match="{groups: [db]}"),
            "rules[1].name: is a, the name of rules[0] already",
            id="two of one name",
        ),
        pytest.param(
            a_rule(playbook="reboot"), "rules[0].playbook: names reboot, wanted one of restart", id="unknown playbook"
        ),
        pytest.param(
            a_rule(match="{hosts: [web-1, web-9]}"),
            "rules[0].match.hosts: names web-9, which is not in the inventory; the nearest name there is web-2",
            id="unknown host",
        ),
        pytest.param(
            a_rule(match="{hosts: ['web-*']}"),
            "rules[0].match.hosts: names web-*, which is not in the inventory; the nearest name there is web-2",
            id="a pattern",
        ),
        pytest.param(
            a_rule(match="{groups: [cache]}"),
            "rules[0].match.groups: names cache, wanted one of all, db, ungrouped, web",
            id="unknown group",
        ),
        pytest.param(
            a_rule(match="{kinds: []}"),
            "rules[0].match.kinds: is empty: the rule would never answer",
            id="no kind",
        ),
        pytest.param(
            a_rule() + a_rule("b", match="{groups: [web]}"),
            "rules[1]: would never answer: a comes first and matches all that it matches",
            id="covered by a rule for all",
        ),
        pytest.param(
            a_rule(match="{groups: [web, db]}") + a_rule("b", match="{groups: [web], score_minimum: 4}"),
            "rules[1]: would never answer: a comes first and matches all that it matches",
            id="covered by a rule for more",
        ),
        pytest.param(
            a_rule(inputs="{restart_servce: shop}"),
            "rules[0].inputs.restart_servce: is declared by no role of the playbook, wanted one of restart_service,"
            " restart_id, restart_wait, restart_token",
            id="unknown input",
        ),
        pytest.param(
            a_rule(inputs="{restart_service: shop, restart_wait: long}"),
            "rules[0].inputs.restart_wait: has the value 'long', wanted int",
            id="wrong type",
        ),
        pytest.param(
            a_rule(inputs="{restart_service: shop, restart_token: x}"),
            "rules[0].inputs.restart_token: is declared no_log: inputs are written to the audit log,"
            " let the role read its secret itself",
            id="a secret",
        ),
        pytest.param(
            a_rule(inputs="{restart_service: shop, restart_id: x}"),
            "rules[0].inputs.restart_id: is given by the incident, a rule cannot give it",
            id="an input of the incident",
        ),
        pytest.param(
            a_rule(inputs="{restart_wait: 5}"),
            "rules[0].inputs: lacks restart_service, which restart requires: give it here or in its sidecar",
            id="a required input is missing",
        ),
    ],
)
def test_a_rule_that_does_not_fit_is_refused(folder: Path, rules: str, message: str) -> None:
    """The first rule that names what is not there, or can never answer, is refused with its place."""
    with pytest.raises(PolicyError) as caught:
        load(folder, rules)
    assert f"{folder / 'policy.yml'}: {message}" == str(caught.value)


@pytest.mark.parametrize(
    "second",
    [
        pytest.param("{kinds: [silence]}", id="another kind"),
        pytest.param("{groups: [db]}", id="another group"),
        pytest.param("{hosts: [web-1]}", id="a host by name"),
        pytest.param("{}", id="every host"),
        pytest.param("{groups: [web], score_minimum: 1}", id="a lower score"),
    ],
)
def test_a_rule_that_may_still_answer_is_kept(folder: Path, second: str) -> None:
    """Only what is certain to be useless is refused."""
    first = a_rule(match="{groups: [web], score_minimum: 2}")
    assert len(load(folder, first + a_rule("b", match=second)).policy.rules) == 2


def test_a_protected_host_must_exist(folder: Path) -> None:
    """A slip in the list of protected hosts would protect nobody."""
    with pytest.raises(
        PolicyError,
        match=r"limits\.protected_hosts: names db-9, which is not in the inventory; the nearest name there is db-1",
    ):
        load(folder, a_rule(), "{protected_hosts: [db-9]}")


def test_a_policy_may_choose_groups_and_kinds_of_fleet_and_drift(folder: Path) -> None:
    """Rules answer kinds `drift` and `fleet`; groups of fleet events must be in the inventory, limits be known."""
    rules = a_rule(match="{kinds: [drift, fleet]}")
    book = load(folder, rules, "{fleet_events: refuse}\nfleet: {groups: [web], hosts_minimum: 2}")
    assert (("web",), FleetEvents.REFUSE) == (book.policy.fleet.groups, book.policy.limits.fleet_events)
    assert (SignalKind.DRIFT, SignalKind.FLEET) == book.policy.rules[0].match.kinds
    for limits, message in [
        ("{}\nfleet: {groups: [wep]}", "fleet.groups: names wep, wanted one of all, db, "),
        ("{}\nfleet: {hosts_minimum: 1}", "hosts_minimum"),
        ("{}\nfleet: {share_minimum: 0.1}", "fleet.share_clear: is 0.15, wanted at most fleet.share_minimum, 0.1"),
        ("{fleet_events: maybe}", "limits.fleet_events"),
    ]:
        with pytest.raises(PolicyError, match=re.escape(message)):
            load(folder, rules, limits)


def test_the_groups_a_sidecar_targets_must_exist(folder: Path) -> None:
    """A playbook for a group that the inventory lacks could never run."""
    (folder / "playbooks/restart.meta.yml").write_text(SIDECAR + "targets: {groups: [cache]}")
    with pytest.raises(PolicyError, match=r"rules\[0\]\.playbook: is restart, whose sidecar targets the group cache"):
        load(folder, a_rule())


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("policy.yml", PolicyError),
        ("inventory.yml", InventoryError),
        ("playbooks/restart.meta.yml", PlaybookError),
        ("playbooks/roles/restart/meta/argument_specs.yml", PlaybookError),
    ],
)
def test_one_bad_file_loads_nothing(folder: Path, name: str, kind: type[DocumentError]) -> None:
    """A file that is broken fails the whole load with an error that names it: there is no half of a rulebook."""
    load(folder, a_rule())
    (folder / name).write_text("a: [")
    with pytest.raises(kind) as caught:
        load_rulebook(folder / "policy.yml", folder / "inventory.yml", folder / "playbooks")
    assert folder / name == caught.value.file


def test_a_long_list_of_names_is_cut(folder: Path) -> None:
    """A message stays readable with an inventory of thousands."""
    hosts = ", ".join(f"h{number:03}: " for number in range(300))
    (folder / "inventory.yml").write_text(f"web: {{hosts: {{{hosts}}}}}")
    with pytest.raises(PolicyError, match=r"names x, which is not in the inventory; it has h000, .*, h019, …$"):
        load(folder, a_rule(match="{hosts: [x]}"))


@pytest.mark.parametrize(
    ("inventory", "message"),
    [
        pytest.param("web: {hosts: {web-1: {balancer: lb-1}, web-2: , lb-1: }}", "", id="one host can be drained"),
        pytest.param(
            "web: {hosts: {web-1: {balancer: lb-1}, web-2: {balancer: lb-9}, lb-1: }}",
            "rules[0].playbook: is restart, which acts through hosts of the inventory: balancer of web-2 is lb-9",
            id="one host names no host",
        ),
        pytest.param(
            "web: {hosts: {web-1: , web-2: }}",
            "rules[0].playbook: is restart, which acts through hosts of the inventory: web-1 has no variable balancer",
            id="no host says through which",
        ),
    ],
)
def test_delegates_that_are_seen_to_be_wrong_are_refused(folder: Path, inventory: str, message: str) -> None:
    """A name that leads nowhere is refused at load; a host that lacks the variable is denied when its turn comes."""
    (folder / "inventory.yml").write_text(inventory)
    (folder / "playbooks/restart.meta.yml").write_text(SIDECAR + "targets: {delegates: [balancer]}\n")
    (folder / "playbooks/restart.yml").write_text(PLAY.replace("all", "targets"))
    assert message == refusal(folder, a_rule())


@pytest.mark.parametrize(
    ("mode", "message"),
    [
        ("observe", ""),
        ("approve", ""),
        ("auto", "rules[0].mode: is auto, wanted approve or observe: the sidecar of restart says needs_approval"),
    ],
)
def test_what_needs_approval_is_never_automatic(folder: Path, mode: str, message: str) -> None:
    """The playbook's author has the last word on whether a human is asked."""
    (folder / "playbooks/restart.meta.yml").write_text(SIDECAR + "needs_approval: true\n")
    assert message == refusal(folder, a_rule(mode=mode))


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        pytest.param("host.service + '@' + incident.host", "", id="one host has a value"),
        pytest.param(
            "host.gone",
            "restart_service: there is no gone on host db-1: host.gone",
            id="no host has one",
        ),
        pytest.param("host.service == 'shop'", "restart_service has the value True, wanted str", id="a wrong type"),
    ],
)
def test_expressions_are_tried_at_load(folder: Path, expression: str, problem: str) -> None:
    """Each is evaluated for every host of its rule: what gives a wrong value, or nowhere one, is refused."""
    source = f'  restart_service: {{from: expression, expression: "{expression}"}}\n'
    (folder / "playbooks/restart.meta.yml").write_text(SIDECAR + source)
    wanted = f"rules[0].playbook: is restart, whose sidecar gives no right value for {problem}" if problem else ""
    assert wanted == refusal(folder, a_rule(inputs="{}"))


@pytest.mark.parametrize(
    ("inventory", "problem"),
    [
        pytest.param("web: {hosts: {web-1: {seconds: 5}, web-2: }}", "", id="one host has a value"),
        pytest.param(
            "web: {hosts: {web-1: {seconds: 5}, web-2: {seconds: soon}}}",
            "restart_wait has the value 'soon', wanted int",
            id="a wrong type on one host",
        ),
        pytest.param(
            "web: {hosts: {web-1: {second: 5}, web-2: }}",
            "restart_wait: host web-1 has no variable seconds in the inventory",
            id="no host has the variable",
        ),
    ],
)
def test_variables_of_the_inventory_are_tried_at_load(folder: Path, inventory: str, problem: str) -> None:
    """A slip in a name or a value is found when the rules are read, not when a run is denied at night."""
    (folder / "inventory.yml").write_text(inventory)
    source = "  restart_wait: {from: inventory, variable: seconds}\n"
    (folder / "playbooks/restart.meta.yml").write_text(SIDECAR + source)
    wanted = f"rules[0].playbook: is restart, whose sidecar gives no right value for {problem}" if problem else ""
    assert wanted == refusal(folder, a_rule())


def refusal(folder: Path, rules: str) -> str:
    """Why these rules are refused, without the file's name; empty if they are not."""
    try:
        load(folder, rules)
    except PolicyError as error:
        return str(error).removeprefix(f"{folder}/policy.yml: ")
    return ""


@pytest.mark.parametrize(
    ("rules", "sidecar", "place", "least"),
    [
        pytest.param("{settle_seconds: 30, deadline_seconds: 31}", "", "", "", id="a second is left"),
        pytest.param(
            "{settle_seconds: 30, deadline_seconds: 30}", "", "verification.deadline", "32", id="none is left"
        ),
        pytest.param("{settle_seconds: 0, deadline_seconds: 0}", "", "verification.deadline", "2", id="no time at all"),
        pytest.param("", "{settle_seconds: 40, deadline_seconds: 20}", "playbook", "42", id="the sidecar's own"),
        pytest.param("{}", "{settle_seconds: 40, deadline_seconds: 20}", "", "", id="the rule's own wins"),
    ],
)
def test_a_verification_that_can_never_tell_is_refused(
    folder: Path, rules: str, sidecar: str, place: str, least: str
) -> None:
    """Nothing can show in time what came of the run: the message says what would be long enough."""
    (folder / "playbooks/restart.meta.yml").write_text(SIDECAR + (f"verification: {sidecar}\n" if sidecar else ""))
    said = refusal(folder, a_rule(**({"verification": rules} if rules else {})))
    assert (place in said, f"wanted at least {least}" in said) == (True, True) if place else said == ""
