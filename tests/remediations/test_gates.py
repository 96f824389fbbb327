"""The gates: each at its limit, one under, one over, at a limit of 0, and with what it needs missing."""

import msgspec
import pytest

from detectors.signals import HostState
from remediations.delegates import Delegates
from remediations.gates import CLAIM_GATES, GATES, GateContext, LogFacts, ask
from remediations.playbooks import Targets
from remediations.policies import Limits, RuleMode
from remediations.records import GateResult
from remediations.runs import Target
from tests.remediations.stories import HOST, LIMITS, NOW, PLAYBOOK, rule, status


def context(**changes: object) -> GateContext:
    """A context in which every gate passes, but for the changes."""
    fields: dict[str, object] = {
        "now": NOW,
        "limits": LIMITS,
        "raised": 1,
        "needs_human": "",
        "lock_holder": "",
        "unverified": "",
        "last_run_end": None,
        "attempts": 0,
        "running": {"web": 0},
        "starts": (),
        "pending": 0,
        "fleet": "",
        "host": HOST,
        "rule": rule(),
        "policy": Limits(),
        "evidence_time": NOW,
        "status": status(),
        "target": Target(name=HOST),
        "groups": ("web",),
        "playbook": PLAYBOOK,
        "input_problem": "",
    }
    return GateContext(**(fields | changes))


def bound(**changes: object) -> object:
    """The claim's limits, changed."""
    return msgspec.structs.replace(LIMITS, **changes)


def only_for(group: str) -> object:
    """The playbook, meant for one group."""
    sidecar = msgspec.structs.replace(PLAYBOOK.sidecar, targets=Targets(groups=(group,)))
    return msgspec.structs.replace(PLAYBOOK, sidecar=sidecar)


def through(*hosts: str) -> Delegates:
    """Delegates of these names."""
    return Delegates(hosts=tuple(map(Target, hosts)))


def accepted_as(digest: str) -> object:
    """The playbook, accepted under this digest."""
    return msgspec.structs.replace(PLAYBOOK, accepted_digest=digest)


ONE_PROTECTED = Limits(protected_hosts=("lb-2",))

PATIENT = bound(host_attempts_maximum=3, host_attempts_window_seconds=3600.0)
WORN_OUT = "host_attempts_exhausted"

