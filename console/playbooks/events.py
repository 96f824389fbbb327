"""What the events of a run say that its result does not: texts of failures, and diffs. They stand in its artifacts."""

import difflib
from collections.abc import Iterator
from pathlib import Path

import msgspec

TEXT_CHARACTERS = 4000


class Diff(msgspec.Struct, frozen=True):
    """What one task would change on one host."""

    host: str
    task: str
    text: str


class Change(msgspec.Struct, frozen=True):
    """A change as Ansible tells it: both sides, or a text."""

    before: object = ""
    after: object = ""
    prepared: str = ""


class Outcome(msgspec.Struct, frozen=True):
    """The part of a task's result that matters here."""

    msg: object = ""
    diff: Change | list[Change] | None = None


class EventData(msgspec.Struct, frozen=True):
    """What an event is about."""

    host: str = ""
    task: str = ""
    ignore_errors: bool | None = None
    res: Outcome = Outcome()


class Event(msgspec.Struct, frozen=True):
    """One event of ansible-runner."""

    event: str
    counter: int = 0
    event_data: EventData = EventData()


def read_events(folder: Path) -> tuple[Event, ...]:
    """Read the events of a run in their order; those without a result, or with a hidden one, are left out."""
    events: list[Event] = []
    for file in folder.glob("*.json"):
        try:
            events.append(msgspec.json.decode(file.read_bytes(), type=Event))
        except msgspec.ValidationError:
            continue
    return tuple(sorted(events, key=lambda each: each.counter))


def failures(events: tuple[Event, ...]) -> Iterator[str]:
    """Give each failure that was not ignored, in words."""
    for event in events:
        about = event.event_data
        if event.event == "runner_on_failed" and not about.ignore_errors:
            yield f"{about.task} on {about.host}: {_text(about.res.msg)}"[:TEXT_CHARACTERS]


def diffs(events: tuple[Event, ...]) -> Iterator[Diff]:
    """Give what tasks would change, in the form of a unified diff."""
    for event in events:
        about = event.event_data
        found = about.res.diff if event.event == "runner_on_ok" else None
        for change in found if isinstance(found, list) else [found] if found else []:
            sides = _text(change.before).splitlines(), _text(change.after).splitlines()
            text = change.prepared or "\n".join(difflib.unified_diff(*sides, "before", "after", lineterm=""))
            if text:
                yield Diff(about.host, about.task, text[:TEXT_CHARACTERS])


def _text(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.format(msgspec.json.encode(value)).decode()
