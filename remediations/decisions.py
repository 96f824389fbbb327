"""Incident → decision: the first rule that matches answers, and every gate has its say.

A decision rests on its arguments alone, so it can be recomputed from the log, the policy and the inventory it names.
"""

from collections.abc import Mapping

import msgspec

from detectors.hostnames import folded
from detectors.signals import HostState, HostStatus, SignalKind
from remediations import delegates, fleets, inputs
from remediations.delegates import Delegates
from remediations.gates import GATES, GateContext, ask, unknown_host
from remediations.identities import action_id
from remediations.incidents import Incident
from remediations.inventory import Inventory
from remediations.ledger import Ledger
from remediations.playbooks import Playbook
from remediations.policies import FleetEvents, Match, Policy, Rule, RuleMode, Scalar, Verification
from remediations.records import ClaimLimits, DecisionMade, FleetRaised, GateResult, Verdict
from remediations.runs import RunRequest, Target

LOOK_AGAIN_SECONDS = 30.0  # what a gate waits for may happen outside of the log: an inventory, a roster, another policy


class Decision(msgspec.Struct, frozen=True):
    """A decision and, if its verdict is RUN, what to claim and what to run.

    `next_time` (epoch seconds) is when time alone may change the answer, 0 if time alone will not.
    """

    record: DecisionMade
    next_time: float = 0.0
    limits: ClaimLimits | None = None
    request: RunRequest | None = None
    verification: Verification | None = None


def decide(
    incident: Incident,
    policy: Policy,
    ledger: Ledger,
    roster: Mapping[str, HostStatus],
    inventory: Inventory,
    playbooks: Mapping[str, Playbook],
    now: float,
) -> Decision:
    """Weigh what may be done about an incident at `now` (epoch seconds)."""
    event = fleets.event_of(ledger.state, inventory.groups_of(incident.host))
    rule = first_match(policy, incident, inventory, event)
    if rule is None:
        return Decision(record=_no_rule(incident, inventory))
    playbook, target = playbooks.get(rule.playbook), inventory.resolve(incident.host)
    plan = _plan(incident, rule, playbook, target, inventory, ledger.next_attempt(incident.incident_id))
    limits = claim_limits(policy, rule, inventory.groups_of(incident.host))
    facts = ledger.facts(incident.incident_id, incident.host, limits, now)
    holder = delegates.busy_through(incident.host, plan.delegates, ledger.unfinished(), playbooks, inventory)
    status = roster.get(incident.host)
    context = GateContext(
        **msgspec.structs.asdict(facts),
        host=incident.host,
        rule=rule,
        policy=policy.limits,
        evidence_time=_evidence_time(incident, status),
        status=status,
        target=target,
        groups=limits.groups,
        playbook=playbook,
        input_problem=plan.problem,
        delegates=plan.delegates,
        delegate_holder=holder,
        nearest=inventory.nearest(incident.host) if target is None else "",
        namesakes=_namesakes(incident.host, target, roster, inventory),
    )
    return _conclude(incident, rule, plan, limits, ask(GATES, context))


def first_match(
    policy: Policy, incident: Incident, inventory: Inventory, event: FleetRaised | None = None
) -> Rule | None:
    """Give the first rule that matches a raised signal of the incident; once all cleared, the one that opened it.

    The fleet event that the host is in, if any, counts as one more signal.
    """
    scores = [(signal.kind, signal.score) for signal in incident.raised.values() or (incident.signal,)]
    scores += [(SignalKind.FLEET, event.view.share)] if event is not None else []
    for rule in policy.rules:
        match = rule.match
        if covers(match, inventory, incident.host) and any(
            kind in match.kinds and score >= match.score_minimum for kind, score in scores
        ):
            return rule
    return None


def answers(policy: Policy, kind: SignalKind, host: str, inventory: Inventory) -> bool:
    """Tell whether any rule is meant for signals of this kind on the host."""
    return any(kind in rule.match.kinds and covers(rule.match, inventory, host) for rule in policy.rules)


def covers(match: Match, inventory: Inventory, host: str) -> bool:
    """Tell whether a rule with this match is meant for the host."""
    everywhere = not match.hosts and not match.groups
    return (
        everywhere
        or inventory.spelling(host) in match.hosts
        or not set(match.groups).isdisjoint(inventory.groups_of(host))
    )


def claim_limits(policy: Policy, rule: Rule, groups: tuple[str, ...]) -> ClaimLimits:
    """Give the limits that a claim carries, so that every reader of the log judges it alike."""
    return ClaimLimits(
        cooldown_seconds=rule.cooldown_seconds,
        attempts_maximum=rule.attempts_maximum,
        groups=groups,
        group_concurrency_maximum=policy.limits.group_concurrency_maximum,
        starts_maximum=policy.limits.starts_maximum,
        starts_window_seconds=policy.limits.starts_window_seconds,
        host_attempts_maximum=policy.limits.host_attempts_maximum,
        host_attempts_window_seconds=policy.limits.host_attempts_window_seconds,
        cooldown_maximum_seconds=policy.limits.cooldown_maximum_seconds,
        refuses_fleet_events=policy.limits.fleet_events is FleetEvents.REFUSE
        and SignalKind.FLEET not in rule.match.kinds,
    )


