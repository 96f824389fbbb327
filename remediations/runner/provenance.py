"""Events are Ansible's own words only if Ansible wrote them down itself.

ansible-runner finds events in the terminal output of ansible-playbook, by marks of control characters with an id; the
event itself is in a file of that name, in the run's private folder. Text of a target gets into the same output (a
module's warnings do, as they are), and may bring marks of its own, with events in them. Those have no file.
"""

import re
import uuid
from collections.abc import Callable
from pathlib import Path

type Event = dict[str, object]

EVENT_ID = re.compile(r"[0-9a-f-]{36}")
END: Event = {"event": "EOF"}
TEXT = "verbose"
OF_TEXT = ("counter", "stdout", "start_line", "end_line")


def of_ansible_alone(handle: Callable[[Event], None], events: Path) -> Callable[[Event], None]:
    """Handle events that are in this folder as before, and all others as text of the output."""

    def take(event: Event) -> None:
        """Handle one event."""
        handle(event if event == END or is_genuine(event, events) else text_of(event))

    return take


def is_genuine(event: Event, events: Path) -> bool:
    """Whether it is text as ansible-runner tells it, or Ansible has written this event into the folder."""
    name = event.get("uuid")
    if not isinstance(name, str) or not EVENT_ID.fullmatch(name):
        return False
    return event.get("event") == TEXT or (events / f"{name}-partial.json").is_file()


def text_of(event: Event) -> Event:
    """The event as output that belongs to none."""
    kept = {key: event[key] for key in OF_TEXT if key in event}
    return {"event": TEXT, "uuid": str(uuid.uuid4())} | kept
