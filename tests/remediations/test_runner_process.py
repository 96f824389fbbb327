"""Runs end when they should, with everything they started; seen in the process table and on the target."""

import fcntl
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import msgspec
import psutil
import pytest

from remediations import runner
from remediations.runs import RunRequest, RunStatus
from tests.playbooks.hanging import CONTAINED, Hanging, hanging_run, read_to_result, wait_until
from tests.playbooks.runs import Stage, processes_with, read
from tests.playbooks.warm import parent_for

DEADLINES = (5.0, 20.0, 50.0)
"""Seconds, one after the other, until one is long enough for the run to have begun on a busy machine."""
OUTPUT = """\
    - name: Say a lot
      ansible.builtin.debug:
        msg: "{{ 'x' * 3000 }}"
"""
# A process that is never there long enough to be found, let alone killed, by its id; it notes each of them.
HOPPING = """\
    - name: Change the id all the time
      ansible.builtin.command:
        argv: ["{program}", -c, "{words}", "{hops}"]
    - name: Hang
      ansible.builtin.command: sleep 600.{token}
"""
HOP = (
    r"import os, sys, time\nwhile not os.fork():\n  os.setsid(); time.sleep(0.02)\n"
    r"  open(sys.argv[1], 'a').write(f'{os.getpid()} ')\n  if os.fork(): os._exit(0)"
)
# Engines that start a run, and are killed.
ENGINES = {
    "new": """\
import subprocess, sys, time, msgspec
from remediations.runner import PreparedRun
prepared = msgspec.json.decode(sys.argv[2], type=PreparedRun)
pipe = subprocess.PIPE
process = subprocess.Popen(prepared.argv, env=prepared.environment, cwd=prepared.cwd, stdin=pipe, stdout=pipe)
time.sleep(600)
""",
    "warm": """\
import sys, time, msgspec
from remediations.runner import PreparedRun, RunnerSettings, WarmParent
from tests.playbooks.warm import start, wait_ready
parent = wait_ready(WarmParent(msgspec.json.decode(sys.argv[1], type=RunnerSettings)))
process = start(parent, msgspec.json.decode(sys.argv[2], type=PreparedRun))
time.sleep(600)
""",
}


@pytest.fixture(params=CONTAINED, ids=str)
def hanging(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Hanging]:
    """A run that hangs, in the ways that runs are contained."""
    way, inside = request.param
    with hanging_run(tmp_path, way, pid_namespace=inside) as run:
        yield run


def test_deadline_ends_everything(hanging: Hanging) -> None:
    """When a time-out is reported, nothing of the run is alive any more and its later tasks never happen."""
    for seconds in DEADLINES:
        with hanging.stage.started(hanging.request(timeout_seconds=seconds)) as process:
            result = read_to_result(process)
            assert processes_with(hanging.token) == []
        assert RunStatus.TIMEOUT is result.status
        assert f"not finished after {seconds:g} s" in result.reason
        if hanging.begun.exists():
            break
    assert hanging.begun.exists()
    assert not hanging.effect.exists()


def test_cancel_ends_everything(hanging: Hanging) -> None:
    """SIGTERM cancels, also if stdin is closed with it: the report comes after the last process is gone."""
    with hanging.stage.started(hanging.request()) as process:
        wait_until(hanging.hangs)
        assert process.stdin is not None
        process.terminate()
        process.stdin.close()
        played = read(process)
        assert processes_with(hanging.token) == []
    assert (played.result.status, played.result.rc) == (RunStatus.CANCELED, None)
    assert hanging.alive() == []
    assert not hanging.effect.exists()


def test_engine_killed(hanging: Hanging) -> None:
    """An engine killed by SIGKILL takes its runs with it; the record says unknown."""
    request = hanging.request()
    prepared = runner.prepare(request, hanging.stage.settings)
    arguments = [msgspec.json.encode(value) for value in (hanging.stage.settings, prepared)]
    engine = subprocess.Popen([sys.executable, "-c", ENGINES[hanging.kind], *arguments])
    wait_until(hanging.hangs)
    engine.kill()
    engine.wait()
    wait_until(lambda: not hanging.alive())
    (result,) = runner.recorded_results(request, hanging.stage.settings)
    assert RunStatus.UNKNOWN is result.status
    assert not hanging.effect.exists()


def test_run_process_killed(hanging: Hanging) -> None:
    """SIGKILL of the run process itself ends everything too, and leaves no record that could be mistaken."""
    request = hanging.request()
    with hanging.stage.started(request) as process:
        wait_until(hanging.hangs)
        process.kill()
        wait_until(lambda: not hanging.alive())
    assert runner.recorded_results(request, hanging.stage.settings) == ()
    assert not hanging.effect.exists()


def test_player_killed(hanging: Hanging) -> None:
    """If ansible-runner's process is killed, the rest is ended and the outcome is unknown."""
    with hanging.stage.started(hanging.request()) as process:
        wait_until(hanging.hangs)
        keeper = psutil.Process(process.pid)
        player = next(child for child in keeper.children() if child.cmdline() == keeper.cmdline())
        player.send_signal(signal.SIGKILL)
        played = read(process)
        assert processes_with(hanging.token) == []
    assert RunStatus.UNKNOWN is played.result.status


