"""Each event says which task of its play it is, and how many there are as far as is known."""

from pathlib import Path

import msgspec
import pytest

from tests.playbooks.runs import Stage
from tests.playbooks.warm import WAYS, parent_for

ONE = """\
    - name: {name}
      ansible.builtin.debug:
        msg: "{name}"
"""
PLAIN = "".join(ONE.format(name=f"T{number}") for number in (1, 2, 3))
SKIPPED = PLAIN + ONE.format(name="T4") + "      when: false\n"
# The file has three tasks of its own, in a block and after it.
INCLUDED = (
    ONE.format(name="T1")
    + """\
    - name: T2
      ansible.builtin.include_tasks: more.yml
"""
    + ONE.format(name="T6")
)
MORE = """\
- name: Both
  block:
    - name: T3
      ansible.builtin.debug:
    - name: T4
      ansible.builtin.debug:
- name: T5
  ansible.builtin.debug:
"""
RESCUED = """\
    - name: Try
      block:
        - name: T1
          ansible.builtin.fail:
            msg: "no"
        - name: Never
          ansible.builtin.debug:
      rescue:
        - name: T2
          ansible.builtin.debug:
        - name: T3
          ansible.builtin.debug:
      always:
        - name: T4
          ansible.builtin.debug:
"""
HANDLED = """\
    - name: T1
      ansible.builtin.command: "true"
      changed_when: true
      notify: T2
  handlers:
    - name: T2
      ansible.builtin.debug:
    - name: Unused
      ansible.builtin.debug:
"""
SECOND_PLAY = PLAIN + "- name: More\n  hosts: all\n  gather_facts: true\n  tasks:\n" + ONE.format(name="T2")

STEPS: dict[str, tuple[str, list[tuple[str, int, int]]]] = {
    "tasks one after another": (PLAIN, [("T1", 1, 3), ("T2", 2, 3), ("T3", 3, 3)]),
    "a task is skipped": (SKIPPED, [("T1", 1, 4), ("T2", 2, 4), ("T3", 3, 4), ("T4", 4, 4)]),
    "a file is included": (
        INCLUDED,
        [("T1", 1, 3), ("T2", 2, 3), ("T3", 3, 5), ("T4", 4, 5), ("T5", 5, 6), ("T6", 6, 6)],
    ),
    "a rescue begins": (RESCUED, [("T1", 1, 3), ("T2", 2, 5), ("T3", 3, 5), ("T4", 4, 5)]),
    "a handler is notified": (HANDLED, [("T1", 1, 1), ("T2", 2, 2)]),
    "another play begins": (
        SECOND_PLAY,
        [("T1", 1, 3), ("T2", 2, 3), ("T3", 3, 3), ("Gathering Facts", 1, 2), ("T2", 2, 2)],
    ),
}


@pytest.mark.parametrize("case", STEPS)
def test_steps(case: str, tmp_path: Path) -> None:
    """What is static is known at the play's start; what is included, rescued or notified counts when it begins."""
    tasks, steps = STEPS[case]
    stage = Stage(tmp_path, tmp_path / "playbooks")
    playbook = stage.write_playbook("count.yml", tasks)
    (stage.playbooks / "more.yml").write_text(MORE)
    played = stage.play(stage.request(playbook=playbook))
    found = [(task.task, task.step, task.steps) for task in played.tasks]
    assert steps == found, played.result


def test_steps_of_some_tags(tmp_path: Path) -> None:
    """A run that is restricted to tags knows only the tasks that have them."""
    stage = Stage(tmp_path, tmp_path / "playbooks")
    stage.settings = msgspec.structs.replace(stage.settings, environment={"ANSIBLE_RUN_TAGS": "look"})
    tagged = ONE.format(name="T0") + "      tags: [look]\n"
    played = stage.play(stage.request(playbook=stage.write_playbook("count.yml", tagged + PLAIN + tagged)))
    assert [(1, 2), (2, 2)] == [(task.step, task.steps) for task in played.tasks]


@pytest.mark.parametrize("way", WAYS)
def test_steps_of_a_role(way: str, tmp_path: Path) -> None:
    """Tasks of an imported role are known from the start, with a warm parent too."""
    stage = Stage(tmp_path, tmp_path / "playbooks")
    role = "    - name: Take the marker\n      ansible.builtin.import_role:\n        name: marker\n"
    with parent_for(way, stage.settings) as stage.parent:
        played = stage.play(stage.request(playbook=stage.write_playbook("role.yml", role + PLAIN)))
    steps = [task.step for task in played.tasks]
    assert list(range(1, len(steps) + 1)) == steps
    assert {len(steps)} == {task.steps for task in played.tasks}
    assert len(steps) > 3


def test_steps_of_an_included_role(tmp_path: Path) -> None:
    """Tasks of an included role become known when it begins."""
    stage = Stage(tmp_path, tmp_path / "playbooks")
    role = "    - name: Take the marker\n      ansible.builtin.include_role:\n        name: marker\n"
    played = stage.play(stage.request(playbook=stage.write_playbook("role.yml", role + PLAIN)))
    known = [task.steps for task in played.tasks]
    assert list(range(1, len(known) + 1)) == [task.step for task in played.tasks]
    assert 4 == known[0] < known[-1] == len(known)
    assert sorted(known) == known