CASES = {
    "rule_mode": [
        ("auto", {"rule": rule(mode=RuleMode.AUTO)}, ""),
        ("observe is weighed", {"rule": rule(mode=RuleMode.OBSERVE)}, ""),
        ("approve waits", {"rule": rule(mode=RuleMode.APPROVE)}, "not_yet_approved"),
    ],
    "event_freshness": [
        ("at the limit", {"evidence_time": NOW - 300}, ""),
        ("over the limit", {"evidence_time": NOW - 300.001}, "event_too_old"),
        ("a little ahead of our clock", {"evidence_time": NOW + 300}, ""),
        ("far ahead of our clock", {"evidence_time": NOW + 300.001}, "event_in_future"),
        ("limit 0", {"policy": Limits(event_age_maximum_seconds=0)}, "event_too_old"),
        ("a clock 1 h behind", {"evidence_time": NOW - 3601, "status": status(behind_seconds=3600.4)}, "clock_off"),
        ("a clock 1 h ahead", {"evidence_time": NOW + 3598, "status": status(behind_seconds=-3599.2)}, "clock_off"),
        ("a clock a little off", {"evidence_time": NOW - 95, "status": status(behind_seconds=90.0)}, ""),
        ("old by any clock", {"evidence_time": NOW - 3901, "status": status(behind_seconds=3600.0)}, "event_too_old"),
        ("no reading can be used", {"status": status(state=HostState.UNREADABLE)}, "host_unreadable"),
    ],
    "roster_freshness": [
        ("at the limit", {"status": status(time=NOW - 180)}, ""),
        ("over the limit", {"status": status(time=NOW - 180.001)}, "roster_too_old"),
        ("detect's clock is ahead", {"status": status(time=NOW + 5)}, ""),
        ("limit 0", {"policy": Limits(roster_age_maximum_seconds=0)}, "roster_too_old"),
        ("no entry", {"status": None}, "not_in_roster"),
    ],
    "detector_maturity": [
        ("at the minimum", {"status": status(samples=300)}, ""),
        ("one under", {"status": status(samples=299)}, "model_young"),
        ("enough samples, but young", {"status": status(samples=9999, state=HostState.YOUNG)}, "model_young"),
        ("minimum 0", {"status": status(samples=0), "policy": Limits(samples_minimum=0)}, ""),
    ],
    "maintenance": [
        ("nobody works on it", {}, ""),
        ("over at this moment", {"status": status(maintenance_until=NOW)}, ""),
        ("a moment longer", {"status": status(maintenance_until=NOW + 0.001)}, "in_maintenance"),
        ("no entry", {"status": None}, "not_in_roster"),
    ],
    "human_needed": [
        ("nobody waits", {}, ""),
        ("an incident waits", {"needs_human": "i1"}, "needs_human"),
    ],
    "valid_target": [
        ("exact", {}, ""),
        ("not in the inventory", {"target": None}, "host_unknown"),
        ("another host's entry", {"target": Target(name="web-2")}, "host_unknown"),
        ("a wildcard", {"host": "web-*"}, "host_name_refused"),
        ("everything", {"host": "*"}, "host_name_refused"),
        ("a list", {"host": "web-1,web-2"}, "host_name_refused"),
        ("an intersection", {"host": "web-1:&db"}, "host_name_refused"),
        ("an exclusion", {"host": "!web-1"}, "host_name_refused"),
        ("a range", {"host": "web-[1:9]"}, "host_name_refused"),
        ("a regular expression", {"host": "~web"}, "host_name_refused"),
        ("a file", {"host": "@hosts"}, "host_name_refused"),
        ("an option", {"host": "--limit"}, "host_name_refused"),
        ("a template", {"host": "{{ x }}"}, "host_name_refused"),
        ("a line break", {"host": "web-1\n"}, "host_name_refused"),
        ("nothing", {"host": ""}, "host_name_refused"),
    ],
    "protected_hosts": [
        ("another is protected", {"policy": Limits(protected_hosts=("web-11",))}, ""),
        ("protected", {"policy": Limits(protected_hosts=("db-1", HOST))}, "host_protected"),
    ],
    "valid_playbook": [
        ("known", {}, ""),
        ("unknown", {"playbook": None}, "playbook_unknown"),
        ("meant for the host's group", {"playbook": only_for("web")}, ""),
        ("meant for others", {"playbook": only_for("db")}, "host_not_targeted"),
        ("an input has no value", {"input_problem": "service_name: no variable"}, "input_invalid"),
    ],
    "accepted_playbook": [
        ("as it was accepted", {}, ""),
        ("changed since", {"playbook": accepted_as("e" * 64)}, "playbook_not_accepted"),
        ("never accepted", {"playbook": accepted_as("")}, "playbook_not_accepted"),
        ("unknown", {"playbook": None}, "playbook_unknown"),
    ],
    "valid_delegates": [
        ("none needed", {}, ""),
        ("known", {"delegates": through("lb-1")}, ""),
        ("no variable", {"delegates": Delegates(reason="delegate_missing")}, "delegate_missing"),
        ("unknown host", {"delegates": Delegates(reason="delegate_unknown")}, "delegate_unknown"),
        ("one protected", {"delegates": through("lb-1", "lb-2"), "policy": ONE_PROTECTED}, "delegate_protected"),
    ],
    "still_raised": [
        ("one signal", {"raised": 1}, ""),
        ("none left", {"raised": 0}, "recovered"),
    ],
    "fleet_event": [
        ("none", {"limits": bound(refuses_fleet_events=True)}, ""),
        ("allowed", {"fleet": "4 of 8 in web"}, ""),
        ("refused", {"fleet": "4 of 8 in web", "limits": bound(refuses_fleet_events=True)}, "fleet_event"),
    ],
    "target_lock": [
        ("free", {}, ""),
        ("held", {"lock_holder": "a0"}, "host_locked"),
    ],
    "delegate_lock": [
        ("free", {}, ""),
        ("a run works there", {"delegate_holder": "a0"}, "delegate_locked"),
    ],
    "previous_verified": [
        ("no run before", {}, ""),
        ("one not judged", {"unverified": "a0"}, "verification_pending"),
    ],
    "host_attempts": [
        ("one under, all of them helped", {"limits": PATIENT, "host_starts": (NOW - 300, NOW - 200)}, ""),
        ("at the limit", {"limits": PATIENT, "host_starts": (NOW - 300, NOW - 200, NOW - 100)}, WORN_OUT),
        ("one over", {"limits": PATIENT, "host_starts": (NOW - 4, NOW - 3, NOW - 2, NOW - 1)}, WORN_OUT),
        ("the first has just left", {"limits": PATIENT, "host_starts": (NOW - 3600, NOW - 2, NOW - 1)}, ""),
        ("the first is about to", {"limits": PATIENT, "host_starts": (NOW - 3599.9, NOW - 2, NOW - 1)}, WORN_OUT),
        ("limit 0", {"limits": bound(host_attempts_maximum=0, host_attempts_window_seconds=3600.0)}, WORN_OUT),
        ("a claim that knows no such limit", {"host_starts": (NOW - 3, NOW - 2, NOW - 1)}, ""),
        (
            "a window that nobody remembers",
            {"limits": bound(host_attempts_maximum=3, host_attempts_window_seconds=604_801.0)},
            "window_too_long",
        ),
    ],
    "cooldown": [
        ("no run before", {"last_run_end": None}, ""),
        ("at its end", {"last_run_end": NOW - 900}, ""),
        ("just before its end", {"last_run_end": NOW - 899.999}, "cooldown"),
        ("the broker's clock is ahead", {"last_run_end": NOW + 1}, "cooldown"),
        ("limit 0", {"last_run_end": NOW + 1, "limits": bound(cooldown_seconds=0.0)}, ""),
    ],
    "attempts": [
        ("one under", {"attempts": 1, "limits": bound(attempts_maximum=2)}, ""),
        ("at the limit", {"attempts": 2, "limits": bound(attempts_maximum=2)}, "attempts_exhausted"),
        ("over the limit", {"attempts": 3, "limits": bound(attempts_maximum=2)}, "attempts_exhausted"),
        ("limit 0", {"attempts": 0, "limits": bound(attempts_maximum=0)}, "attempts_exhausted"),
    ],
    "group_concurrency": [
        ("one under", {"running": {"web": 1}, "limits": bound(group_concurrency_maximum=2)}, ""),
        ("at the limit", {"running": {"web": 2}, "limits": bound(group_concurrency_maximum=2)}, "group_busy"),
        ("over the limit", {"running": {"web": 3}, "limits": bound(group_concurrency_maximum=2)}, "group_busy"),
        ("limit 0", {"running": {}, "limits": bound(group_concurrency_maximum=0)}, "group_busy"),
        ("any of its groups", {"running": {"web": 0, "z": 1}, "limits": bound(groups=("web", "z"))}, "group_busy"),
        ("a foreign group", {"running": {"db": 9}}, ""),
        ("no group known", {"limits": bound(groups=())}, "no_group"),
    ],
    "global_rate": [
        ("one under", {"starts": (NOW - 5,), "limits": bound(starts_maximum=2)}, ""),
        ("at the limit", {"starts": (NOW - 5, NOW), "limits": bound(starts_maximum=2)}, "rate_exceeded"),
        ("a claim counts", {"starts": (NOW,), "pending": 1, "limits": bound(starts_maximum=2)}, "rate_exceeded"),
        ("at the window's edge", {"starts": (NOW - 3600,), "limits": bound(starts_maximum=1)}, ""),
        ("inside the window", {"starts": (NOW - 3599.9,), "limits": bound(starts_maximum=1)}, "rate_exceeded"),
        ("limit 0", {"limits": bound(starts_maximum=0)}, "rate_exceeded"),
        ("window 0", {"starts": (NOW,), "limits": bound(starts_maximum=1, starts_window_seconds=0.0)}, ""),
        ("longer than memory", {"limits": bound(starts_window_seconds=604_801.0)}, "window_too_long"),
    ],
}