def test_process_that_changes_its_id(hanging: Hanging) -> None:
    """What is in no list of processes, being another one each time, ends with the others."""
    stage, hops = hanging.stage, hanging.stage.folder / "hops"
    tasks = HOPPING.format(program=sys.executable, words=HOP, hops=hops, token=hanging.token)
    request = stage.request(hanging.action, stage.write_playbook("hop.yml", tasks))
    with stage.started(request) as process:
        wait_until(lambda: hops.exists() and len(hops.read_text().split()) > 50)
        process.terminate()
        assert RunStatus.CANCELED is read(process).result.status
        count = len(hops.read_text().split())
        time.sleep(0.3)
        assert count == len(hops.read_text().split())


def has_recorded(number: int, request: RunRequest, stage: Stage) -> bool:
    """Whether so many runs of a request have written down their end."""
    return len(runner.recorded_results(request, stage.settings)) == number


def test_stopped_engine_can_not_hold_up_the_deadline(tmp_path: Path) -> None:
    """With nobody reading the lines the deadline still ends the run; afterwards all lines can be read."""
    token = str(uuid.uuid4().int)[:12]
    stage = Stage(tmp_path, tmp_path / "playbooks")
    said = "".join(f"    - name: {'x' * 190} {number}\n      ansible.builtin.debug:\n" for number in range(20))
    hang = f"    - name: Hang\n      ansible.builtin.command: sleep 600.{token}\n"
    playbook = stage.write_playbook("talk.yml", said + hang)
    with parent_for("warm", stage.settings) as stage.parent:
        for number, seconds in enumerate(DEADLINES, start=1):
            request = stage.request(playbook=playbook, timeout_seconds=seconds)
            with stage.started(request) as process:
                assert process.stdout is not None
                fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, 4096)
                wait_until(partial(has_recorded, number, request, stage))
                assert [] == processes_with(token)
                played = read(process)
            assert RunStatus.TIMEOUT is played.result.status
            if len(played.tasks) == 20:
                return
    pytest.fail(f"not all lines in {DEADLINES[-1]} s")


def test_environment_is_built(tmp_path: Path) -> None:
    """A secret of the engine's environment is seen by no task and lands in no artifact, even if it was passed on."""
    stage = Stage(tmp_path, tmp_path / "playbooks")
    tasks = """\
    - name: Show the environment
      ansible.builtin.command: env
      register: shown
    - name: Give it back
      ansible.builtin.set_stats:
        data:
          lines: "{{ shown.stdout_lines }}"
"""
    played = stage.play(
        stage.request(playbook=stage.write_playbook("show.yml", tasks)), {"KAFKA_PASSWORD": "canary-7731"}
    )
    assert RunStatus.SUCCESSFUL is played.result.status, played.result
    lines = played.result.result["lines"]
    assert isinstance(lines, list)
    assert "ANSIBLE_HOST_KEY_CHECKING=True" in lines
    assert [line for line in lines if "canary" in line] == []
    files = [path for path in (tmp_path / "runs").rglob("*") if path.is_file()]
    assert [path for path in files if b"canary" in path.read_bytes()] == []
    assert {"artifacts", "stdout", "result.json"} <= {path.name for path in (tmp_path / "runs").rglob("*")}


def test_secrets_leave_no_trace(tmp_path: Path) -> None:
    """Results of `no_log` tasks are in no artifact and no line; files of variables are gone after the run."""
    stage = Stage(tmp_path, tmp_path / "playbooks")
    tasks = """\
    - name: Use a secret
      ansible.builtin.command:
        argv: [/bin/sh, -c, "echo used", "{{ token }}", "{{ password_of_host }}"]
      no_log: true
"""
    request = stage.request(
        playbook=stage.write_playbook("use.yml", tasks),
        inputs={"token": "s3cret-input"},
        variables={"password_of_host": "s3cret-variable"},
    )
    played = stage.play(request)
    assert RunStatus.SUCCESSFUL is played.result.status, played.result
    files = [path for path in (tmp_path / "runs").rglob("*") if path.is_file()]
    assert [path for path in files if b"s3cret" in path.read_bytes()] == []
    assert "s3cret" not in str(played)


def test_output_is_bounded(tmp_path: Path) -> None:
    """Output and events beyond their limits are left out; the run goes on and its result is whole."""
    stage = Stage(tmp_path, tmp_path / "playbooks")
    stage.limit(output_bytes_maximum=5_000, events_maximum=10)
    played = stage.play(stage.request(playbook=stage.write_playbook("talk.yml", OUTPUT * 10)))
    assert RunStatus.SUCCESSFUL is played.result.status, played.result
    assert played.result.hosts["web-1"].ok == 10
    assert len(played.tasks) < 10
    (stdout,) = (tmp_path / "runs").rglob("stdout")
    assert 5_000 < stdout.stat().st_size < 5_100
    assert len(list((tmp_path / "runs").rglob("job_events/*.json"))) < 10


BROKEN = {
    "syntax": ("    - name: [\n", "YAML parsing failed"),
    "unknown module": ("    - name: No such module\n      no_such_module:\n", "no_such_module"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_playbook(case: str, tmp_path: Path) -> None:
    """A playbook that Ansible can not load has failed, and provably done nothing."""
    tasks, reason = BROKEN[case]
    stage = Stage(tmp_path, tmp_path / "playbooks")
    played = stage.play(stage.request(playbook=stage.write_playbook("broken.yml", tasks)))
    assert (played.result.status, reason in played.result.reason) == (RunStatus.FAILED, True), played.result
    assert "before any task" in played.result.reason
