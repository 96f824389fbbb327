"""Decisions: the first matching rule answers, every gate has its say, and the answer is the same for the same facts."""

import msgspec
import pytest

from detectors.signals import HostState, HostStatus, SignalKind, SignalState
from remediations.decisions import LOOK_AGAIN_SECONDS, Decision, decide, differs, look_again_time
from remediations.gates import GATES
from remediations.incidents import Incident
from remediations.inventory import Inventory
from remediations.playbooks import FromConstant, FromInventory, Playbook
from remediations.policies import Match, Policy, RuleMode, Verification
from remediations.records import DecisionMade, HumanNeeded, RunVerified, Verdict, VerificationOutcome
from remediations.runs import RunRequest, Target
from tests.remediations.stories import (
    HOST,
    INVENTORY,
    NOW,
    PLAYBOOK,
    PLAYBOOKS,
    Log,
    claimed,
    closed,
    opened,
    policy,
    rule,
    signal,
    started,
    status,
    updated,
)


def weighed(
    log: Log,
    rules: Policy | None = None,
    *,
    host: str = HOST,
    roster: dict[str, HostStatus] | None = None,
    inventory: Inventory = INVENTORY,
    playbooks: dict[str, Playbook] = PLAYBOOKS,
    now: float | None = None,
) -> Decision:
    """The decision on the host's open incident."""
    incident = log.ledger.incident_of(host)
    assert incident is not None
    moment = log.time if now is None else now
    entries = {host: status(host, time=moment, last_sample_time=moment)} if roster is None else roster
    return decide(incident, rules or policy(), log.ledger, entries, inventory, playbooks, moment)


def in_trouble(host: str = HOST, **changes: object) -> tuple[Log, Incident]:
    """A log with an open incident of the host, opened by a signal with these changes."""
    log = Log()
    log.append(opened(host, 1, signal("s1", host, **changes)))
    incident = log.ledger.incident_of(host)
    assert incident is not None
    return log, incident


def test_a_run_comes_with_all_that_is_needed_to_claim_and_run_it() -> None:
    """A RUN names its action and carries limits, request and verification; all gates were asked."""
    log, incident = in_trouble()
    decision = weighed(log)
    record = decision.record
    assert (Verdict.RUN, "all_gates_passed", 1) == (record.verdict, record.reason, record.attempt)
    assert [gate.__name__ for gate in GATES] == [result.gate for result in record.gates]
    inputs = {"grace_seconds": 5, "service_name": "shop", "marker_id": record.action_id}
    assert inputs == record.inputs
    assert decision.request == RunRequest(
        action_id=record.action_id,
        incident_id=incident.incident_id,
        attempt=1,
        playbook="/playbooks/restart.yml",
        targets=(Target(name=HOST, variables={"service_name": "shop"}),),
        inputs=inputs,
        timeout_seconds=60.0,
    )
    assert decision.limits is not None
    assert (("fleet", "web"), 900.0) == (decision.limits.groups, decision.limits.cooldown_seconds)
    assert Verification(settle_seconds=2.0, deadline_seconds=60.0) == decision.verification


def test_a_rule_may_verify_in_its_own_way() -> None:
    """The rule's verification wins over the sidecar's."""
    own = Verification(settle_seconds=9.0)
    assert own == weighed(in_trouble()[0], policy(rule(verification=own))).verification


def test_the_same_facts_give_the_same_decision() -> None:
    """A decision is a function of its arguments: it can be recomputed from the log."""
    assert weighed(in_trouble()[0]) == weighed(in_trouble()[0])


