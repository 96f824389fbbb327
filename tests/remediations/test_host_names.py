"""Names of hosts that are not spelled as the inventory does: what decisions make of them, and what loading refuses."""

from pathlib import Path

import msgspec
import pytest

from detectors.fleet import FleetSettings
from detectors.signals import HostStatus
from remediations import delegates
from remediations.decisions import Decision, decide
from remediations.delegates import Delegates
from remediations.errors import PolicyError
from remediations.fleets import turns
from remediations.inventory import Inventory
from remediations.loading import load_rulebook
from remediations.playbooks import Targets
from remediations.policies import Match, Policy
from remediations.records import Verdict
from tests.remediations.stories import NOW, PLAYBOOKS, Log, policy, rule, status

INVENTORY = Inventory(
    hosts={"WEB-1": {"service_name": "shop"}, "app-1.example": {"service_name": "shop"}},
    host_groups={"WEB-1": ("web",), "app-1.example": ("web",)},
    groups={"all": ("WEB-1", "app-1.example"), "web": ("WEB-1", "app-1.example")},
)


def weighed(host: str, wanted: Policy, *roster: str) -> Decision:
    """What is decided about this host while these are in the roster too."""
    log = Log()
    incident = log.open(host)
    statuses: dict[str, HostStatus] = {each: status(each, time=log.time) for each in (host, *roster)}
    return decide(incident, wanted, log.ledger, statuses, INVENTORY, PLAYBOOKS, log.time)


@pytest.mark.parametrize(
    "match", [Match(groups=("web",)), Match(hosts=("WEB-1",)), Match()], ids=["group", "host", "all"]
)
def test_a_rule_is_meant_for_a_host_of_another_case(match: Match) -> None:
    """The run is asked for with the name that Ansible knows."""
    decision = weighed("web-1", policy(rule(match=match)))
    assert decision.record.reason == "all_gates_passed"
    assert decision.request is not None
    assert [target.name for target in decision.request.targets] == ["WEB-1"]


def test_a_protected_host_is_protected_by_each_of_its_names() -> None:
    """Protection must not hang on the spelling of a record."""
    record = weighed("web-1", policy(protected_hosts=("WEB-1",))).record
    assert (record.verdict, record.reason) == (Verdict.DENY, "host_protected")


@pytest.mark.parametrize(
    ("host", "roster", "reason"),
    [
        pytest.param("app-1", (), "all_gates_passed", id="one name is reported"),
        pytest.param("app-1", ("app-1.example",), "host_ambiguous", id="two names are reported, this is not the exact"),
        pytest.param("app-1.example", ("app-1",), "all_gates_passed", id="two names are reported, this is the exact"),
        pytest.param("web-1.x.example", ("web-1.y.example",), "host_ambiguous", id="two machines, one entry"),
    ],
)
def test_of_two_machines_that_may_be_meant_none_is_touched(host: str, roster: tuple[str, ...], reason: str) -> None:
    """What the inventory knows as one may be two: then nothing is run by a name that is only alike."""
    assert weighed(host, policy(), *roster).record.reason == reason


@pytest.mark.parametrize(
    ("host", "value"),
    [
        pytest.param("web-l", "web-l; the nearest name there is WEB-1", id="a name that is like it"),
        pytest.param("zzzzz", "zzzzz", id="a name like none"),
    ],
)
@pytest.mark.parametrize("match", [Match(), Match(groups=("web",))], ids=["a rule for all", "no rule for it"])
def test_what_is_not_in_the_inventory_is_told_with_the_nearest_name(host: str, value: str, match: Match) -> None:
    """Whether a rule is meant for every host or none for this one: the reason is that nobody knows the host."""
    record = weighed(host, policy(rule(match=match))).record
    assert (record.verdict, record.reason, record.gates[-1].value) == (Verdict.DENY, "host_unknown", value)