def differs(record: DecisionMade, last: DecisionMade | None) -> bool:
    """Tell whether a decision says something new: only then is it worth a record.

    A RUN for an action that is decided already is not new: it is the same permission, and may be claimed.
    """
    return last is None or _essence(record) != _essence(last)


def look_again_time(decision: Decision, now: float) -> float:
    """Give the latest time (epoch seconds) at which to decide again when nothing else happens before."""
    soon = now + LOOK_AGAIN_SECONDS
    return min(decision.next_time, soon) if decision.next_time > now else soon


class _Plan(msgspec.Struct, frozen=True):
    """The run that a rule asks for, as far as it can be worked out."""

    attempt: int
    action_id: str = ""
    digest: str = ""
    inputs: dict[str, Scalar] = {}
    problem: str = ""
    playbook: Playbook | None = None
    target: Target | None = None
    delegates: Delegates = Delegates()


def _plan(
    incident: Incident,
    rule: Rule,
    playbook: Playbook | None,
    target: Target | None,
    inventory: Inventory,
    attempt: int,
) -> _Plan:
    if playbook is None or target is None:
        return _Plan(attempt=attempt, digest="" if playbook is None else playbook.digest)
    fields = {
        "incident_id": incident.incident_id,
        "host": target.name,
        "kind": incident.signal.kind.value,
        "score": incident.signal.score,
    }
    resolved = inputs.resolve(playbook, rule.inputs, target, fields)
    if resolved.problem:
        return _Plan(attempt=attempt, digest=playbook.digest, problem=resolved.problem)
    action = action_id(incident.incident_id, playbook.name, playbook.digest, resolved.values, attempt)
    return _Plan(
        attempt=attempt,
        action_id=action,
        digest=playbook.digest,
        inputs=resolved.values | dict.fromkeys(inputs.names_action(playbook), action),
        playbook=playbook,
        target=target,
        delegates=delegates.find(playbook, target, inventory),
    )


def _conclude(
    incident: Incident, rule: Rule, plan: _Plan, limits: ClaimLimits, gates: tuple[GateResult, ...]
) -> Decision:
    last = gates[-1]
    verdict = _verdict(rule, allowed=last.passed)
    record = DecisionMade(
        incident_id=incident.incident_id,
        host=incident.host,
        rule=rule.name,
        mode=rule.mode,
        playbook=rule.playbook,
        attempt=plan.attempt,
        action_id=plan.action_id,
        verdict=verdict,
        reason=_reason(verdict, last),
        gates=gates,
        playbook_digest=plan.digest,
        inputs=plan.inputs,
    )
    if verdict is not Verdict.RUN or plan.playbook is None or plan.target is None:
        return Decision(record=record, next_time=last.next_time)
    return Decision(
        record=record,
        limits=limits,
        request=_request(incident, plan, plan.playbook, plan.target),
        verification=rule.verification or plan.playbook.sidecar.verification,
    )


def _request(incident: Incident, plan: _Plan, playbook: Playbook, target: Target) -> RunRequest:
    return RunRequest(
        action_id=plan.action_id,
        incident_id=incident.incident_id,
        attempt=plan.attempt,
        playbook=playbook.path,
        targets=(target,),
        inputs=plan.inputs,
        timeout_seconds=playbook.sidecar.timeout_seconds,
        delegates=plan.delegates.hosts,
    )


def _verdict(rule: Rule, *, allowed: bool) -> Verdict:
    if rule.mode is RuleMode.OBSERVE:
        return Verdict.OBSERVE
    return Verdict.RUN if allowed else Verdict.DENY


def _reason(verdict: Verdict, last: GateResult) -> str:
    """Say why. A rule that only observes names the gate that would have denied: its record shows what it would do."""
    if not last.passed:
        return last.reason
    return "would_run" if verdict is Verdict.OBSERVE else "all_gates_passed"


def _namesakes(
    host: str, target: Target | None, roster: Mapping[str, HostStatus], inventory: Inventory
) -> tuple[str, ...]:
    """Give the other hosts of the roster that the inventory takes for the same one; asked where names are not alike."""
    if target is None or folded(target.name) == host:
        return ()
    return tuple(sorted(each for each in roster if each != host and inventory.spelling(each) == target.name))


def _no_rule(incident: Incident, inventory: Inventory) -> DecisionMade:
    """Say that no rule is meant for the host; of one that is not in the inventory, that this is why."""
    is_known = inventory.spelling(incident.host) != ""
    gates = () if is_known else (unknown_host(incident.host, inventory.nearest(incident.host)),)
    return DecisionMade(
        incident_id=incident.incident_id,
        host=incident.host,
        rule="",
        mode=RuleMode.OBSERVE,
        playbook="",
        attempt=0,
        action_id="",
        verdict=Verdict.DENY,
        reason=gates[0].reason if gates else "no_rule",
        gates=gates,
    )


def _evidence_time(incident: Incident, status: HostStatus | None) -> float:
    """Give the event time of the newest evidence: the signals themselves, or a roster that still says so."""
    times = [signal.time for signal in incident.raised.values()] or [incident.signal.time]
    if status is not None and status.state is HostState.ANOMALOUS:
        times.append(status.last_sample_time)
    if status is not None and status.state is HostState.SILENT:
        times.append(status.time)
    return max(times)


def _essence(record: DecisionMade) -> tuple[str, str, str, str]:
    action = record.action_id if record.verdict is Verdict.RUN else ""
    return record.verdict.value, record.reason, record.rule, action
