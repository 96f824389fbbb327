"""Runs that end strangely, in a real ansible-playbook: return code 0 is not success, and nothing is made up."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from remediations.runs import RunRequest, RunStatus, Target
from tests.playbooks.runs import LOCAL, Stage
from tests.playbooks.warm import WAYS, parent_for

PLAY = "- name: Test\n  hosts: {hosts}\n  gather_facts: false\n  tasks:\n"
TOUCH = """\
    - name: Have an effect
      ansible.builtin.command:
        argv: [touch, "{effect}"]
"""
# A condition of a `meta` task is evaluated by ansible-playbook itself, that of others by a worker.
KILL = """\
    - name: End ansible-playbook
      ansible.builtin.meta: end_play
      when: lookup('ansible.builtin.pipe', 'kill -{signal} $PPID; sleep 5') == ''
"""
KILL_WORKER = """\
    - name: End a worker
      ansible.builtin.debug:
        msg: "{{ lookup('ansible.builtin.pipe', 'kill -9 $PPID') }}"
"""
KILLED = KILL.format(signal=9)

ENDINGS: dict[str, tuple[str, RunStatus, str, bool]] = {
    "no host has the play": (PLAY.format(hosts="nobody") + TOUCH, RunStatus.FAILED, "it ran on no host", False),
    "its group is empty": (PLAY.format(hosts="delegates") + TOUCH, RunStatus.FAILED, "it ran on no host", False),
    "there is no play": ("[]\n", RunStatus.FAILED, "before any task", False),
    "one host only": (PLAY.format(hosts="web-1") + TOUCH, RunStatus.FAILED, "it ran on web-1; wanted exactly", True),
    "ended by a task of its own": (
        PLAY.format(hosts="all") + TOUCH + "    - name: Leave\n      ansible.builtin.meta: end_play\n",
        RunStatus.SUCCESSFUL,
        "",
        True,
    ),
    "ansible killed": (PLAY.format(hosts="all") + TOUCH + KILLED, RunStatus.UNKNOWN, "broke off with", True),
    "ansible killed first": (PLAY.format(hosts="all") + KILLED + TOUCH, RunStatus.UNKNOWN, "broke off with", False),
    "ansible asked to end": (
        PLAY.format(hosts="all") + TOUCH + KILL.format(signal=15),
        RunStatus.UNKNOWN,
        "broke off with",
        True,
    ),
    "a worker killed": (PLAY.format(hosts="all") + TOUCH + KILL_WORKER, RunStatus.UNKNOWN, "broke off with", True),
}


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """Playbooks of a test's own."""
    return Stage(tmp_path, tmp_path / "playbooks")


def two_hosts(stage: Stage, playbook: str) -> RunRequest:
    """A request for two hosts, both of them this machine."""
    targets = tuple(Target(name, LOCAL) for name in ("web-1", "web-2"))
    return msgspec.structs.replace(stage.request(playbook=playbook), targets=targets)


@pytest.mark.parametrize("case", ENDINGS)
def test_ending(case: str, stage: Stage) -> None:
    """Success needs a whole run on exactly the hosts that were asked for; what broke off is unknown."""
    text, status, reason, has_effect = ENDINGS[case]
    effect = stage.folder / "effect"
    stage.write_playbook("end.yml", "")
    (stage.playbooks / "end.yml").write_text(text.replace("{effect}", str(effect)))
    result = stage.play(two_hosts(stage, "end.yml")).result
    assert (result.status, effect.exists()) == (status, has_effect), result
    assert reason in result.reason


BYTES = """\
    - name: Have bytes that are no text
      ansible.builtin.debug:
        msg: "{{ 'Yf9i' | b64decode }}"
    - name: Give them back
      ansible.builtin.set_stats:
        data:
          bytes: "{{ 'Yf9i' | b64decode }}"
"""


@pytest.fixture(params=WAYS)
def either(request: pytest.FixtureRequest, stage: Stage) -> Iterator[Stage]:
    """The same, in new processes or by forks of a warm parent."""
    with parent_for(request.param, stage.settings) as stage.parent:
        yield stage


def test_bytes_that_are_no_text(either: Stage) -> None:
    """What a target has in its files ends no run: bytes that are no Unicode come out as question marks."""
    played = either.play(either.request(playbook=either.write_playbook("bytes.yml", BYTES)))
    assert played.result.status is RunStatus.SUCCESSFUL, played.result
    assert {"bytes": "a?b"} == played.result.result
    assert 2 == len(played.tasks)
