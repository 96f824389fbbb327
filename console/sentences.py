"""Logs in words: what each audit record says, what each reason means, and numbers and times as people read them.

Texts may hold names and messages that came from outside: whoever prints them makes them plain (`rendering.plain`).
"""

import datetime as dt
from collections.abc import Callable
from typing import Any

import msgspec

from detectors.fleet import FleetView
from detectors.signals import SeriesEvidence
from remediations.records import (
    DecisionMade,
    EngineStarted,
    FleetCleared,
    FleetRaised,
    GateResult,
    HumanNeeded,
    IncidentClosed,
    IncidentOpened,
    IncidentUpdated,
    Record,
    RulesChanged,
    RulesRefused,
    RunClaimed,
    RunFinished,
    RunNotExecuted,
    RunProgressed,
    RunRevoked,
    RunStarted,
    RunUnknown,
    RunVerified,
    Verdict,
)

REASONS = {
    "all_gates_passed": "every gate let it pass",
    "would_run": "every gate let it pass, but the rule only observes",
    "no_rule": "no rule of the policy answers this signal",
    "not_yet_approved": "the rule is not armed: it waits for an approval, and there are none in this version",
    "no_event": "there is no evidence to act on",
    "event_too_old": "the newest evidence is too old: a backlog is being read",
    "event_in_future": "the evidence is dated in the future: a clock is wrong",
    "clock_off": "all that the host sends is dated wrongly by the same time, so this is no backlog: set it right",
    "host_unreadable": "records of the host come, but no reading in them can be used: see `tidegate hosts`",
    "not_in_roster": "detect has not reported this host",
    "roster_too_old": "detect has not spoken of this host lately",
    "model_young": "the host's model has not seen enough samples",
    "in_maintenance": "somebody works on the host: see `tidegate maintenance`",
    "needs_human": "automation has given up on this host until its incident is closed",
    "host_name_refused": "the name is a pattern or no host name",
    "host_unknown": "it is not in the inventory",
    "host_ambiguous": "hosts of several names report that the inventory knows as one: give each its own name there",
    "host_protected": "the policy protects this host",
    "playbook_unknown": "the playbook folder has no such playbook",
    "host_not_targeted": "the playbook is not meant for any group of this host",
    "input_invalid": "an input of the playbook has no valid value",
    "playbook_not_accepted": "the rule is not armed: its files are not those accepted, see `tidegate playbooks accept`",
    "playbook_unfit": "the rule is not armed: what is not fit to run is never accepted by itself",
    "delegate_missing": "the inventory does not say through which host to act",
    "delegate_unknown": "the host through which to act is not in the inventory",
    "delegate_protected": "the policy protects a host through which the playbook acts",
    "delegate_locked": "a run on a host through which this one acts, or through this host, has not ended",
    "recovered": "the host has recovered by itself",
    "runner_not_ready": "no run can begin on the engine's machine",
    "recovered_unproven": "its signals have cleared after a run of which nobody knows what it did",
    "engine_gone": "its engine ended in the middle of it",
    "engine_stopping": "its engine was being stopped, and begins nothing new",
    "engine_stopped": "its engine was stopped in the middle of it",
    "fleet_event": "several hosts of its group are in trouble together, which suggests a common cause",
    "host_locked": "another run on this host has not ended",
    "verification_pending": "it is not known yet whether the previous run helped",
    "cooldown": "too soon after the last run on this host",
    "attempts_exhausted": "enough was tried for this incident",
    "host_attempts_exhausted": "repaired often enough lately, and the trouble came back: a human is called",
    "no_group": "the host is in no inventory group, so no group limit can hold",
    "group_busy": "enough runs are under way in a group of this host",
    "rate_exceeded": "enough runs were started lately",
    "window_too_long": "the policy's window is longer than the log is remembered",
    "verified": "a run helped, shown by new data",
    "run_unreachable": "the target could not be reached, so the run had no effect",
    # What a run gives back of itself
    "marker_of_another_audit_log": "marker of another audit log",
    # Why the ledger ignores a record
    "already_folded": "it was read before",
    "unknown_type": "this version does not know its type",
    "already_claimed": "another claim was first",
    "not_decided": "no such action was decided",
    "not_claimed": "this claim does not hold the action",
    "not_started": "this claim has no run under way",
    "not_unknown": "the run's outcome was known",
    "not_finished": "the run had not finished, or was judged before",
    "run_unfinished": "a run was still under way",
    "other_incident": "the action belongs to another incident",
    "incident_open": "the host had an open incident",
    "no_open_incident": "the incident was not open",
    "signal_handled": "the signal was in the log already",
    "wrong_episode": "another incident of this host came first",
    "fleet_raised": "the fleet event was raised already",
    "no_fleet_event": "the fleet event was not raised any more",
    "wrong_signal": "the signal is not one that opens an incident of this host",
}