@pytest.mark.parametrize(
    ("match", "answers"),
    [
        pytest.param(Match(), True, id="every host"),
        pytest.param(Match(hosts=(HOST,)), True, id="this host"),
        pytest.param(Match(hosts=("web-2",)), False, id="another host"),
        pytest.param(Match(groups=("web",)), True, id="its group"),
        pytest.param(Match(groups=("fleet",)), True, id="its group's parent"),
        pytest.param(Match(groups=("db",)), False, id="another group"),
        pytest.param(Match(hosts=("web-2",), groups=("web",)), True, id="either will do"),
        pytest.param(Match(kinds=(SignalKind.SILENCE,)), False, id="another kind"),
        pytest.param(Match(score_minimum=5.0), True, id="score at the minimum"),
        pytest.param(Match(score_minimum=5.1), False, id="score under the minimum"),
    ],
)
def test_a_rule_answers_what_it_matches(match: Match, answers: bool) -> None:  # noqa: FBT001 - a column of the table
    """Kind, host or group, and score must all match; what no rule matches is denied as such."""
    record = weighed(in_trouble()[0], policy(rule(match=match))).record
    assert (Verdict.RUN if answers else Verdict.DENY) == record.verdict
    assert ("restart-on-anomaly" if answers else "") == record.rule
    assert ("all_gates_passed" if answers else "no_rule") == record.reason


def test_the_first_rule_that_matches_answers() -> None:
    """Order in the file decides, also when a later rule would allow more."""
    rules = policy(
        rule(name="silent", match=Match(kinds=(SignalKind.SILENCE,))),
        rule(name="watch", mode=RuleMode.OBSERVE),
        rule(name="act"),
    )
    assert weighed(in_trouble()[0], rules).record.rule == "watch"


def test_an_empty_policy_denies() -> None:
    """Without a rule nothing runs, and the log says so."""
    decision = weighed(in_trouble()[0], Policy(version=1))
    assert (Verdict.DENY, "no_rule", ()) == (decision.record.verdict, decision.record.reason, decision.record.gates)
    assert decision.request is None


@pytest.mark.parametrize(
    ("mode", "changes", "verdict", "reason"),
    [
        pytest.param(RuleMode.OBSERVE, {}, Verdict.OBSERVE, "would_run", id="observe: it would"),
        pytest.param(
            RuleMode.OBSERVE, {"protected_hosts": (HOST,)}, Verdict.OBSERVE, "host_protected", id="it would not"
        ),
        pytest.param(RuleMode.APPROVE, {}, Verdict.DENY, "not_yet_approved", id="approve"),
        pytest.param(RuleMode.AUTO, {"protected_hosts": (HOST,)}, Verdict.DENY, "host_protected", id="auto, denied"),
    ],
)
def test_the_mode_bounds_the_verdict(mode: RuleMode, changes: dict[str, object], verdict: Verdict, reason: str) -> None:
    """A rule that observes never runs, but says what would have happened; nothing is claimed without RUN."""
    decision = weighed(in_trouble()[0], policy(rule(mode=mode), **changes))
    assert (verdict, reason) == (decision.record.verdict, decision.record.reason)
    assert (None, None) == (decision.request, decision.limits)


def test_a_host_that_is_not_in_the_inventory_is_denied() -> None:
    """A signal about an unknown host reaches no playbook, and names the reason."""
    record = weighed(in_trouble("ghost")[0], host="ghost").record
    assert (Verdict.DENY, "host_unknown", "") == (record.verdict, record.reason, record.action_id)


def test_a_host_whose_name_is_a_pattern_is_denied() -> None:
    """The host's name comes from an event: as a pattern it would reach others."""
    assert weighed(in_trouble("web-*")[0], host="web-*").record.reason == "host_name_refused"


def test_a_playbook_that_is_gone_is_denied() -> None:
    """What the catalogue does not hold is not run."""
    assert weighed(in_trouble()[0], playbooks={}).record.reason == "playbook_unknown"


def test_an_input_without_a_value_is_denied() -> None:
    """A host that lacks the variable an input comes from is left alone; the record names variable and host."""
    log, _ = in_trouble("db-1")
    record = weighed(log, host="db-1").record
    assert record.reason == "input_invalid"
    assert record.gates[-1].value == "service_name: host db-1 has no variable service_name in the inventory"


