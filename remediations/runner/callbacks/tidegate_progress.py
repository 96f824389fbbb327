"""Counts the tasks of a play: how many have begun, how many there are as far as is known.

Loaded by Ansible in its own process, where the play's tasks are. It adds both numbers to the events that ansible-runner
makes from then on. A play may have more tasks than are known at its start: those of an included file count from when
the first of them begins, those of a rescue section when it is entered, facts and handlers when they run.
"""

import sys
from collections.abc import Iterable, Iterator

from ansible import constants
from ansible.playbook.block import Block
from ansible.playbook.play import Play
from ansible.playbook.task import Task
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
    name: tidegate_progress
    type: aggregate
    short_description: Adds the numbers of begun and known tasks to ansible-runner's events
    description:
      - Adds C(tidegate_step) and C(tidegate_steps) to the data of ansible-runner's events.
"""
RUNNER_PLUGIN = "ansible.plugins.callback.awx_display"


class CallbackModule(CallbackBase):  # type: ignore[misc] # Ansible has no types
    """Begun and known tasks of the play at hand."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "tidegate_progress"

    def __init__(self) -> None:
        super().__init__()
        self._begun = 0
        self._known: set[str] = set()

    def v2_playbook_on_play_start(self, play: Play) -> None:
        """Count what the play has without includes."""
        self._begun = 0
        blocks = play.compile()
        if play.only_tags != {"all"} or play.skip_tags:
            variables = play.get_variable_manager().get_vars(play=play)
            blocks = [block.filter_tagged_tasks(variables) for block in blocks]
        self._known = set(tasks_of(blocks))
        self._tell()

    def v2_playbook_on_task_start(self, task: Task, is_conditional: object) -> None:  # noqa: ARG002 - Ansible's own name
        """One more has begun; it may be the first of several that were not known."""
        if not is_meta(task):
            self._take(task, section_of(task))

    def v2_playbook_on_handler_task_start(self, task: Task) -> None:
        """A handler was notified."""
        self._take(task, [task])

    def _take(self, task: Task, section: Iterable[Block | Task]) -> None:
        self._begun += 1
        if task._uuid not in self._known:  # noqa: SLF001 - it has no other identity
            self._known |= {task._uuid, *tasks_of(section)}  # noqa: SLF001 - as above
        self._tell()

    def _tell(self) -> None:
        plugin = sys.modules.get(RUNNER_PLUGIN)
        if plugin is not None:
            steps = max(self._begun, len(self._known))
            plugin.event_context.add_global(tidegate_step=self._begun, tidegate_steps=steps)


def tasks_of(section: Iterable[Block | Task]) -> Iterator[str]:
    """Identities of the tasks in it that run unless something fails."""
    for part in section:
        if isinstance(part, Block):
            yield from tasks_of([*part.block, *part.always])
        elif not is_meta(part):
            yield part._uuid  # noqa: SLF001 - it has no other identity


def section_of(task: Task) -> list[Block | Task]:
    """What begins with a task that was not known: the innermost rescue section around it, else its part of an include.

    A task of neither, such as the one that gathers facts, begins alone.
    """
    inner, outer = task, task._parent  # noqa: SLF001 - there is no other way up
    while isinstance(outer, Block):
        if inner._uuid in {part._uuid for part in outer.rescue}:  # noqa: SLF001 - as above
            return list(outer.rescue)
        inner, outer = outer, outer._parent  # noqa: SLF001 - as above
    return [inner if outer else task]


def is_meta(task: Task) -> bool:
    """Whether it is one of Ansible's own, such as the end of a role."""
    return task.action in constants._ACTION_META  # noqa: SLF001 - what Ansible's own strategies ask