COMMON_SHOWN = 3
HOSTS_SHOWN = 5
LINE_CHARACTERS = 200
UNITS = ((86_400, "d"), (3600, "h"), (60, "m"), (1, "s"))


def because(reason: str) -> str:
    """A reason's code as words; a code that is not known, or free text, stays what it is."""
    return REASONS.get(reason, reason)


def utc(time: float) -> str:
    """Epoch seconds as UTC text such as `2026-11-21 02:20:00Z`; a dash if there is no such time."""
    try:
        return dt.datetime.fromtimestamp(time, dt.UTC).strftime("%Y-%m-%d %H:%M:%SZ") if time > 0 else "-"
    except (ValueError, OverflowError, OSError):
        return f"{time:.6g}"


def series_name(each: SeriesEvidence) -> str:
    """A series as its figures are told: one that only grows is told by its growth a second."""
    return f"{each.series} a second" if each.per_second else each.series


def span(seconds: float) -> str:
    """A length of time in its two largest units, such as `4m 10s`."""
    rest = round(min(abs(seconds), 1e12)) if seconds == seconds else 0  # noqa: PLR0124 not a number is no time
    parts: list[str] = []
    for size, unit in UNITS:
        count, rest = divmod(rest, size)
        if count or parts:
            parts.append(f"{count}{unit}")
    return " ".join(part for part in parts[:2] if part[0] != "0") or "0s"


def ago(time: float, now: float) -> str:
    """When something was or will be, seen from now: `4m 10s ago`, `in 2h 5m`; a dash if there is no such time."""
    if not time > 0:
        return "-"
    return f"in {span(time - now)}" if time > now else f"{span(now - time)} ago"


def number(value: float) -> str:
    """A measured value in as many digits as tell something."""
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e15 else f"{value:.3g}"  # noqa: PLR2004 from here digits are noise


def denial(gate: GateResult) -> str:
    """Why a gate denied, with the value it saw and its limit."""
    value = f" ({gate.value}, limit {gate.limit})" if gate.value and gate.limit else ""
    value = value or (f" ({gate.value})" if gate.value else f" (limit {gate.limit})" if gate.limit else "")
    return f"{gate.gate}: {because(gate.reason)}{value}"


def conclusion(record: DecisionMade) -> str:
    """What a decision came to, without the reason."""
    rule = f"rule {record.rule}" if record.rule else "no rule"
    if record.verdict is Verdict.RUN:
        passed = f"{counted(len(record.gates), 'gate')} passed"
        return f"decision: run {record.playbook}, attempt {record.attempt} ({rule}; {passed})"
    if record.verdict is Verdict.OBSERVE:
        return f"decision: only observe, do not run {record.playbook} ({rule})"
    return f"decision: do not run {record.playbook} ({rule})" if record.rule else "decision: nothing to run"


def say(record: Record) -> str:
    """One record in one sentence."""
    return _SAY[type(record)](record)


def _engine_started(record: EngineStarted) -> str:
    digest = record.policy_digest.removeprefix("sha256:")
    playbooks = counted(len(record.playbook_digests), "playbook")
    return f"engine {record.engine} {record.version} started with policy {digest[:12]} and {playbooks}"


def _rules_changed(record: RulesChanged) -> str:
    return f"engine {record.engine} goes on with policy {record.policy_digest.removeprefix('sha256:')[:12]}"


def _rules_refused(record: RulesRefused) -> str:
    kept = record.policy_digest.removeprefix("sha256:")[:12]
    return f"engine {record.engine} refuses the rules as they are now and keeps policy {kept}: {record.problem}"


def _opened(record: IncidentOpened) -> str:
    signal = record.signal
    blamed = "".join(
        f"; {series_name(each)} is {number(each.observed)}, expected {number(each.low)} to {number(each.high)}"
        for each in signal.evidence.series[:1]
    )
    return f"incident opened: {signal.kind.value}, score {signal.score:.2f} (threshold {signal.threshold:.2f}){blamed}"


def _updated(record: IncidentUpdated) -> str:
    return f"{record.kind.value} signal {record.state.value}, score {record.score:.2f}"


def _decided(record: DecisionMade) -> str:
    gate = next((gate for gate in record.gates if not gate.passed), None)
    if gate is not None:
        return f"{conclusion(record)}: {denial(gate)}"
    why = "" if record.verdict is Verdict.RUN else f": {because(record.reason)}"
    return conclusion(record) + why


def _claimed(record: RunClaimed) -> str:
    return f"engine {record.engine} claims the run"


def _revoked(record: RunRevoked) -> str:
    return f"claim taken back: {because(record.reason)}"


def _started(record: RunStarted) -> str:
    return f"playbook {record.playbook} starts (at most {span(record.timeout_seconds)})"


def _progressed(record: RunProgressed) -> str:
    task = record.task
    place = f"{task.step} of {task.steps}" if task.steps else str(task.number)
    return f"task {place}: {task.task}: {task.outcome.value} on {task.host} in {task.duration_seconds:.1f} s"


