"""A target reached by ssh: what is left of a run that was ended, here and there, and nothing is shared between runs."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec
import psutil
import pytest

from remediations.runs import MarkerState, RunStatus
from tests.playbooks.hanging import Hanging, hanging_run, read_to_result, wait_until
from tests.playbooks.runs import PLAYBOOKS, Stage
from tests.playbooks.sshd import Sshd
from tests.playbooks.warm import parent_for

# Goes on over there when nobody listens any more; ends when it is told so.
GOES_ON = """\
    - name: Take the marker
      ansible.builtin.import_role:
        name: marker
    - name: Go on
      ansible.builtin.command:
        argv: [sh, -c, 'trap "" HUP; touch begun; until test -e enough; do sleep 0.05; done; touch late']
        chdir: "{there}"
    - name: Have an effect
      ansible.builtin.command:
        argv: [touch, "{effect}"]
"""
CONNECTION = """\
    - name: Look at the connection
      ansible.builtin.shell: echo $SSH_CONNECTION
      changed_when: false
      register: looked
    - name: Tell
      ansible.builtin.set_stats:
        data:
          connection: "{{ looked.stdout }}"
          folder: "{{ lookup('ansible.builtin.env', 'ANSIBLE_SSH_CONTROL_PATH_DIR') }}"
"""


def change_key(stage: Stage, sshd: Sshd) -> None:
    """Use the key that is let in."""
    stage.settings = msgspec.structs.replace(stage.settings, private_key_file=str(sshd.key))


@pytest.fixture
def run(tmp_path: Path, sshd: Sshd) -> Iterator[Hanging]:
    """A run on the target."""
    with hanging_run(tmp_path, "new") as run:
        change_key(run.stage, sshd)
        run.stage.variables = sshd.variables
        yield run


def test_cancelled_on_the_way(run: Hanging, tmp_path_factory: pytest.TempPathFactory) -> None:
    """When a cancel is reported nothing of the run is alive here; that something may go on there, the marker tells."""
    there = tmp_path_factory.mktemp("there")
    shutil.copy(PLAYBOOKS / "marker_close.yml", run.stage.playbooks)
    tasks = GOES_ON.format(there=there, effect=run.effect)
    request = run.stage.request(run.action, run.stage.write_playbook("on.yml", tasks))
    with run.stage.started(request) as process:
        wait_until((there / "begun").exists)
        process.terminate()
        result = read_to_result(process)
        assert set(run.alive()) <= {process.pid}  # the run process, which tells it
    assert RunStatus.CANCELED is result.status
    assert run.stage.close(request).state is MarkerState.BEGUN
    (there / "enough").touch()
    wait_until((there / "late").exists)
    assert not run.effect.exists()


def test_runs_share_no_connection(sshd: Sshd, tmp_path: Path) -> None:
    """Each run has a connection of its own, which is gone when the run has ended."""
    stage = Stage(tmp_path, tmp_path / "playbooks")
    change_key(stage, sshd)
    playbook = stage.write_playbook("look.yml", CONNECTION)
    with parent_for("warm", stage.settings) as stage.parent:
        seen = []
        for _ in range(2):
            played = stage.play(stage.request(playbook=playbook, variables=sshd.variables))
            assert played.result.status is RunStatus.SUCCESSFUL, played.result
            seen.append(played.result.result)
            masters = [one for one in psutil.process_iter(["cmdline"]) if is_of(str(seen[-1]["folder"]), one)]
            assert [] == masters
    assert 2 == len({str(one["connection"]) for one in seen}) == len({str(one["folder"]) for one in seen})


def is_of(folder: str, process: psutil.Process) -> bool:
    """Whether a process names something in this folder."""
    return any(folder in word for word in process.info["cmdline"] or ())