@pytest.mark.parametrize(
    ("gate", "changes", "reason"),
    [
        pytest.param(gate, changes, reason, id=f"{gate}: {name}")
        for gate, cases in CASES.items()
        for name, changes, reason in cases
    ],
)
def test_a_gate_passes_or_denies_with_its_reason(gate: str, changes: dict[str, object], reason: str) -> None:
    """Each gate denies exactly at its limit, names itself and why, and passes otherwise."""
    asked = {each.__name__: each for each in GATES}[gate]
    result = asked(context(**changes))
    assert (gate, reason == "", reason) == (result.gate, result.passed, result.reason)


def test_every_gate_has_its_cases() -> None:
    """A gate that is added without its boundary cases fails here; the order is the order of asking."""
    assert list(CASES) == [gate.__name__ for gate in GATES]


def test_the_claim_is_judged_by_the_same_gates_in_the_same_order() -> None:
    """What the ledger asks of a claim is a part of what a decision asks, in the same order."""
    claim_gates = [gate.__name__ for gate in CLAIM_GATES]
    assert claim_gates == [gate.__name__ for gate in GATES if gate.__name__ in claim_gates]


def test_the_first_denial_ends_the_asking() -> None:
    """The results are those of the gates up to the one that denied."""
    results = ask(GATES, context(needs_human="i1", raised=0))
    names = ["rule_mode", "event_freshness", "roster_freshness", "detector_maturity", "maintenance", "human_needed"]
    assert names == [result.gate for result in results]
    assert [True, True, True, True, True, False] == [result.passed for result in results]
    assert len(GATES) == len(ask(GATES, context()))


