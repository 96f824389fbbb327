"""The engine's hold on run processes: whatever becomes of a request to the warm parent, nothing is left open."""

import asyncio
import gc
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from remediations import runner
from remediations.runs import RunStatus
from stream.engine.processes import WarmProcess
from stream.engine.run_process import AnsibleRunner, end
from tests.playbooks.hanging import Hanging, wait_until
from tests.playbooks.runs import Stage
from tests.playbooks.warm import wait_ready


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """Playbooks of a test's own, and a warm parent."""
    stage = Stage(tmp_path, tmp_path / "playbooks")
    with runner.WarmParent(stage.settings) as stage.parent:
        wait_ready(stage.parent)
        yield stage


def descriptors() -> set[str]:
    """What this process has open."""
    gc.collect()
    return {f"{entry.name} {entry.readlink()}" for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink()}


async def start(stage: Stage) -> WarmProcess | None:
    """Ask for a run that does nothing."""
    assert stage.parent is not None
    playbook = stage.write_playbook("none.yml", '    - name: N\n      ansible.builtin.command: "true"\n')
    prepared = runner.prepare(stage.request(playbook=playbook), stage.settings)
    with Path(prepared.cwd, "process.log").open("wb") as log:  # noqa: ASYNC230 - a test
        return await WarmProcess.start(stage.parent, prepared, log)


async def test_run_that_ends(stage: Stage) -> None:
    """After its end, and after another one is cancelled in the middle, no descriptor of them is open."""
    await asyncio.sleep(0)
    before = descriptors()
    process = await start(stage)
    assert process is not None
    lines = [line async for line in process.stdout]
    await process.wait()
    await end(process)
    assert b"successful" in lines[-1]
    again = await start(stage)
    assert again is not None
    await end(again)
    await asyncio.sleep(0.1)
    assert before == descriptors()


@pytest.mark.parametrize("is_cancelled", [False, True])
async def test_parent_that_does_not_answer(stage: Stage, is_cancelled: bool) -> None:  # noqa: FBT001 - a parameter
    """A stopped parent is given up after a while, or with the task that waits; no descriptor of it is open."""
    assert stage.parent is not None
    parent = psutil.Process(stage.parent.pid)
    before = descriptors()
    parent.suspend()
    try:
        asking = asyncio.create_task(start(stage))
        await asyncio.sleep(0.2)
        if is_cancelled:
            asking.cancel()
        found = (await asyncio.gather(asking, return_exceptions=True))[0]
    finally:
        parent.resume()
    assert isinstance(found, asyncio.CancelledError) if is_cancelled else found is None
    assert before == descriptors()


async def test_cancelled_run_ends_before_it_is_reported(tmp_path: Path) -> None:
    """When a cancelled run is over for the engine, nothing of it is alive."""
    hanging = Hanging(tmp_path, "warm")
    with AnsibleRunner(hanging.stage.settings).warm() as ansible:
        prepared = ansible.prepare(hanging.request())
        playing = asyncio.create_task(ansible.play(prepared, lambda _task: None))
        await asyncio.to_thread(wait_until, hanging.hangs)
        playing.cancel()
        (result,) = await asyncio.gather(playing, return_exceptions=True)
        assert [] == hanging.sleeping()
        assert isinstance(result, asyncio.CancelledError)
        recorded = ansible.recorded(hanging.request())
    assert recorded is not None
    assert recorded.status is RunStatus.CANCELED
    assert not hanging.effect.exists()
    hanging.temporary.rmdir()
