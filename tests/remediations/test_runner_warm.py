"""Runs forked from a warm parent are like runs in new processes: nothing of one run is in another."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import psutil
import pytest

from remediations import runner
from remediations.runs import RunRequest, RunStatus, Target
from tests.playbooks.runs import LOCAL, Stage
from tests.playbooks.warm import wait_ready

# What a play can see of its surroundings; SigQ counts the signals of all processes of its user.
LOOK = """\
    - name: Look around
      ansible.builtin.set_stats:
        data:
          variables: "{{ hostvars }}"
          names: "{{ query('ansible.builtin.varnames', '.*') | sort }}"
          environment: "{{ query('ansible.builtin.pipe', 'env | sort') }}"
          descriptors: "{{ query('ansible.builtin.pipe', 'readlink /proc/$PPID/fd/* | sort') }}"
          status: "{{ query('ansible.builtin.pipe', 'grep Sig[^Q] /proc/self/status; ulimit -a; umask; pwd') }}"
          settings: "{{ query('ansible.builtin.pipe', 'ansible-config dump --only-changed') }}"
          temporary: "{{ lookup('ansible.builtin.config', 'DEFAULT_LOCAL_TMP') }}"
          secrets: "{{ query('ansible.builtin.env', 'KAFKA_PASSWORD') }}"
"""
# What differs from run to run: temporary folders, run folders, numbers of pipes, sockets and deleted files.
OWN = re.compile(r"/tidegate-\w+|/look-\d+|/ansible-local-\w+|:\[\d+\]|/#\d+|/proc/\d+")


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """Playbooks of a test's own, run by forks of a warm parent."""
    stage = Stage(tmp_path, tmp_path / "playbooks")
    with runner.WarmParent(stage.settings) as stage.parent:
        wait_ready(stage.parent)
        yield stage


def seen(stage: Stage, request: RunRequest) -> dict[str, str]:
    """What a run saw, with what is its own left out."""
    played = stage.play(request)
    assert RunStatus.SUCCESSFUL is played.result.status, played
    found = {key: OWN.sub("", str(value)) for key, value in played.result.result.items()}
    return found | {"descriptors": str(sorted(set(found["descriptors"].split("\\n"))))}


def test_a_fork_sees_what_a_new_process_sees(stage: Stage) -> None:
    """Variables, environment, descriptors, signals, limits, configuration: as in a new process, none more or less."""
    look = stage.write_playbook("look.yml", LOOK)
    forked = seen(stage, stage.request(1, look, inputs={"given": "text"}))
    stage.parent = None
    anew = seen(stage, stage.request(1, look, inputs={"given": "text"}))
    assert anew == forked
    assert "ANSIBLE_GATHERING=explicit" in forked["environment"]


def test_nothing_of_one_run_reaches_another(stage: Stage) -> None:
    """While and after a run with secrets, others see none of its values, hosts, files, arguments or descriptors."""
    look = stage.write_playbook("look.yml", LOOK)
    plain = stage.request(2, look, inputs={})
    variables = LOCAL | {"password": "canary-4713", "ansible_ssh_extra_args": "canary-4714"}
    inputs = {"token": "canary-4711", "text": "{{ 6 * 7 }} canary-4712"}
    secret = msgspec.structs.replace(stage.request(1, look, inputs=inputs), targets=(Target("canary-1", variables),))
    with ThreadPoolExecutor(2) as pool:
        first, beside = pool.map(stage.play, (secret, plain))
    after = stage.play(plain)
    assert [RunStatus.SUCCESSFUL] * 3 == [played.result.status for played in (first, beside, after)]
    assert {f"canary-471{number}" for number in (1, 2, 3, 4)} <= set(re.findall(r"canary-\d{4}", str(first)))
    for other in (beside, after):
        assert "canary" not in str(other)
        assert secret.action_id not in str(other)


def test_parent_gone(stage: Stage) -> None:
    """A parent that was killed is asked in vain, at once; its runs go on to their end."""
    assert stage.parent is not None
    wait = stage.write_playbook("wait.yml", "    - name: Wait\n      ansible.builtin.command: sleep 1\n")
    with stage.started(stage.request(1, wait)) as process, ThreadPoolExecutor(1) as pool:
        reading = pool.submit(process.stdout.readlines) if process.stdout else None
        parent = psutil.Process(stage.parent.pid)
        parent.kill()
        parent.wait()
        prepared = runner.prepare(stage.request(2, wait), stage.settings)
        with Path(prepared.cwd, "process.log").open("wb") as log:
            assert stage.parent.launch(prepared, log.fileno()) is None
        assert reading is not None
        said = runner.decode_line(reading.result()[-1])
    assert "successful" in str(said)


def test_request_nobody_waits_for(stage: Stage) -> None:
    """A request that was given up before it was confirmed never begins, even if it is heard later."""
    assert stage.parent is not None
    touch = stage.write_playbook("touch.yml", f"    - name: T\n      ansible.builtin.command: touch {stage.folder}/x\n")
    prepared = runner.prepare(stage.request(1, touch), stage.settings)
    parent = psutil.Process(stage.parent.pid)
    parent.suspend()
    with Path(prepared.cwd, "process.log").open("wb") as log:
        launch = stage.parent.launch(prepared, log.fileno())
    assert launch is not None
    launch.close()
    parent.resume()
    assert stage.play(stage.request(2, touch)).result.status is RunStatus.SUCCESSFUL
    assert not Path(prepared.cwd, "result.json").exists()
    assert b"" == Path(prepared.cwd, "process.log").read_bytes()


@pytest.mark.parametrize("is_killed", [False, True])
def test_parent_ends_with_its_engine(tmp_path: Path, is_killed: bool) -> None:  # noqa: FBT001 - a parameter
    """When the engine's end of its socket is closed, the parent ends; it leaves no file, even if it was killed."""
    stage = Stage(tmp_path)
    stage.settings = msgspec.structs.replace(stage.settings, environment={"TMPDIR": str(tmp_path)})
    before = set(tmp_path.iterdir())
    with runner.WarmParent(stage.settings) as parent:
        process = psutil.Process(wait_ready(parent).pid)
        if is_killed:
            process.kill()
    assert not process.is_running()
    assert {tmp_path / "runs"} == set(tmp_path.iterdir()) - before


def test_changed_configuration_is_not_forked(stage: Stage) -> None:
    """A setting that Ansible was not imported with is honoured: the fork becomes a new program."""
    look = stage.write_playbook("look.yml", LOOK)
    (stage.playbooks / "ansible.cfg").write_text("[defaults]\nforks = 3\n")
    found = seen(stage, stage.request(1, look))
    assert "DEFAULT_FORKS" in found["settings"]
