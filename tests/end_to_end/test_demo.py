"""The demo as a user runs it: it proves what it promises, and Ctrl-C at any moment leaves nothing behind."""

import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
import uuid
from pathlib import Path

import msgspec
import psutil
import pytest

from console.demo.fleet import HOSTS
from console.demo.verdict import Summary
from stream.broker.jars import default_folder

MARK = "DEMO_TEST_MARK"
RUN_SECONDS = 240.0
STOP_SECONDS = 60.0
NEXT = ["up", "hosts", "incidents", "explain", "explain", "audit"]  # what a viewer is told to try


class Demo:
    """A demo as a process of its own, with a home, a temporary and a working folder that must stay empty."""

    def __init__(self, root: Path, *options: str) -> None:
        self.folder = root / "demo"
        home, work = root / "home", root / "work"
        home.mkdir()
        work.mkdir()
        temporary = Path(tempfile.mkdtemp(prefix="tg-", dir="/tmp"))  # ansible's sockets want a short path
        self.outside = [home, work, temporary]
        self.mark = uuid.uuid4().hex
        program = Path(sysconfig.get_path("scripts")) / "tidegate"
        environment = os.environ | {
            MARK: self.mark,
            "TIDEGATE_KAFKA__BOOTSTRAP_SERVERS": "kafka.example:9092",  # of another Tidegate: no business of the demo
            "HOME": str(home),
            "TMPDIR": str(temporary),
            "XDG_CACHE_HOME": str(default_folder().parents[2]),
            "PYTHONUNBUFFERED": "1",
        }
        self.process = subprocess.Popen(
            [sys.executable, str(program), "demo", "--folder", str(self.folder), *options],
            env=environment,
            cwd=work,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def read_until(self, words: str) -> str:
        """What was printed up to the first line with `words`."""
        assert self.process.stdout is not None
        said = ""
        for line in self.process.stdout:
            said += line
            if words in line:
                return said
        pytest.fail(f"the demo ended without saying {words!r}:\n{said}")

    def finish(self, seconds: float) -> tuple[int, str]:
        """Exit status and the rest of what was printed."""
        said, _ = self.process.communicate(timeout=seconds)
        return self.process.returncode, said

    def interrupt(self) -> None:
        """Press Ctrl-C: the terminal sends it to the whole process group."""
        os.killpg(self.process.pid, signal.SIGINT)

    def leftovers(self) -> list[str]:
        """Processes that this demo started and that still run, by environment or by what they were started with."""
        found = []
        for process in psutil.process_iter():
            try:
                ours = process.environ().get(MARK) == self.mark or str(self.folder) in " ".join(process.cmdline())
            except psutil.Error:
                continue
            if ours and process.status() != psutil.STATUS_ZOMBIE:
                found.append(f"{process.pid} {' '.join(process.cmdline())[:200]}")
        return found

    def files_outside(self) -> list[Path]:
        """Files that were left anywhere but in the demo's folder."""
        return [path for each in self.outside for path in each.rglob("*")]

    def end(self) -> None:
        """Kill what a failed test left."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()

    def remove(self) -> None:
        """Remove the temporary folder, which is not pytest's."""
        shutil.rmtree(self.outside[-1])


@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_demo_proves_what_it_promises(tmp_path: Path) -> None:
    """Exactly the faulty service is restarted, once, and verified; the second fault is refused; nothing is left."""
    demo = Demo(tmp_path)
    try:
        began = time.monotonic()
        status, said = demo.finish(RUN_SECONDS)
        seconds = time.monotonic() - began
    finally:
        demo.end()
    assert status == 0, said
    summary = msgspec.json.decode((demo.folder / "summary.json").read_bytes(), type=Summary)
    assert summary.problems == ()
    assert summary.restarts == {host: int(host == summary.host) for host in summary.restarts}
    assert summary.pid_before != summary.pid_after
    assert (summary.refusal, summary.audit_chain) == ("cooldown", "verified")
    assert seconds < 180
    assert [line.split()[1] for line in said.splitlines() if str(demo.folder / "settings.yml") in line] == NEXT
    for words in ("anomaly raised", "gates passed", "task", "verification: success", "allowed again at"):
        assert words in said
    assert demo.leftovers() == []
    assert demo.files_outside() == []
    demo.remove()


@pytest.mark.timeout(300)
def test_a_demo_that_is_killed_takes_everything_with_it(tmp_path: Path) -> None:
    """Even SIGKILL leaves no process: each one notices that its owner is gone."""
    demo = Demo(tmp_path)
    try:
        demo.read_until("Learn what is normal")
        demo.process.kill()
        demo.process.wait()
        deadline = time.monotonic() + STOP_SECONDS
        while demo.leftovers() and time.monotonic() < deadline:
            time.sleep(0.2)
    finally:
        demo.end()
    assert demo.leftovers() == []
    demo.remove()


HEALTHY = """
import json, sys
from pathlib import Path
from rich.console import Console
from console.demo.demo import ACTS
from console.demo.interruption import Interruptions
from console.demo.stage import Stage
from console.demo.view import PlainView
from detectors.signals import SignalState
with Interruptions() as interruptions:
    view = PlainView(Console(stderr=True))
    stage = Stage(Path(sys.argv[1]), 0, view, tuple(act.title for act in ACTS), interruptions)
    try:
        for number, act in enumerate(ACTS[:5]):
            stage.enter(number)
            act.play(stage)
        stage.rest(float(sys.argv[2]))
        raised = [heard.signal.host for heard in stage.story.signals if heard.signal.state is SignalState.RAISED]
        runs = [run.action_id for incident in stage.story.incidents.values() for run in incident.runs]
        print(json.dumps({"raised": raised, "runs": runs, "spawned": stage.fleet.spawns()}))
    finally:
        interruptions.ignore()
        stage.close()
"""


@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_healthy_fleet_is_left_alone_for_three_minutes(tmp_path: Path) -> None:
    """Without a fault nothing is run and no service restarts, in the three minutes after every host is learned."""
    done = subprocess.run(
        [sys.executable, "-c", HEALTHY, str(tmp_path / "demo"), "180"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["runs"] == []
    assert {host: len(pids) for host, pids in seen["spawned"].items()} == dict.fromkeys(HOSTS, 1)


MOMENTS = [
    pytest.param("Start Apache Kafka", id="while Kafka starts"),
    pytest.param("Start eight services", id="while the services start"),
    pytest.param("Start detect and engine", id="while the roles start"),
    pytest.param("Learn what is normal", id="when the roles have just been started"),
    pytest.param("playbook restart starts", id="while the playbook runs", marks=pytest.mark.slow),
]


@pytest.mark.parametrize("words", MOMENTS)
@pytest.mark.timeout(300)
def test_ctrl_c_leaves_no_process_and_no_file_outside(tmp_path: Path, words: str) -> None:
    """Whatever the demo is doing, Ctrl-C (here pressed until it is gone) stops all of it and says where files are."""
    demo = Demo(tmp_path)
    try:
        demo.read_until(words)
        assert demo.leftovers() != []  # the search finds them while they run
        deadline = time.monotonic() + STOP_SECONDS
        while demo.process.poll() is None and time.monotonic() < deadline:
            demo.interrupt()
            time.sleep(0.02)
        status, said = demo.finish(STOP_SECONDS)
    finally:
        demo.end()
    assert status == 130, said
    assert "Traceback" not in said
    assert str(demo.folder) in said
    assert demo.leftovers() == []
    assert demo.files_outside() == []
    demo.remove()