def _finished(record: RunFinished) -> str:
    code = "" if record.rc is None else f", rc {record.rc}"
    why = f": {because(record.reason)}" if record.reason else ""
    told = ", told by the marker on the target" if record.how == "marker" else ""
    return f"playbook ended: {record.status.value}{code}{told}{why}{_left(record)}"


def _left(record: RunFinished | RunUnknown) -> str:
    """Where to look for more than the reason."""
    return f"; artifacts: {record.artifacts}" if record.artifacts and record.reason else ""


def results(record: Record | None) -> tuple[str, ...]:
    """What the playbook of a finished run gave back by `set_stats`: a short line for each host, none for other records.

    A value whose keys are hosts of the run is told by host, any other with the host that the run was for.
    """
    if not isinstance(record, RunFinished):
        return ()
    told: dict[str, list[str]] = {}
    for name, value in record.result.items():
        is_by_host = isinstance(value, dict) and value and value.keys() <= {record.host, *record.hosts}
        by_host = value if isinstance(value, dict) and is_by_host else {record.host: value}
        for host, given in by_host.items():
            told.setdefault(host, []).append(f"{because(name)}: {_given(given)}")
    lines = [_shortened(f"result on {host}: {'; '.join(parts)}") for host, parts in told.items()]
    more = len(lines) - HOSTS_SHOWN
    return (*lines[:HOSTS_SHOWN], *([f"and the results on {more} more hosts"] if more > 0 else ()))


def _shortened(words: str) -> str:
    return words if len(words) <= LINE_CHARACTERS else f"{words[: LINE_CHARACTERS - 1]}…"


def _given(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}={_plain_value(each)}" for key, each in value.items()) or "nothing"
    return _plain_value(value)


def _plain_value(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _unknown(record: RunUnknown) -> str:
    return f"the run's outcome is not known: {because(record.reason)}{_left(record)}"


def _not_executed(_record: RunNotExecuted) -> str:
    return "the run had no effect, and its marker on the target is closed: it can have none any more"


def _verified(record: RunVerified) -> str:
    why = f": {because(record.reason)}" if record.reason else ""
    return f"verification: {record.outcome.value}, score {record.score:.2f}{why}"


def _human(record: HumanNeeded) -> str:
    return f"a human is needed: {because(record.reason)}"


def _closed(record: IncidentClosed) -> str:
    told = record.outcome is None or record.reason != "recovered"
    last = "" if told else f"; its last run: {record.outcome.value if record.outcome else ''}"
    return f"incident closed: {because(record.reason)}{last}"


def counted(count: int, what: str) -> str:
    """So many things: `1 host`, `2,000 hosts`."""
    return f"{count:,} {what}" + ("" if count == 1 else "s")


def matter(seen: FleetView, still: int, now: float) -> str:
    """How many hosts of a group were in trouble together when that was told, and how many of them are `still` now."""
    named = len(seen.hosts)
    which = "them" if named == seen.affected else f"the {counted(named, 'host')} named"
    are = "none is" if not still else "1 is" if still == 1 else "all are" if still == named else f"{still} are"
    told = crowd(seen, were="were ")
    return (
        f"{told}, at {utc(seen.time)}, {ago(seen.time, now)}, the first since {utc(seen.began)}; of {which} {are} now"
    )


def crowd(seen: FleetView, were: str = "") -> str:
    """How many hosts of a group are in trouble, and what they have in common."""
    silent = f", {seen.silent} of them silent" if seen.silent else ""
    common = ", ".join(f"{each.metric} ({counted(each.hosts, 'host')})" for each in seen.common[:COMMON_SHOWN])
    shared = f"; in common: {common}" if common else ""
    hosts = f"{seen.affected} of {seen.known} hosts of {seen.group}"
    return f"{hosts} {were}in trouble together ({seen.share:.0%}){silent}{shared}"


def _fleet_raised(record: FleetRaised) -> str:
    return f"fleet event raised: {crowd(record.view)}; first {', '.join(record.view.hosts[:HOSTS_SHOWN])}"


def _fleet_cleared(record: FleetCleared) -> str:
    return (
        f"fleet event cleared: {record.view.affected} of {record.view.known} hosts of {record.group} lately in trouble"
    )


_SAY: dict[type[Record], Callable[[Any], str]] = {
    EngineStarted: _engine_started,
    RulesChanged: _rules_changed,
    RulesRefused: _rules_refused,
    IncidentOpened: _opened,
    IncidentUpdated: _updated,
    DecisionMade: _decided,
    RunClaimed: _claimed,
    RunRevoked: _revoked,
    RunStarted: _started,
    RunProgressed: _progressed,
    RunFinished: _finished,
    RunUnknown: _unknown,
    RunNotExecuted: _not_executed,
    RunVerified: _verified,
    HumanNeeded: _human,
    IncidentClosed: _closed,
    FleetRaised: _fleet_raised,
    FleetCleared: _fleet_cleared,
}
