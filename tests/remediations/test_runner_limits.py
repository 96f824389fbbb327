"""What a run may use has limits: over one of them it is ended with everything it started, and the reason names it."""

import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from remediations.runs import RunStatus
from tests.playbooks.hanging import CONTAINED, Hanging, hanging_run
from tests.playbooks.runs import Stage, processes_with
from tests.playbooks.warm import parent_for

TASKS = """\
    - name: Use too much
      ansible.builtin.command:
        argv: ["{program}", -c, "{words}", "{token}"]
    - name: Have an effect
      ansible.builtin.command:
        argv: [touch, "{effect}"]
"""
MEMORY = "x = b'x' * 400_000_000; import time; time.sleep(600)"
PROCESSES = "import subprocess; [subprocess.Popen(['sleep', '600.{token}'], start_new_session=True) for _ in range(60)]"
IDLE = "import subprocess; subprocess.Popen(['setsid', 'sleep', '600.{token}']).wait()"
# Memory that five processes share: counted for each of them it would be too much.
SHARED = "x = b'x' * 150_000_000; import os, time; [os.fork() and time.sleep(0.5) for _ in range(2)]; time.sleep(1)"
SLOW = (
    """\
    - name: Take a while
      ansible.builtin.command: sleep 1
"""
    * 5
)

OVER: dict[str, tuple[dict[str, float], str, RunStatus]] = {
    "idle_seconds_maximum": ({"idle_seconds_maximum": 4.0}, IDLE, RunStatus.TIMEOUT),
    "memory_bytes_maximum": ({"memory_bytes_maximum": 350_000_000}, MEMORY, RunStatus.UNKNOWN),
    "processes_maximum": ({"processes_maximum": 40}, PROCESSES, RunStatus.UNKNOWN),
}


@pytest.fixture(params=CONTAINED, ids=str)
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Hanging]:
    """A run, in the ways that runs are contained."""
    way, inside = request.param
    with hanging_run(tmp_path, way, pid_namespace=inside) as run:
        yield run


@pytest.mark.parametrize("limit", OVER)
def test_over_the_limit(limit: str, run: Hanging) -> None:
    """It is ended when it is over, not by its time; nothing of it is left, and what would have come next never does."""
    limits, words, status = OVER[limit]
    run.stage.limit(**limits)
    tasks = TASKS.format(
        program=sys.executable, words=words.format(token=run.token), token=run.token, effect=run.effect
    )
    played = run.stage.play(run.stage.request(run.action, run.stage.write_playbook("much.yml", tasks)))
    assert [] == run.alive()
    assert (played.result.status, played.result.rc) == (status, None)
    assert f"({limit})" in played.result.reason, played.result
    assert not run.effect.exists()


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """Playbooks of a test's own."""
    return Stage(tmp_path, tmp_path / "playbooks")


def test_slow_is_not_idle(stage: Stage) -> None:
    """Each event begins the idle time anew: a run may take longer than that as long as something happens."""
    stage.limit(idle_seconds_maximum=4.5)
    with parent_for("warm", stage.settings) as stage.parent:
        played = stage.play(stage.request(playbook=stage.write_playbook("slow.yml", SLOW)))
    assert played.result.status is RunStatus.SUCCESSFUL, played.result
    assert sum(task.duration_seconds for task in played.tasks) > 4.5


def test_shared_memory_counts_once(stage: Stage) -> None:
    """What the processes of a run share is not counted for each of them."""
    token = uuid.uuid4().hex
    stage.limit(memory_bytes_maximum=450_000_000)
    tasks = msgspec.yaml.encode(
        [{"name": "Share", "ansible.builtin.command": {"argv": [sys.executable, "-c", SHARED, token]}}]
    ).decode()
    indented = "".join(f"    {line}\n" for line in tasks.splitlines())
    played = stage.play(stage.request(playbook=stage.write_playbook("share.yml", indented)))
    assert played.result.status is RunStatus.SUCCESSFUL, played.result
    assert [] == processes_with(token)


def test_memory_of_the_machine_runs_out(stage: Stage) -> None:
    """Runs go before the engine and whatever else the kernel could end then."""
    tasks = """\
    - name: Look
      ansible.builtin.set_stats:
        data:
          score: "{{ lookup('ansible.builtin.pipe', 'cat /proc/self/oom_score_adj') | int }}"
"""
    played = stage.play(stage.request(playbook=stage.write_playbook("look.yml", tasks)))
    assert {"score": 500} == played.result.result


def test_files_of_events_are_bounded(stage: Stage) -> None:
    """Events beyond the limit of their bytes leave no file; the run goes on to its end."""
    stage.limit(event_bytes_maximum=20_000)
    talk = "    - name: Say a lot\n      ansible.builtin.debug:\n        msg: \"{{ 'x' * 3000 }}\"\n" * 10
    played = stage.play(stage.request(playbook=stage.write_playbook("talk.yml", talk)))
    assert played.result.status is RunStatus.SUCCESSFUL, played.result
    assert played.result.hosts["web-1"].ok == 10
    files = list(Path(stage.settings.folder).rglob("job_events/*.json"))
    assert 0 < sum(file.stat().st_size for file in files) < 25_000