@pytest.mark.parametrize(
    ("time", "entry", "reason"),
    [
        pytest.param(NOW - 250, status(), "all_gates_passed", id="a fresh signal"),
        pytest.param(NOW - 400, status(last_sample_time=NOW), "all_gates_passed", id="the roster says it goes on"),
        pytest.param(
            NOW - 400,
            status(state=HostState.SILENT, last_sample_time=NOW - 999),
            "all_gates_passed",
            id="the roster says that it is silent still",
        ),
        pytest.param(NOW - 400, status(state=HostState.NORMAL), "event_too_old", id="old, and nothing new"),
        pytest.param(NOW - 400, status(last_sample_time=NOW - 400), "event_too_old", id="anomalous when last seen"),
    ],
)
def test_freshness_is_that_of_the_newest_evidence(time: float, entry: HostStatus, reason: str) -> None:
    """An incident that lasts longer than the age limit is still fresh while detect goes on seeing it."""
    log, _ = in_trouble(time=time)
    assert reason == weighed(log, roster={HOST: entry}, now=NOW).record.reason


def test_a_host_that_recovered_is_left_alone() -> None:
    """When the last signal has cleared there is nothing to repair."""
    log, incident = in_trouble()
    log.append(updated(incident, "s2", SignalState.CLEARED, raised_id="s1"))
    assert weighed(log).record.reason == "recovered"


def test_the_second_trouble_inside_the_cooldown_waits_for_its_end() -> None:
    """A new incident of a host that was just repaired is denied, with the time at which it may be repaired again."""
    log, incident = in_trouble()
    log.run(incident)
    end = log.time
    log.append(closed(incident, "verified"))
    log.open(name="s2")
    decision = weighed(log)
    assert (Verdict.DENY, "cooldown") == (decision.record.verdict, decision.record.reason)
    assert end + 900 == decision.next_time
    assert weighed(log, now=end + 900).record.verdict is Verdict.RUN


def test_after_a_failed_attempt_the_next_one_is_another_action() -> None:
    """A further attempt has its own number and id, and is allowed only when the previous one was judged."""
    log, incident = in_trouble()
    rules = policy(rule(attempts_maximum=2, cooldown_seconds=0.0))
    first = weighed(log, rules)
    log.append(first.record)
    log.append(claimed(incident, first.record.action_id))
    log.append(started(incident, first.record.action_id, token=log.ledger.state.offset))
    assert weighed(log, rules).record.reason == "host_locked"
    log.run_ends(incident, first.record.action_id)
    assert weighed(log, rules).record.reason == "verification_pending"
    log.append(judged(incident, first.record.action_id))
    second = weighed(log, rules)
    assert (Verdict.RUN, 2) == (second.record.verdict, second.record.attempt)
    assert first.record.action_id != second.record.action_id


def judged(incident: Incident, action: str) -> RunVerified:
    """A run did not help."""
    return RunVerified(
        incident_id=incident.incident_id,
        host=incident.host,
        action_id=action,
        outcome=VerificationOutcome.INEFFECTIVE,
        reason="not cleared",
        observed_time=NOW,
        score=5.0,
    )


def test_a_host_that_needs_a_human_is_left_alone() -> None:
    """Once automation has given up on a host, it stays away until the incident is closed."""
    log, incident = in_trouble()
    log.append(HumanNeeded(incident_id=incident.incident_id, host=HOST, action_id="", reason="partial"))
    assert weighed(log).record.reason == "needs_human"


def test_a_rules_inputs_win_over_the_sidecars() -> None:
    """A constant in the rule replaces the sidecar's source, and makes it another action."""
    log, _ = in_trouble()
    plain, given = weighed(log), weighed(log, policy(rule(inputs={"service_name": "cart", "grace_seconds": 9})))
    assert ("cart", 9) == (given.record.inputs["service_name"], given.record.inputs["grace_seconds"])
    assert plain.record.action_id != given.record.action_id


