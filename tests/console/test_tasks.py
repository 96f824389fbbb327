"""Of the tasks of a run those are told that do or find out something, and whatever failed."""

import msgspec
import pytest

from console.tasks import is_worth_telling
from remediations.runs import TaskEvent, TaskOutcome

TASK = TaskEvent(1, "Clear", "Empty it", "ansible.builtin.file", "web-9", TaskOutcome.CHANGED, 0.1)
CASES: dict[str, tuple[dict[str, object], bool]] = {
    "it changed something": ({}, True),
    "it looked": ({"action": "ansible.builtin.find", "outcome": TaskOutcome.OK}, True),
    "a module of a collection": ({"action": "community.general.haproxy"}, True),
    "it was skipped": ({"outcome": TaskOutcome.SKIPPED}, False),
    "a check that passed": ({"action": "ansible.builtin.assert", "outcome": TaskOutcome.OK}, False),
    "a check that failed": ({"action": "ansible.builtin.assert", "outcome": TaskOutcome.FAILED}, True),
    "arguments": ({"action": "ansible.builtin.validate_argument_spec", "outcome": TaskOutcome.OK}, False),
    "an include by its short name": ({"action": "include_tasks", "outcome": TaskOutcome.OK}, False),
    "the target was gone": ({"outcome": TaskOutcome.UNREACHABLE}, True),
    "our own book-keeping": ({"task": "Write the outcome into the marker"}, False),
}


@pytest.mark.parametrize("case", CASES)
def test_worth_telling(case: str) -> None:
    """What happened on a host is told; what Ansible did between is not, unless it failed."""
    change, wanted = CASES[case]
    assert is_worth_telling(msgspec.structs.replace(TASK, **change)) is wanted
