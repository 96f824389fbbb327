"""What the demo proved: pure judgement over its story and what was measured beside it."""

from collections.abc import Callable

import msgspec

from console.demo.story import Decided, IncidentTold, RunTold, Story
from detectors.signals import SignalState
from remediations.records import Verdict, VerificationOutcome

COOLDOWN = "cooldown"


class Fault(msgspec.Struct, frozen=True):
    """A fault put into the service of `host`, whose process was `pid`, at `time` (epoch seconds)."""

    host: str
    pid: int
    time: float


class Facts(msgspec.Struct, frozen=True):
    """What was measured beside the two logs.

    `faults` are the faults of both acts; `spawned` the process ids supervisord started for each service, oldest first;
    `chain_fault` says what is wrong with the audit chain, empty if it verified over `audit_records` records.
    """

    faults: tuple[Fault, ...]
    spawned: dict[str, tuple[int, ...]]
    audit_records: int
    chain_fault: str
    seconds: float


class Summary(msgspec.Struct, frozen=True):
    """The outcome in figures; `None` is what did not happen. Passed when `problems` is empty."""

    host: str
    seconds_to_signal: float | None
    seconds_to_decision: float | None
    seconds_to_playbook: float | None
    seconds_to_verified: float | None
    pid_before: int
    pid_after: int
    restarts: dict[str, int]
    false_alarms: dict[str, int]
    refusal: str
    refusal_next_time: float
    audit_records: int
    audit_chain: str
    incidents: tuple[str, ...]
    seconds: float
    problems: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether the demo showed what it promises."""
        return not self.problems


def restarts(spawned: dict[str, tuple[int, ...]]) -> dict[str, int]:
    """How many times each service was started after its first start."""
    return {host: len(pids) - 1 for host, pids in spawned.items()}


def refusal(incident: IncidentTold | None) -> Decided | None:
    """The decision of an incident that denied because of the cooldown, if there is one."""
    for decided in incident.decisions if incident else ():
        if decided.record.verdict is Verdict.DENY and decided.record.reason == COOLDOWN:
            return decided
    return None


def judge(story: Story, facts: Facts) -> Summary:
    """Sum up and name every promise that was not kept."""
    summary = _sum_up(story, facts)
    found = tuple(words for broken, words in _PROMISES if broken(summary))
    return msgspec.structs.replace(summary, problems=found)


def _sum_up(story: Story, facts: Facts) -> Summary:
    first, second = facts.faults[0], facts.faults[-1]
    incident = story.incident(first.host, first.time)
    run = incident.run if incident else None
    heard = story.raised(first.host, first.time)
    decision = _decision_to_run(incident)
    again = story.incident(second.host, second.time) if len(facts.faults) > 1 else None
    refused = refusal(again)
    return Summary(
        host=first.host,
        seconds_to_signal=_after(first, heard.time if heard else 0),
        seconds_to_decision=_after(first, decision.time if decision else 0),
        seconds_to_playbook=_after(first, run.started_time if run else 0),
        seconds_to_verified=_after(first, _verified_time(run)),
        pid_before=first.pid,
        pid_after=facts.spawned.get(first.host, (0,))[-1],
        restarts=restarts(facts.spawned),
        false_alarms=_false_alarms(story, facts),
        refusal=refused.record.reason if refused else "",
        refusal_next_time=next((gate.next_time for gate in refused.record.gates if not gate.passed), 0)
        if refused
        else 0,
        audit_records=facts.audit_records,
        audit_chain=facts.chain_fault or "verified",
        incidents=tuple(each.incident_id for each in (incident, again) if each),
        seconds=round(facts.seconds, 1),
    )


def _decision_to_run(incident: IncidentTold | None) -> Decided | None:
    decisions = incident.decisions if incident else ()
    return next((each for each in decisions if each.record.verdict is Verdict.RUN), None)


def _after(fault: Fault, moment: float) -> float | None:
    return round(moment - fault.time, 2) if moment else None


def _verified_time(run: RunTold | None) -> float:
    return run.verified_time if run and run.outcome is VerificationOutcome.SUCCESS else 0


def _false_alarms(story: Story, facts: Facts) -> dict[str, int]:
    """Signals raised by host, but for those of the host with the fault after it had it."""
    fault = facts.faults[0]
    alarms = dict.fromkeys(facts.spawned, 0)
    for heard in story.signals:
        host = heard.signal.host
        true = host == fault.host and heard.time >= fault.time
        if heard.signal.state is SignalState.RAISED and not true:
            alarms[host] = alarms.get(host, 0) + 1
    return alarms


# Each promise of the demo: when it is broken, and what is said then.
_PROMISES: tuple[tuple[Callable[[Summary], bool], str], ...] = (
    (lambda it: it.seconds_to_signal is None, "no signal was raised on the faulty service"),
    (lambda it: it.seconds_to_decision is None, "no decision was made about it"),
    (lambda it: it.seconds_to_playbook is None, "no playbook was started"),
    (lambda it: it.seconds_to_verified is None, "the repair was not verified as a success"),
    (lambda it: it.restarts.get(it.host, 0) != 1, "the faulty service was not restarted exactly once"),
    (lambda it: any(n for host, n in it.restarts.items() if host != it.host), "a healthy service was restarted"),
    (lambda it: it.pid_after in (0, it.pid_before), "the faulty service still has its old process"),
    (lambda it: it.refusal != COOLDOWN, "the second act was not denied because of the cooldown"),
    (lambda it: it.audit_chain != "verified", "the audit chain did not verify"),
)
