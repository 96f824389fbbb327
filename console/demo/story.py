"""What happened, told from the signals topic and the audit log: a pure fold over notices and entries.

It knows nothing that is not in those two logs, but for the lines that the demo itself adds (`narrate`). Feeding it the
same records gives the same story, so it can be tested with recorded ones and be shown by any view.
"""

import enum
from collections.abc import Callable
from typing import Any

import msgspec

from console.sentences import say, utc
from console.tasks import is_worth_telling
from detectors.signals import HostState, HostStatus, Signal, SignalKind, SignalState
from remediations.records import (
    OF_NO_HOST,
    DecisionMade,
    Entry,
    FleetCleared,
    FleetRaised,
    HumanNeeded,
    IncidentClosed,
    IncidentOpened,
    Record,
    RunFinished,
    RunProgressed,
    RunStarted,
    RunUnknown,
    RunVerified,
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
    """One sentence of the story: its number from 1, when it happened (epoch seconds), its host if it has one.

    One that `is_small` is told to who asks for everything.
    """

    number: int
    time: float
    tone: Tone
    text: str
    host: str = ""
    is_small: bool = False


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
        """The first trouble raised on `host` that was written at `since` (epoch seconds) or later; drift is none."""
        heard = (each for each in self.signals if each.signal.kind is not SignalKind.DRIFT)
        found = (each for each in heard if each.signal.host == host and each.time >= since)
        return next((each for each in found if each.signal.state is SignalState.RAISED), None)

    def incident(self, host: str, since: float) -> IncidentTold | None:
        """The first incident of `host` that was opened at `since` (epoch seconds) or later."""
        found = (each for each in self.incidents.values() if each.host == host and each.opened_time >= since)
        return next(found, None)


def narrate(
    story: Story, now: float, text: str, tone: Tone = Tone.ACT, host: str = "", *, is_small: bool = False
) -> Story:
    """Add a line."""
    line = Line(story.told + 1, now, tone, text, host, is_small)
    return msgspec.structs.replace(story, lines=(*story.lines, line)[-LINES_KEPT:], told=line.number)


def hear(story: Story, notice: Signal | HostStatus, now: float) -> Story:
    """Add a notice that was written to the signals topic at `now` (epoch seconds). A repeated signal adds nothing."""
    if isinstance(notice, HostStatus):
        return _status(story, notice, now)
    if any((each.signal.id, each.signal.state) == (notice.id, notice.state) for each in story.signals):
        return story
    story = msgspec.structs.replace(story, signals=(*story.signals, Heard(notice, now))[-SIGNALS_KEPT:])
    if notice.state is SignalState.CLEARED:
        return narrate(story, now, f"{notice.kind.value} cleared, score {notice.score:.2f}", Tone.GOOD, notice.host)
    text = f"{notice.kind.value} raised: score {notice.score:.2f}, threshold {notice.threshold:.2f}"
    return narrate(story, now, text, Tone.QUIET if notice.kind is SignalKind.DRIFT else Tone.BAD, notice.host)


def read(story: Story, entry: Entry) -> Story:
    """Add an entry of the audit log. One of unknown type adds nothing."""
    record = entry.record
    if record is None:
        return story
    change = _CHANGES.get(type(record))
    if change is not None:
        story = change(story, record, entry.time)
    host = "" if isinstance(record, OF_NO_HOST) else record.host
    is_small = isinstance(record, RunProgressed) and not is_worth_telling(record.task)
    return narrate(story, entry.time, say(record) + _again(record), _tone(record), host, is_small=is_small)


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


def _again(record: Record) -> str:
    """When what was denied is allowed again, if time alone helps."""
    gates = record.gates if isinstance(record, DecisionMade) else ()
    return "".join(f"; allowed again at {utc(gate.next_time)}" for gate in gates if gate.next_time)


def _tone(record: Record) -> Tone:
    match record:
        case IncidentOpened() | RunUnknown() | HumanNeeded() | FleetRaised():
            return Tone.BAD
        case IncidentClosed() | FleetCleared() | RunVerified(outcome=VerificationOutcome.SUCCESS):
            return Tone.GOOD
        case DecisionMade() | RunStarted() | RunFinished(status=RunStatus.SUCCESSFUL):
            return Tone.DECISION
        case RunVerified() | RunFinished():
            return Tone.BAD
        case _:
            return Tone.QUIET


def _opened(story: Story, record: IncidentOpened, now: float) -> Story:
    incident = IncidentTold(record.incident_id, record.host, record.signal, now)
    kept = dict([*story.incidents.items(), (record.incident_id, incident)][-INCIDENTS_KEPT:])
    return msgspec.structs.replace(story, incidents=kept)


def _decided(story: Story, record: DecisionMade, now: float) -> Story:
    incident = story.incidents.get(record.incident_id)
    earlier = incident.decisions if incident else ()
    return _change(story, record.incident_id, decisions=(*earlier, Decided(record, now)))


def _started(story: Story, record: RunStarted, now: float) -> Story:
    incident = story.incidents.get(record.incident_id)
    earlier = incident.runs if incident else ()
    return _change(story, record.incident_id, runs=(*earlier, RunTold(record.action_id, record.playbook, now)))


def _progressed(story: Story, record: RunProgressed, _now: float) -> Story:
    incident = story.incidents.get(record.incident_id)
    run = next((each for each in incident.runs if each.action_id == record.action_id), None) if incident else None
    earlier = run.tasks if run else ()
    return _change_run(story, record.incident_id, record.action_id, tasks=(*earlier, record.task))


def _finished(story: Story, record: RunFinished, now: float) -> Story:
    changes = {"ended_time": now, "status": record.status, "reason": record.reason}
    return _change_run(story, record.incident_id, record.action_id, **changes)


def _unknown(story: Story, record: RunUnknown, now: float) -> Story:
    changes = {"ended_time": now, "status": RunStatus.UNKNOWN, "reason": record.reason}
    return _change_run(story, record.incident_id, record.action_id, **changes)


def _verified(story: Story, record: RunVerified, now: float) -> Story:
    changes = {"outcome": record.outcome, "outcome_reason": record.reason, "verified_time": now}
    return _change_run(story, record.incident_id, record.action_id, **changes)


def _human(story: Story, record: HumanNeeded, _now: float) -> Story:
    return _change(story, record.incident_id, human_reason=record.reason)


def _closed(story: Story, record: IncidentClosed, now: float) -> Story:
    return _change(story, record.incident_id, closed_time=now, closed_reason=record.reason)


# One row for each type of record that changes what is told of an incident; the others are told in a line only.
_CHANGES: dict[type[Record], Callable[[Story, Any, float], Story]] = {
    IncidentOpened: _opened,
    DecisionMade: _decided,
    RunStarted: _started,
    RunProgressed: _progressed,
    RunFinished: _finished,
    RunUnknown: _unknown,
    RunVerified: _verified,
    HumanNeeded: _human,
    IncidentClosed: _closed,
}
