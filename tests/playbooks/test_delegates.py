"""Delegates: hosts that a run acts through, in a group of their own and never targets."""

import msgspec
import pytest

from remediations import runner
from remediations.runs import HostCounts, RunRequest, RunStatus, Target
from tests.playbooks.runs import LOCAL, Stage

PLAY = """\
- name: Test
  hosts: targets
  gather_facts: false
  tasks:
    - name: Act through the balancer
      ansible.builtin.command:
        argv: [printf, "%s", "{{ hostvars[balancer].where }}"]
      delegate_to: "{{ balancer }}"
      changed_when: false
      register: told
    - name: Report
      ansible.builtin.set_stats:
        data: {told: "{{ told.stdout }}", groups: "{{ groups }}"}
"""


@pytest.fixture
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """A playbook folder with a play on `targets` that acts through the host that `balancer` names."""
    folder = tmp_path_factory.mktemp("stage")
    stage = Stage(folder, folder / "playbooks")
    stage.playbooks.mkdir()
    (stage.playbooks / "through.yml").write_text(PLAY)
    return stage


def through(stage: Stage, **changes: object) -> RunRequest:
    """A request for web-1 that acts through lb-1."""
    request = stage.request(playbook="through.yml", variables={"balancer": "lb-1"}, inputs={})
    delegates = (Target("lb-1", LOCAL | {"where": "rack 7"}),)
    return msgspec.structs.replace(request, **({"delegates": delegates} | changes))


def test_a_run_acts_through_its_delegates_and_on_its_targets(stage: Stage) -> None:
    """The play runs on the targets alone; a delegate can be reached with its own variables, and counts nowhere."""
    result = stage.play(through(stage)).result

    assert (RunStatus.SUCCESSFUL, {"web-1": HostCounts(ok=2)}) == (result.status, result.hosts), result.reason
    assert result.result == {
        "told": "rack 7",
        "groups": {"all": ["lb-1", "web-1"], "ungrouped": [], "targets": ["web-1"], "delegates": ["lb-1"]},
    }


def test_without_delegates_all_hosts_are_targets(stage: Stage) -> None:
    """A play may say `hosts: all` or `hosts: targets`: it is the same."""
    (stage.playbooks / "alone.yml").write_text(PLAY.replace("targets", "all").replace("balancer", "inventory_hostname"))
    request = stage.request(playbook="alone.yml", variables={"where": "here"}, inputs={})
    result = stage.play(request).result

    assert (RunStatus.SUCCESSFUL, "here") == (result.status, result.result.get("told")), result.reason


@pytest.mark.parametrize(
    ("delegates", "field"),
    [
        pytest.param((Target("lb-*"),), "delegates", id="a pattern"),
        pytest.param((Target("lb-1"), Target("lb-1")), "delegates", id="twice"),
        pytest.param((Target("delegates"),), "delegates", id="a group"),
        pytest.param(
            (Target("lb-1", {"ansible_host": "-oProxyCommand=x"}),), "delegates.lb-1.ansible_host", id="option"
        ),
    ],
)
def test_delegates_are_checked_like_targets(stage: Stage, delegates: tuple[Target, ...], field: str) -> None:
    """What is no exact host is refused before anything is written."""
    with pytest.raises(runner.RunRefusedError, match=rf"^{field}"):
        runner.prepare(through(stage, delegates=delegates), stage.settings)
