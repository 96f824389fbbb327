"""What happened, told from the signals topic and the audit log: a pure fold over notices and entries.

It knows nothing that is not in those two logs, but for the lines that the demo itself adds (`narrate`). Feeding it the
same records gives the same story, so it can be tested with recorded ones and be shown by any view.
"""

import enum
import time
from collections.abc import Callable
from typing import Any

import msgspec

from detectors.signals import HostState, HostStatus, Signal, SignalState
from remediations.records import (
    DecisionMade,
    Entry,
    HumanNeeded,
    IncidentClosed,
    IncidentOpened,
    IncidentUpdated,
    Record,
    RunClaimed,
    RunFinished,
    RunNotExecuted,
    RunProgressed,
    RunRevoked,
    RunStarted,
    RunUnknown,
    RunVerified,
    Verdict,
    VerificationOutcome,
)
from remediations.runs import RunStatus, TaskEvent

LINES_KEPT = 400
INCIDENTS_KEPT = 50
SIGNALS_KEPT = 1000


class Tone(enum.Enum):
    """What a line is to its reader."""

    ACT = "act"
    QUIET = "quiet"
    GOOD = "good"
    BAD = "bad"
    DECISION = "decision"


class Line(msgspec.Struct, frozen=True):
    """One sentence of the story: its number from 1, when it happened (epoch seconds), its host if it has one."""

    number: int
    time: float
    tone: Tone
    text: str
    host: str = ""


class Heard(msgspec.Struct, frozen=True):
    """A raised or cleared signal and when it was written to the signals topic (epoch seconds)."""

    signal: Signal
    time: float


class RunTold(msgspec.Struct, frozen=True):
    """One run as told so far; times by the log's clock, 0 before they happened."""

    action_id: str
    playbook: str
    started_time: float
    tasks: tuple[TaskEvent, ...] = ()
    ended_time: float = 0.0
    status: RunStatus | None = None
    reason: str = ""
    outcome: VerificationOutcome | None = None
    outcome_reason: str = ""
    verified_time: float = 0.0


class Decided(msgspec.Struct, frozen=True):
    """A decision and when it was written."""

    record: DecisionMade
    time: float


class IncidentTold(msgspec.Struct, frozen=True):
    """One incident as told so far; times by the log's clock, 0 before they happened."""

    incident_id: str
    host: str
    signal: Signal
    opened_time: float
    decisions: tuple[Decided, ...] = ()
    runs: tuple[RunTold, ...] = ()
    human_reason: str = ""
    closed_time: float = 0.0
    closed_reason: str = ""

    @property
    def decision(self) -> Decided | None:
        """The newest decision."""
        return self.decisions[-1] if self.decisions else None

    @property
    def run(self) -> RunTold | None:
        """The newest run."""
        return self.runs[-1] if self.runs else None


class Story(msgspec.Struct, frozen=True):
    """Everything told so far. `hosts` is the newest roster; incidents are in the order they were opened."""

    hosts: dict[str, HostStatus] = {}
    signals: tuple[Heard, ...] = ()
    incidents: dict[str, IncidentTold] = {}
    lines: tuple[Line, ...] = ()
    told: int = 0

    def raised(self, host: str, since: float) -> Heard | None:
        """The first signal raised on `host` that was written at `since` (epoch seconds) or later."""
        found = (each for each in self.signals if each.signal.host == host and each.time >= since)
        return next((each for each in found if each.signal.state is SignalState.RAISED), None)

    def incident(self, host: str, since: float) -> IncidentTold | None:
        """The first incident of `host` that was opened at `since` (epoch seconds) or later."""
        found = (each for each in self.incidents.values() if each.host == host and each.opened_time >= since)
        return next(found, None)


def narrate(story: Story, now: float, text: str, tone: Tone = Tone.ACT, host: str = "") -> Story:
    """Add a line."""
    line = Line(story.told + 1, now, tone, text, host)
    return msgspec.structs.replace(story, lines=(*story.lines, line)[-LINES_KEPT:], told=line.number)


