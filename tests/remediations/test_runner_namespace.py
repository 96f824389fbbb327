"""With a PID namespace of its own a run can not outlive its first process, whoever else is gone."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec
import psutil
import pytest

from remediations import runner
from remediations.runs import RunStatus
from tests.playbooks.hanging import Hanging, hanging_run, is_namespace_possible, wait_until
from tests.playbooks.runs import RunProcess, action_id, processes_with, read, started
from tests.playbooks.warm import WAYS

LOOK = """\
    - name: Look around
      ansible.builtin.set_stats:
        data:
          processes: "{{ query('ansible.builtin.pipe', 'cat /proc/[0-9]*/comm 2>/dev/null; true') }}"
          namespace: "{{ lookup('ansible.builtin.pipe', 'readlink /proc/self/ns/pid') }}"
"""
OUTSIDE = Path("/proc/self/ns/pid")


@pytest.fixture(params=WAYS)
def hanging(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Hanging]:
    """A run that hangs in its PID namespace."""
    if not is_namespace_possible():
        pytest.skip("this system gives us no PID namespace: it takes root, or CAP_SYS_ADMIN")
    with hanging_run(tmp_path, request.param) as run:
        yield run


def player_of(process: RunProcess) -> psutil.Process:
    """The first process in the run's namespace."""
    keeper = psutil.Process(process.pid)
    return next(child for child in keeper.children() if child.cmdline() == keeper.cmdline())


def test_nothing_outlives_the_first_process(hanging: Hanging) -> None:
    """With the run process dead and the player stopped, so that nobody can clean up, its death is that of all."""
    before = set(hanging.temporary.iterdir())
    with hanging.stage.started(hanging.request()) as process:
        wait_until(hanging.hangs)
        player = player_of(process)
        player.suspend()
        process.kill()
        process.wait()
        assert hanging.hangs()
        player.kill()
        wait_until(lambda: not hanging.alive())
    assert not hanging.effect.exists()
    secrets = list(Path(hanging.stage.settings.folder).rglob("extravars"))
    assert [1, 1] == [len(secrets), len(set(hanging.temporary.iterdir()) - before)]
    runner.clear_leftovers(action_id(hanging.action), hanging.stage.settings)
    assert not secrets[0].exists()
    assert before == set(hanging.temporary.iterdir())


def test_run_sees_its_own_processes_alone(hanging: Hanging) -> None:
    """/proc of a run shows what belongs to the run, and the run is in another namespace than we are."""
    stage = hanging.stage
    result = stage.play(stage.request(2, stage.write_playbook("look.yml", LOOK))).result
    seen = str(result.result["processes"])
    assert str(OUTSIDE.readlink()) != result.result["namespace"]
    assert "pytest" not in seen
    assert 2 <= len(seen.split("\\n")) < 12, seen


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="there is no setpriv on this system")
def test_where_the_system_does_not_allow_it(tmp_path: Path) -> None:
    """Without CAP_SYS_ADMIN the same run is played in our namespace, and contained by supervision."""
    with hanging_run(tmp_path, "new") as run:
        request = run.stage.request(2, run.stage.write_playbook("look.yml", LOOK))
        prepared = runner.prepare(request, run.stage.settings)
        words = ("setpriv", "--bounding-set=-sys_admin", *prepared.argv)
        with started(msgspec.structs.replace(prepared, argv=words)) as process:
            result = read(process).result
    assert result.status is RunStatus.SUCCESSFUL, result
    assert str(OUTSIDE.readlink()) == result.result["namespace"]


@pytest.mark.parametrize("way", WAYS)
def test_without_a_namespace(way: str, tmp_path: Path) -> None:
    """A run that is told to have none is in ours."""
    with hanging_run(tmp_path, way, pid_namespace=False) as run:
        played = run.stage.play(run.stage.request(2, run.stage.write_playbook("look.yml", LOOK)))
    assert str(OUTSIDE.readlink()) == played.result.result["namespace"]
    assert [] == processes_with(run.token)
