"""Which tasks of a run a person cares about: those that do or find out something on a host, and whatever failed."""

from remediations.runner.events import CONTROLLER_ACTIONS
from remediations.runs import TaskEvent, TaskOutcome

TROUBLE = frozenset({TaskOutcome.FAILED, TaskOutcome.UNREACHABLE})
BOOKKEEPING = frozenset({"Write the outcome into the marker"})
"""Tasks of our own roles that say nothing which the end of the run does not say."""


def is_worth_telling(task: TaskEvent) -> bool:
    """Whether it is more than one of the small steps between the others: checks, notes, includes, what was skipped."""
    if task.outcome in TROUBLE:
        return True
    is_small = task.action in CONTROLLER_ACTIONS or f"ansible.builtin.{task.action}" in CONTROLLER_ACTIONS
    return task.outcome is not TaskOutcome.SKIPPED and not is_small and task.task not in BOOKKEEPING