def hear(story: Story, notice: Signal | HostStatus, now: float) -> Story:
    """Add a notice that was written to the signals topic at `now` (epoch seconds). A repeated signal adds nothing."""
    if isinstance(notice, HostStatus):
        return _status(story, notice, now)
    if any((each.signal.id, each.signal.state) == (notice.id, notice.state) for each in story.signals):
        return story
    story = msgspec.structs.replace(story, signals=(*story.signals, Heard(notice, now))[-SIGNALS_KEPT:])
    if notice.state is SignalState.CLEARED:
        return narrate(story, now, f"{notice.kind.value} cleared, score {notice.score:.1f}", Tone.GOOD, notice.host)
    text = f"{notice.kind.value} raised: score {notice.score:.1f}, threshold {notice.threshold:.1f}"
    return narrate(story, now, text, Tone.BAD, notice.host)


def read(story: Story, entry: Entry) -> Story:
    """Add an entry of the audit log. A type that no line is told of adds nothing."""
    tell = _TELL.get(type(entry.record))
    return tell(story, entry.record, entry.time) if tell else story


def clock(epoch_seconds: float) -> str:
    """Local time of day, for people."""
    return time.strftime("%H:%M:%S", time.localtime(epoch_seconds))


def number(value: float) -> str:
    """A measured value in few digits, for people."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"  # noqa: PLR2004 - from here on digits tell nothing


def _status(story: Story, status: HostStatus, now: float) -> Story:
    before = story.hosts.get(status.host)
    story = msgspec.structs.replace(story, hosts={**story.hosts, status.host: status})
    if status.state is HostState.SILENT and (before is None or before.state is not HostState.SILENT):
        return narrate(story, now, "silent: no reading arrives", Tone.BAD, status.host)
    return story


def _change(story: Story, incident_id: str, **changes: object) -> Story:
    incident = story.incidents.get(incident_id)
    if incident is None:
        return story
    return msgspec.structs.replace(
        story, incidents={**story.incidents, incident_id: msgspec.structs.replace(incident, **changes)}
    )


def _change_run(story: Story, incident_id: str, action_id: str, **changes: object) -> Story:
    incident = story.incidents.get(incident_id)
    if incident is None:
        return story
    runs = tuple(
        msgspec.structs.replace(each, **changes) if each.action_id == action_id else each for each in incident.runs
    )
    return _change(story, incident_id, runs=runs)


def _opened(story: Story, record: IncidentOpened, now: float) -> Story:
    incident = IncidentTold(record.incident_id, record.host, record.signal, now)
    kept = dict([*story.incidents.items(), (record.incident_id, incident)][-INCIDENTS_KEPT:])
    story = msgspec.structs.replace(story, incidents=kept)
    blamed = [
        f"{each.series} is {number(each.observed)}, expected {number(each.expected)}"
        for each in record.signal.evidence.series[:1]
    ]
    return narrate(story, now, "; ".join([f"incident {record.incident_id} opened", *blamed]), Tone.BAD, record.host)


def _updated(story: Story, record: IncidentUpdated, now: float) -> Story:
    text = f"incident {record.incident_id}: {record.kind.value} {record.state.value}"
    return narrate(story, now, text, Tone.QUIET, record.host)


def _decided(story: Story, record: DecisionMade, now: float) -> Story:
    incident = story.incidents.get(record.incident_id)
    if incident is not None:
        story = _change(story, record.incident_id, decisions=(*incident.decisions, Decided(record, now)))
    return narrate(story, now, _decision_text(record), Tone.DECISION, record.host)


def _decision_text(record: DecisionMade) -> str:
    if record.verdict is Verdict.RUN:
        return f"decision: run {record.playbook} (rule {record.rule}); {len(record.gates)} gates passed"
    if record.verdict is Verdict.OBSERVE:
        return f"decision: only observe (rule {record.rule}): {record.reason}"
    gate = next((each for each in record.gates if not each.passed), None)
    parts = [f"decision: do NOT act: {record.reason}"]
    if gate is not None and gate.value:
        parts.append(f"value {gate.value}")
    if gate is not None and gate.limit:
        parts.append(f"limit {gate.limit}")
    if gate is not None and gate.next_time:
        parts.append(f"allowed again at {clock(gate.next_time)}")
    return "; ".join(parts)


def _claimed(story: Story, record: RunClaimed, now: float) -> Story:
    return narrate(story, now, f"engine {record.engine} claims the run", Tone.QUIET, record.host)


def _revoked(story: Story, record: RunRevoked, now: float) -> Story:
    return narrate(story, now, f"claim taken back: {record.reason}", Tone.QUIET, record.host)


def _started(story: Story, record: RunStarted, now: float) -> Story:
    incident = story.incidents.get(record.incident_id)
    if incident is not None:
        run = RunTold(record.action_id, record.playbook, now)
        story = _change(story, record.incident_id, runs=(*incident.runs, run))
    return narrate(story, now, f"playbook {record.playbook} starts", Tone.DECISION, record.host)


def _progressed(story: Story, record: RunProgressed, now: float) -> Story:
    incident = story.incidents.get(record.incident_id)
    for run in incident.runs if incident else ():
        if run.action_id == record.action_id:
            story = _change_run(story, record.incident_id, run.action_id, tasks=(*run.tasks, record.task))
    text = f"task: {record.task.task}: {record.task.outcome.value}, {record.task.duration_seconds:.1f} s"
    return narrate(story, now, text, Tone.QUIET, record.host)


def _finished(story: Story, record: RunFinished, now: float) -> Story:
    story = _change_run(
        story, record.incident_id, record.action_id, ended_time=now, status=record.status, reason=record.reason
    )
    good = record.status is RunStatus.SUCCESSFUL
    text = f"playbook ended: {record.status.value}" + (f": {record.reason}" if record.reason else "")
    return narrate(story, now, text, Tone.DECISION if good else Tone.BAD, record.host)


def _unknown(story: Story, record: RunUnknown, now: float) -> Story:
    story = _change_run(
        story, record.incident_id, record.action_id, ended_time=now, status=RunStatus.UNKNOWN, reason=record.reason
    )
    return narrate(story, now, f"outcome of the run unknown: {record.reason}", Tone.BAD, record.host)


def _not_executed(story: Story, record: RunNotExecuted, now: float) -> Story:
    return narrate(story, now, "the run had no effect and can have none", Tone.QUIET, record.host)


def _verified(story: Story, record: RunVerified, now: float) -> Story:
    changes = {"outcome": record.outcome, "outcome_reason": record.reason, "verified_time": now}
    story = _change_run(story, record.incident_id, record.action_id, **changes)
    good = record.outcome is VerificationOutcome.SUCCESS
    text = f"verified on new data: {record.outcome.value}" + (f": {record.reason}" if record.reason else "")
    return narrate(story, now, text, Tone.GOOD if good else Tone.BAD, record.host)


def _human(story: Story, record: HumanNeeded, now: float) -> Story:
    story = _change(story, record.incident_id, human_reason=record.reason)
    return narrate(story, now, f"a human is needed: {record.reason}", Tone.BAD, record.host)


def _closed(story: Story, record: IncidentClosed, now: float) -> Story:
    story = _change(story, record.incident_id, closed_time=now, closed_reason=record.reason)
    return narrate(story, now, f"incident {record.incident_id} closed: {record.reason}", Tone.GOOD, record.host)


# One row for each type of record that a line is told of.
_TELL: dict[type[Record] | type[None], Callable[[Story, Any, float], Story]] = {
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
}