def load(folder: Path, hosts: str, protected: str = "[]") -> Policy:
    """The policy, read beside an inventory of FE-1 and fe-2.example."""
    (folder / "playbooks").mkdir()
    (folder / "playbooks" / "note.yml").write_text("- {hosts: all, roles: []}\n")
    (folder / "playbooks" / "note.meta.yml").write_text("{description: d, action: note, timeout_seconds: 60}\n")
    (folder / "inventory.yml").write_text("fe: {hosts: {FE-1: , fe-2.example: }}\n")
    (folder / "policy.yml").write_text(
        f"version: 1\nlimits: {{protected_hosts: {protected}}}\n"
        f"rules: [{{name: a, playbook: note, match: {{hosts: {hosts}}}}}]\n"
    )
    return load_rulebook(folder / "policy.yml", folder / "inventory.yml", folder / "playbooks").policy


def test_a_policy_may_spell_hosts_as_it_likes(tmp_path: Path) -> None:
    """Loaded, they are spelled as in the inventory, each once."""
    loaded = load(tmp_path, "[fe-1, FE-1, fe-2]", "[FE-2.EXAMPLE.]")
    assert loaded.rules[0].match.hosts == ("FE-1", "fe-2.example")
    assert loaded.limits.protected_hosts == ("fe-2.example",)


def test_a_policy_that_names_no_host_of_the_inventory_is_refused(tmp_path: Path) -> None:
    """The message names the place, the value and what was most likely meant."""
    wanted = r"rules\[0\].match.hosts: names fe-11, which is not in the inventory; the nearest name there is FE-1"
    with pytest.raises(PolicyError, match=wanted):
        load(tmp_path, "[fe-11]")


def test_the_age_of_the_evidence_does_not_hide_an_unknown_host() -> None:
    """A story of its own: without a rule the inventory is asked first, whatever the gates would say."""
    old = msgspec.structs.replace(status("web-l"), time=NOW - 9999)
    log = Log()
    incident = log.open("web-l")
    wanted = policy(rule(match=Match(groups=("web",))))
    decision = decide(incident, wanted, log.ledger, {"web-l": old}, INVENTORY, PLAYBOOKS, log.time + 9999)
    assert decision.record.reason == "host_unknown"


@pytest.mark.parametrize(
    ("variable", "reason"),
    [
        pytest.param("LB-1", "", id="as the inventory spells it"),
        pytest.param("lb-1", "delegate_unknown", id="as it does not"),
    ],
)
def test_a_delegate_is_spelled_as_in_the_inventory(variable: str, reason: str) -> None:
    """Ansible is told this very name, and knows the inventory's alone."""
    inventory = Inventory(hosts={"web-1": {"balancer": variable}, "LB-1": {}})
    sidecar = msgspec.structs.replace(PLAYBOOKS["restart"].sidecar, targets=Targets(delegates=("balancer",)))
    playbook = msgspec.structs.replace(PLAYBOOKS["restart"], sidecar=sidecar)
    target = inventory.resolve("web-1")
    assert target is not None
    assert delegates.find(playbook, target, inventory).reason == reason


def test_a_host_under_two_names_has_one_run_at_a_time() -> None:
    """A run that began under one name keeps off those under another."""
    log = Log()
    log.start(log.open("app-1"), "first")
    holder = delegates.busy_through("app-1.example", Delegates(), log.ledger.unfinished(), PLAYBOOKS, INVENTORY)
    assert holder == "first"


def test_a_fleet_event_counts_hosts_by_each_of_their_names() -> None:
    """Hosts that records spell in another way than the inventory are members of its groups all the same."""
    hosts = tuple(f"CACHE-{number}" for number in range(4))
    inventory = Inventory(
        hosts={host: {} for host in hosts},
        host_groups=dict.fromkeys(hosts, ("cache",)),
        groups={"all": hosts, "cache": hosts},
    )
    log = Log()
    for host in hosts:
        log.open(host.lower())
    (event,) = turns(log.ledger.state, inventory, FleetSettings(groups=("cache",)), log.time)
    assert (event.group, event.view.affected, event.view.known) == ("cache", 4, 4)
    assert set(event.view.hosts) == {host.lower() for host in hosts}
