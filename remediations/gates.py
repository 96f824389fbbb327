"""The gates: what must hold before a playbook may run.

Each is one small function of one frozen context; `GATES` is the order in which they are asked and the first that denies
ends it. What cannot be evaluated denies. `CLAIM_GATES` rest on the log alone, so the ledger asks the very same
functions whether a claim is valid: no engine, however slow or however many, gets past them.

At a limit: a count may reach its limit and not pass it; a time is over exactly at its end; a limit of 0 allows nothing,
but a cooldown of 0 seconds is none.
"""

from collections.abc import Callable, Sequence

import msgspec

from detectors.clock import clock_words
from detectors.hostnames import EXACT_HOST, folded, is_short_for
from detectors.signals import HostState, HostStatus
from remediations.delegates import Delegates
from remediations.playbooks import Playbook
from remediations.policies import WINDOW_MAXIMUM_SECONDS, Limits, Rule, RuleMode
from remediations.records import ClaimLimits, GateResult
from remediations.runs import Target

DOUBLINGS_MAXIMUM = 64  # of a cooldown; by then every cap is reached


class LogFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the log says of a host and its incident at `now` (epoch seconds), as far as limits need it.

    `raised` counts the signals of the open incident that are raised still, 0 when it is closed. `lock_holder` is the
    unfinished action of the host, `unverified` a run of the incident whose help is not judged yet (empty if none).
    `attempts` counts the incident's executed runs, `running` the unfinished runs of each group in the limits. `starts`
    are the times of past starts in order, `pending` counts claims that have not started, `host_starts` are the times of
    past starts on this host, whichever incident they were for. `fleet` tells of the fleet
    event that the host is in, empty if it is in none.
    """

    now: float
    limits: ClaimLimits
    raised: int
    needs_human: str
    lock_holder: str
    unverified: str
    last_run_end: float | None
    attempts: int
    running: dict[str, int]
    starts: tuple[float, ...]
    pending: int
    host_starts: tuple[float, ...] = ()
    fleet: str = ""

    @property
    def host_runs(self) -> tuple[float, ...]:
        """The starts of runs on the host in its window, in order."""
        window = self.limits.host_attempts_window_seconds
        return tuple(start for start in self.host_starts if start + window > self.now)


class GateContext(LogFacts, frozen=True, kw_only=True):
    """All that the gates look at for one host and one rule.

    `evidence_time` is the event time of the newest evidence of the trouble. `status` is the host's roster entry,
    `target` its entry in the inventory, `playbook` that of the catalogue, each None if there is none. `input_problem`
    says why an input has no value, empty if all have. `delegate_holder` is the unfinished action that works on a
    delegate or through the host, empty if none. `nearest` is the inventory's host that is spelled most like one that it
    does not have; `namesakes` are other hosts of the roster that the inventory knows as the same host.
    """

    host: str
    rule: Rule
    policy: Limits
    evidence_time: float
    status: HostStatus | None
    target: Target | None
    groups: tuple[str, ...]
    playbook: Playbook | None
    input_problem: str
    delegates: Delegates = Delegates()
    delegate_holder: str = ""
    nearest: str = ""
    namesakes: tuple[str, ...] = ()


type Gate = Callable[[GateContext], GateResult]
type ClaimGate = Callable[[LogFacts], GateResult]


def rule_mode(context: GateContext) -> GateResult:
    """Let `auto` rules act and `observe` rules be weighed; `approve` waits for a human."""
    mode = context.rule.mode
    if mode is RuleMode.APPROVE:
        return _deny("rule_mode", "not_yet_approved", value=mode.value, limit=RuleMode.AUTO.value)
    return _pass("rule_mode", value=mode.value)


def event_freshness(context: GateContext) -> GateResult:
    """Act on what is happening now: a backlog that is read late changes models, never hosts."""
    limit, status = context.policy.event_age_maximum_seconds, context.status
    age = context.now - context.evidence_time
    if status is not None and status.state is HostState.UNREADABLE:
        return _deny("event_freshness", "host_unreadable", value=status.unread.reason if status.unread else "")
    behind = status.behind_seconds if status is not None else 0.0
    if limit == 0 or abs(age) > limit:
        if behind and abs(age - behind) <= limit:  # on time by the host's own clock
            return _deny("event_freshness", "clock_off", value=clock_words(context.host, behind), limit=_text(limit))
        reason = "event_in_future" if -age > limit > 0 else "event_too_old"
        return _deny("event_freshness", reason, value=_text(age), limit=_text(limit))
    return _pass("event_freshness", value=_text(age), limit=_text(limit))


def roster_freshness(context: GateContext) -> GateResult:
    """Know that detect still watches the host."""
    limit = context.policy.roster_age_maximum_seconds
    if context.status is None:
        return _deny("roster_freshness", "not_in_roster", limit=_text(limit))
    age = max(0.0, context.now - context.status.time)
    if limit == 0 or age > limit:
        return _deny("roster_freshness", "roster_too_old", value=_text(age), limit=_text(limit))
    return _pass("roster_freshness", value=_text(age), limit=_text(limit))


def detector_maturity(context: GateContext) -> GateResult:
    """Trust a model only after enough samples."""
    status, minimum = context.status, context.policy.samples_minimum
    if status is None:
        return _deny("detector_maturity", "not_in_roster", limit=str(minimum))
    if status.samples < minimum or status.state is HostState.YOUNG:
        return _deny("detector_maturity", "model_young", value=str(status.samples), limit=str(minimum))
    return _pass("detector_maturity", value=str(status.samples), limit=str(minimum))


def maintenance(context: GateContext) -> GateResult:
    """Keep off a host on which somebody works, until that is over."""
    if context.status is None:
        return _deny("maintenance", "not_in_roster")
    until = context.status.maintenance_until
    if context.now < until:
        return _deny("maintenance", "in_maintenance", value=_text(until - context.now), next_time=until)
    return _pass("maintenance")


def human_needed(facts: LogFacts) -> GateResult:
    """Keep off a host on which automation has given up."""
    if facts.needs_human:
        return _deny("human_needed", "needs_human", value=facts.needs_human)
    return _pass("human_needed")


def valid_target(context: GateContext) -> GateResult:
    """Act on exactly one host of the inventory, known by one name, never on a pattern."""
    if EXACT_HOST.fullmatch(context.host) is None:
        return _deny("valid_target", "host_name_refused", value=context.host, limit=EXACT_HOST.pattern)
    known_as = "" if context.target is None else folded(context.target.name)
    is_alike = is_short_for(context.host, known_as) or is_short_for(known_as, context.host)
    if context.target is None or not (known_as == context.host or is_alike):
        return unknown_host(context.host, context.nearest)
    if known_as != context.host and context.namesakes:
        names = _list((context.host, *context.namesakes))
        return _deny("valid_target", "host_ambiguous", value=f"{names} for {context.target.name}")
    return _pass("valid_target", value=context.host)


def unknown_host(host: str, nearest: str) -> GateResult:
    """Deny for a host that the inventory does not have; the nearest spelling is most likely what was meant."""
    hint = f"; the nearest name there is {nearest}" if nearest else ""
    return _deny("valid_target", "host_unknown", value=host + hint)


def protected_hosts(context: GateContext) -> GateResult:
    """Leave the hosts alone that the policy protects."""
    name = context.host if context.target is None else context.target.name
    if name in context.policy.protected_hosts:
        return _deny("protected_hosts", "host_protected", value=name)
    return _pass("protected_hosts", value=context.host)


def valid_playbook(context: GateContext) -> GateResult:
    """Run only what the catalogue holds, on hosts it is meant for, with every input known."""
    if context.playbook is None:
        return _deny("valid_playbook", "playbook_unknown", value=context.rule.playbook)
    wanted = context.playbook.sidecar.targets.groups
    if wanted and not set(wanted) & set(context.groups):
        return _deny("valid_playbook", "host_not_targeted", value=_list(context.groups), limit=_list(wanted))
    if context.input_problem:
        return _deny("valid_playbook", "input_invalid", value=context.input_problem)
    return _pass("valid_playbook", value=context.playbook.name)


def accepted_playbook(context: GateContext) -> GateResult:
    """Run a playbook only as an operator has accepted it."""
    playbook = context.playbook
    if playbook is None:
        return _deny("accepted_playbook", "playbook_unknown", value=context.rule.playbook)
    if playbook.breach:
        return _deny("accepted_playbook", "playbook_unfit", value=playbook.breach)
    if playbook.digest != playbook.accepted_digest:
        accepted = playbook.accepted_digest or "none"
        return _deny("accepted_playbook", "playbook_not_accepted", value=playbook.digest, limit=accepted)
    return _pass("accepted_playbook", value=playbook.digest)


def valid_delegates(context: GateContext) -> GateResult:
    """Act through nothing but hosts of the inventory that no policy protects."""
    found = context.delegates
    if found.reason:
        return _deny("valid_delegates", found.reason, value=found.value)
    protected = [host.name for host in found.hosts if host.name in context.policy.protected_hosts]
    if protected:
        return _deny("valid_delegates", "delegate_protected", value=_list(protected))
    return _pass("valid_delegates", value=_list([host.name for host in found.hosts]))


def still_raised(facts: LogFacts) -> GateResult:
    """Leave a host alone that recovered by itself."""
    if facts.raised < 1:
        return _deny("still_raised", "recovered", value=str(facts.raised), limit="1")
    return _pass("still_raised", value=str(facts.raised), limit="1")


def fleet_event(facts: LogFacts) -> GateResult:
    """Keep off single hosts while several of a group are in trouble together, if the policy says so."""
    if facts.limits.refuses_fleet_events and facts.fleet:
        return _deny("fleet_event", "fleet_event", value=facts.fleet)
    return _pass("fleet_event", value=facts.fleet)


def target_lock(facts: LogFacts) -> GateResult:
    """Let one run at a time touch a host; one with an unknown outcome still does."""
    if facts.lock_holder:
        return _deny("target_lock", "host_locked", value=facts.lock_holder)
    return _pass("target_lock")


def delegate_lock(context: GateContext) -> GateResult:
    """Act through no host on which a run is under way, and on no host through which one acts."""
    if context.delegate_holder:
        return _deny("delegate_lock", "delegate_locked", value=context.delegate_holder)
    return _pass("delegate_lock")


def previous_verified(facts: LogFacts) -> GateResult:
    """Wait until it is known whether the previous run helped."""
    if facts.unverified:
        return _deny("previous_verified", "verification_pending", value=facts.unverified)
    return _pass("previous_verified")


def cooldown(facts: LogFacts) -> GateResult:
    """Give a host time after the end of its last run, whatever came of it, and more each time it needs one again."""
    limit = grown_cooldown(facts.limits, len(facts.host_runs))
    if facts.last_run_end is None:
        return _pass("cooldown", limit=_text(limit))
    elapsed = max(0.0, facts.now - facts.last_run_end)
    over = facts.last_run_end + limit
    if limit > 0 and facts.now < over:
        return _deny("cooldown", "cooldown", value=_text(elapsed), limit=_text(limit), next_time=over)
    return _pass("cooldown", value=_text(elapsed), limit=_text(limit))


def grown_cooldown(limits: ClaimLimits, runs: int) -> float:
    """Give the cooldown in seconds after so many runs on the host in its window: cooldown · 2^(runs - 1), capped.

    The cap is `cooldown_maximum_seconds`; a rule's own cooldown that is longer holds as it is.
    """
    if limits.cooldown_seconds == 0:
        return 0.0
    doublings = min(max(0, runs - 1), DOUBLINGS_MAXIMUM)
    grown = limits.cooldown_seconds * 2.0**doublings
    return max(limits.cooldown_seconds, min(grown, limits.cooldown_maximum_seconds))


def host_attempts(facts: LogFacts) -> GateResult:
    """Call a human for a host that is repaired again and again: runs that helped count as well, for any incident."""
    limit, window = facts.limits.host_attempts_maximum, facts.limits.host_attempts_window_seconds
    if limit is None:
        return _pass("host_attempts")
    runs, bound = facts.host_runs, f"{limit} in {_text(window)} s"
    if window > WINDOW_MAXIMUM_SECONDS:
        return _deny("host_attempts", "window_too_long", value=_text(window), limit=_text(WINDOW_MAXIMUM_SECONDS))
    if len(runs) < limit:
        return _pass("host_attempts", value=str(len(runs)), limit=bound)
    next_time = runs[-limit] + window if limit else 0.0
    return _deny("host_attempts", "host_attempts_exhausted", value=str(len(runs)), limit=bound, next_time=next_time)


def attempts(facts: LogFacts) -> GateResult:
    """Stop when enough was tried for one incident."""
    done, limit = facts.attempts, facts.limits.attempts_maximum
    if done >= limit:
        return _deny("attempts", "attempts_exhausted", value=str(done), limit=str(limit))
    return _pass("attempts", value=str(done), limit=str(limit))


def group_concurrency(facts: LogFacts) -> GateResult:
    """Keep most of a service untouched: bound the unfinished runs in each group of the host."""
    limit = facts.limits.group_concurrency_maximum
    if not facts.limits.groups:
        return _deny("group_concurrency", "no_group", limit=str(limit))
    group = max(facts.limits.groups, key=lambda name: facts.running.get(name, 0))
    busy = facts.running.get(group, 0)
    value = f"{busy} in {group}"
    if busy >= limit:
        return _deny("group_concurrency", "group_busy", value=value, limit=str(limit))
    return _pass("group_concurrency", value=value, limit=str(limit))


def global_rate(facts: LogFacts) -> GateResult:
    """Bound the starts in any window of time, over all hosts and engines. A claim counts until it has started."""
    limit, window = facts.limits.starts_maximum, facts.limits.starts_window_seconds
    recent = [start for start in facts.starts if start + window > facts.now]
    used = len(recent) + facts.pending
    bound = f"{limit} in {_text(window)} s"
    if window > WINDOW_MAXIMUM_SECONDS:
        return _deny("global_rate", "window_too_long", value=_text(window), limit=_text(WINDOW_MAXIMUM_SECONDS))
    if used < limit:
        return _pass("global_rate", value=str(used), limit=bound)
    surplus = used - limit + 1
    next_time = recent[surplus - 1] + window if surplus <= len(recent) and limit else 0.0
    return _deny("global_rate", "rate_exceeded", value=str(used), limit=bound, next_time=next_time)


GATES: tuple[Gate, ...] = (
    rule_mode,
    event_freshness,
    roster_freshness,
    detector_maturity,
    maintenance,
    human_needed,
    valid_target,
    protected_hosts,
    valid_playbook,
    accepted_playbook,
    valid_delegates,
    still_raised,
    fleet_event,
    target_lock,
    delegate_lock,
    previous_verified,
    host_attempts,
    cooldown,
    attempts,
    group_concurrency,
    global_rate,
)

CLAIM_GATES: tuple[ClaimGate, ...] = (
    human_needed,
    still_raised,
    fleet_event,
    target_lock,
    previous_verified,
    host_attempts,
    cooldown,
    attempts,
    group_concurrency,
    global_rate,
)


def ask[Context](gates: Sequence[Callable[[Context], GateResult]], context: Context) -> tuple[GateResult, ...]:
    """Ask the gates in order, up to and with the first that denies."""
    results: list[GateResult] = []
    for gate in gates:
        results.append(gate(context))
        if not results[-1].passed:
            break
    return tuple(results)


def _pass(gate: str, *, value: str = "", limit: str = "") -> GateResult:
    return GateResult(gate=gate, passed=True, value=value, limit=limit)


def _deny(gate: str, reason: str, *, value: str = "", limit: str = "", next_time: float = 0.0) -> GateResult:
    return GateResult(gate=gate, passed=False, reason=reason, value=value, limit=limit, next_time=next_time)


def _text(seconds: float) -> str:
    return f"{seconds:.3f}".rstrip("0").rstrip(".")


def _list(names: Sequence[str]) -> str:
    return ", ".join(names)