def test_an_edited_playbook_makes_another_action() -> None:
    """A permission belongs to the exact content of a playbook."""
    log, _ = in_trouble()
    edited = {"restart": msgspec.structs.replace(PLAYBOOK, digest="e" * 64)}
    assert weighed(log).record.action_id != weighed(log, playbooks=edited).record.action_id


def decision_record(**changes: object) -> DecisionMade:
    """The record of a RUN, changed."""
    return msgspec.structs.replace(weighed(in_trouble()[0]).record, **changes)


@pytest.mark.parametrize(
    ("changes", "new"),
    [
        pytest.param({}, False, id="the same"),
        pytest.param({"gates": ()}, False, id="other values at the gates"),
        pytest.param({"reason": "cooldown"}, True, id="another reason"),
        pytest.param({"verdict": Verdict.OBSERVE}, True, id="another verdict"),
        pytest.param({"rule": "other"}, True, id="another rule"),
        pytest.param({"action_id": "b" * 32}, True, id="another action"),
    ],
)
def test_only_what_is_new_is_worth_a_record(changes: dict[str, object], new: bool) -> None:  # noqa: FBT001 - a column
    """A decision is written again when verdict, reason, rule or allowed action changed, not when only time went on."""
    assert new == differs(decision_record(**changes), decision_record())


def test_a_denial_is_not_repeated_because_its_action_would_have_another_id() -> None:
    """The id of an action that is not allowed says nothing."""
    last = decision_record(verdict=Verdict.DENY, reason="cooldown")
    assert not differs(decision_record(verdict=Verdict.DENY, reason="cooldown", action_id="b" * 32), last)
    assert differs(last, None)


@pytest.mark.parametrize(
    ("next_time", "expected"),
    [
        pytest.param(0.0, NOW + LOOK_AGAIN_SECONDS, id="time alone will not help"),
        pytest.param(NOW + 5, NOW + 5, id="soon"),
        pytest.param(NOW + 900, NOW + LOOK_AGAIN_SECONDS, id="late: something else may change before"),
        pytest.param(NOW - 1, NOW + LOOK_AGAIN_SECONDS, id="over already"),
    ],
)
def test_when_to_look_again(next_time: float, expected: float) -> None:
    """Never in the past, never later than the usual look."""
    assert expected == look_again_time(Decision(record=decision_record(), next_time=next_time), NOW)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        pytest.param({"value": "five"}, "grace_seconds has the value 'five', wanted int", id="text for a number"),
        pytest.param({"value": True}, "grace_seconds has the value True, wanted int", id="truth for a number"),
    ],
)
def test_an_input_of_the_wrong_type_is_denied(changes: dict[str, object], problem: str) -> None:
    """What the role declares is held to before anything starts."""
    sources = PLAYBOOK.sidecar.inputs | {"grace_seconds": FromConstant(**changes)}
    sidecar = msgspec.structs.replace(PLAYBOOK.sidecar, inputs=sources)
    log, _ = in_trouble()
    record = weighed(log, playbooks={"restart": msgspec.structs.replace(PLAYBOOK, sidecar=sidecar)}).record
    assert ("input_invalid", problem) == (record.reason, record.gates[-1].value)


def test_a_variable_that_is_no_scalar_is_no_input() -> None:
    """Lists and mappings of the inventory are not passed on as inputs."""
    hosts = {HOST: {"service_name": "shop", "extra": ["a"]}}
    inventory = msgspec.structs.replace(INVENTORY, hosts=hosts)
    sources = PLAYBOOK.sidecar.inputs | {"extra": FromInventory(variable="extra")}
    sidecar = msgspec.structs.replace(PLAYBOOK.sidecar, inputs=sources)
    playbooks = {"restart": msgspec.structs.replace(PLAYBOOK, sidecar=sidecar)}
    record = weighed(in_trouble()[0], inventory=inventory, playbooks=playbooks).record
    assert record.gates[-1].value == "extra has the value ['a'], wanted a scalar"
