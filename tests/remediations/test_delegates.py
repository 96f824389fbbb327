"""Delegates: found in the inventory alone, denied with a reason, and locked against runs on and through them."""

import msgspec
import pytest

from detectors.signals import HostStatus
from remediations import delegates
from remediations.decisions import Decision, decide
from remediations.delegates import Delegates
from remediations.inventory import Inventory
from remediations.playbooks import Playbook, Targets
from remediations.records import Verdict
from remediations.runs import Target
from tests.remediations.stories import HOST, PLAYBOOK, Log, policy, rule, status

VARIABLES: dict[str, dict[str, object]] = {
    "web-1": {"service_name": "shop", "balancer": "lb-1", "balancers": ["lb-1", "lb-2", "lb-1"]},
    "web-2": {"service_name": "shop", "balancer": "lb-1"},
    "web-3": {"service_name": "shop", "balancer": "lb-9", "balancers": [], "odd": 7},
    "lb-1": {"service_name": "haproxy", "rack": 1},
    "lb-2": {"service_name": "haproxy"},
}
INVENTORY = Inventory(
    hosts=VARIABLES,
    host_groups=dict.fromkeys(VARIABLES, ("fleet",)),
    groups={"all": tuple(VARIABLES), "fleet": tuple(VARIABLES)},
)


def acting_through(name: str, *variables: str) -> Playbook:
    """A playbook of this name whose sidecar names these variables."""
    sidecar = msgspec.structs.replace(PLAYBOOK.sidecar, targets=Targets(delegates=variables))
    return msgspec.structs.replace(PLAYBOOK, name=name, sidecar=sidecar)


PLAYBOOKS = {"restart": PLAYBOOK, "drain": acting_through("drain", "balancer")}


@pytest.mark.parametrize(
    ("host", "variables", "expected"),
    [
        pytest.param("web-1", (), Delegates(), id="none"),
        pytest.param("web-1", ("balancer",), Delegates((Target("lb-1", VARIABLES["lb-1"]),)), id="one"),
        pytest.param(
            "web-1",
            ("balancer", "balancers"),
            Delegates((Target("lb-1", VARIABLES["lb-1"]), Target("lb-2", VARIABLES["lb-2"]))),
            id="lists, each host once",
        ),
        pytest.param(
            "web-2",
            ("balancers",),
            Delegates(reason="delegate_missing", value="web-2 has no variable balancers"),
            id="missing",
        ),
        pytest.param(
            "web-3",
            ("balancers",),
            Delegates(reason="delegate_missing", value="balancers of web-3 is empty"),
            id="empty list",
        ),
        pytest.param(
            "web-3",
            ("balancer",),
            Delegates(reason="delegate_unknown", value="balancer of web-3 is lb-9"),
            id="unknown host",
        ),
        pytest.param(
            "web-3", ("odd",), Delegates(reason="delegate_unknown", value="odd of web-3 is 7"), id="not a name"
        ),
    ],
)
def test_delegates_are_what_the_inventory_says(host: str, variables: tuple[str, ...], expected: Delegates) -> None:
    """Each variable holds one exact host name or a list of them; anything else is a denial that names it."""
    target = INVENTORY.resolve(host)
    assert target is not None
    assert expected == delegates.find(acting_through("drain", *variables), target, INVENTORY)


def weighed(log: Log, host: str, playbook: str) -> Decision:
    """The decision on the host's open incident, with this playbook as the answer."""
    incident = log.ledger.incident_of(host)
    assert incident is not None
    roster: dict[str, HostStatus] = {host: status(host, time=log.time, last_sample_time=log.time)}
    rules = policy(rule(playbook=playbook), group_concurrency_maximum=9)
    return decide(incident, rules, log.ledger, roster, INVENTORY, PLAYBOOKS, log.time)


def test_the_request_carries_the_delegates() -> None:
    """What was resolved at the decision is what the run gets, beside its one target."""
    log = Log()
    log.open()
    decision = weighed(log, HOST, "drain")
    assert decision.request is not None, decision.record
    assert ((Target(HOST, VARIABLES[HOST]),), (Target("lb-1", VARIABLES["lb-1"]),)) == (
        decision.request.targets,
        decision.request.delegates,
    )


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        pytest.param(("lb-1", "restart"), ("web-1", "drain"), "delegate_locked", id="a run on the delegate"),
        pytest.param(("web-1", "drain"), ("lb-1", "restart"), "delegate_locked", id="a run through the host"),
        pytest.param(("web-1", "drain"), ("web-2", "drain"), "all_gates_passed", id="two runs through one delegate"),
        pytest.param(("lb-2", "restart"), ("web-1", "drain"), "all_gates_passed", id="a run on another host"),
        pytest.param(("web-2", "drain"), ("web-3", "drain"), "delegate_unknown", id="no such delegate"),
    ],
)
def test_a_run_waits_for_runs_on_and_through_its_hosts(
    first: tuple[str, str], second: tuple[str, str], reason: str
) -> None:
    """A balancer is not restarted while a drain acts through it, nor acted through while it is being restarted."""
    log = Log()
    incident = log.open(first[0])
    decision = weighed(log, *first)
    assert decision.record.verdict is Verdict.RUN
    log.append(decision.record)
    log.start(incident, decision.record.action_id)
    log.open(second[0], name="later")
    assert reason == weighed(log, *second).record.reason