@pytest.mark.parametrize(
    ("gate", "changes", "expected"),
    [
        pytest.param(
            "cooldown",
            {"last_run_end": NOW - 60.5},
            GateResult("cooldown", passed=False, reason="cooldown", value="60.5", limit="900", next_time=NOW + 839.5),
            id="cooldown tells its end",
        ),
        pytest.param(
            "global_rate",
            {"starts": (NOW - 100, NOW - 50, NOW - 10), "limits": bound(starts_maximum=2, starts_window_seconds=600.0)},
            GateResult(
                "global_rate",
                passed=False,
                reason="rate_exceeded",
                value="3",
                limit="2 in 600 s",
                next_time=NOW - 50 + 600,
            ),
            id="rate tells when enough starts have left the window",
        ),
        pytest.param(
            "global_rate",
            {"pending": 1, "limits": bound(starts_maximum=1)},
            GateResult("global_rate", passed=False, reason="rate_exceeded", value="1", limit="1 in 3600 s"),
            id="no time helps against a claim",
        ),
        pytest.param(
            "event_freshness",
            {"evidence_time": NOW - 301},
            GateResult("event_freshness", passed=False, reason="event_too_old", value="301", limit="300"),
            id="no time helps against age",
        ),
        pytest.param(
            "group_concurrency",
            {"running": {"web": 1}},
            GateResult("group_concurrency", passed=False, reason="group_busy", value="1 in web", limit="1"),
            id="the busy group is named",
        ),
    ],
)
def test_a_denial_tells_value_limit_and_next_time(gate: str, changes: dict[str, object], expected: GateResult) -> None:
    """Whoever reads a denial learns what was measured, what was allowed, and when to look again."""
    assert expected == {each.__name__: each for each in GATES}[gate](context(**changes))


def test_at_the_next_time_the_gate_passes() -> None:
    """The next time that a gate tells is right to the last bit: then it passes, just before it does not."""
    for gate, changes in [
        ("cooldown", {"last_run_end": NOW - 0.1}),
        ("global_rate", {"starts": (NOW - 0.3, NOW - 0.1), "limits": bound(starts_maximum=1)}),
    ]:
        asked = {each.__name__: each for each in GATES}[gate]
        later = asked(context(**changes)).next_time
        assert asked(context(**changes | {"now": later})).passed
        assert not asked(context(**changes | {"now": later - 0.001})).passed


def test_a_claim_is_judged_without_what_the_log_does_not_tell() -> None:
    """The claim gates need nothing but facts of the log."""
    names = set(LogFacts.__struct_fields__)
    facts = LogFacts(**{name: getattr(context(), name) for name in names})
    assert all(result.passed for result in ask(CLAIM_GATES, facts))
