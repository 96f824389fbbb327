"""How soon a decided run begins its first task, beside plain ansible-runner and plain ansible-playbook.

`python -m benchmarks.runner [--rounds N] [--json FILE]` runs one playbook of one local task in turn by a fork of the
warm parent, with and without a PID namespace, a new process, `ansible_runner.run` and `ansible-playbook`, then 1, 2 and
4 at a time from the warm parent.
Times are from the decision to the start of the first task, as Ansible itself tells it, and to the end of all processes;
memory is what the run's processes do not share, at its highest.
"""

import argparse
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from itertools import count
from pathlib import Path
from statistics import median

import msgspec
import psutil
from rich.console import Console
from rich.table import Table

from remediations import runner
from remediations.runs import RunRequest, Target

ROUNDS = 10
TOGETHER = (1, 2, 4)
READY_SECONDS = 60.0
SAMPLE_SECONDS = 0.02
TABLE_WIDTH = 110
PROGRAMS = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
PLAYBOOK = """\
- name: One task
  hosts: all
  gather_facts: false
  tasks:
    - name: Do nothing
      ansible.builtin.command: "true"
      changed_when: false
"""
PLAIN_RUNNER = """\
import sys, ansible_runner
sys.exit(ansible_runner.run(private_data_dir=sys.argv[1], playbook=sys.argv[2], inventory=sys.argv[3], quiet=True).rc)
"""


class Sample(msgspec.Struct, frozen=True):
    """One run: seconds from the decision to its first task and to its end, and bytes of its own memory."""

    first_task_seconds: float
    end_seconds: float
    memory_bytes: int


class Figures(msgspec.Struct, frozen=True):
    """Several runs of one way."""

    way: str
    runs: int
    first_task_p50_milliseconds: float
    first_task_maximum_milliseconds: float
    end_p50_milliseconds: float
    memory_megabytes: float | None


class Memory:
    """Watches how much memory a process and all below it have to themselves, until it is stopped."""

    def __init__(self, pid: int) -> None:
        self.bytes = 0
        self._pid = pid
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def stop(self) -> int:
        """The highest value."""
        self._stopping.set()
        self._thread.join()
        return self.bytes

    def _watch(self) -> None:
        while not self._stopping.wait(SAMPLE_SECONDS):
            try:
                process = psutil.Process(self._pid)
                tree = [process, *process.children(recursive=True)]
                self.bytes = max(self.bytes, sum(one.memory_full_info().uss for one in tree))
            except psutil.NoSuchProcess:
                continue


class Bench:
    """One playbook, one local host, and the ways to run it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = count(1)
        self._playbook = folder / "playbooks" / "one.yml"
        self._playbook.parent.mkdir()
        self._playbook.write_text(PLAYBOOK, encoding="utf-8")
        self._variables: dict[str, object] = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
        }
        self._inventory = folder / "hosts.json"
        self._inventory.write_bytes(msgspec.json.encode({"all": {"hosts": {"web-1": self._variables}}}))
        self.settings = runner.RunnerSettings(
            folder=str(folder / "runs"), playbooks=str(self._playbook.parent), home=str(folder)
        )
        self.parent: runner.WarmParent | None = None

    def warm_outside(self, *, with_memory: bool = False) -> Sample:
        """As `warm`, without a PID namespace."""
        return self.warm(with_memory=with_memory, pid_namespace=False)

    def warm(self, *, with_memory: bool = False, pid_namespace: bool = True) -> Sample:
        """Tidegate's run, forked from the warm parent."""
        decided = time.time()
        prepared = self._prepared(pid_namespace=pid_namespace)
        launch = self.parent.launch(prepared, sys.stderr.fileno()) if self.parent else None
        if launch is None or not select.select([launch.stdin], [], [], READY_SECONDS)[0]:
            raise RuntimeError("the warm parent gives no run process")
        handle = launch.confirm()
        if handle is None:
            raise RuntimeError("the warm parent gives no run process")
        memory = Memory(handle.pid) if with_memory else None
        while os.read(launch.stdout, 65_536):
            continue
        used = memory.stop() if memory else 0
        select.select([handle.pidfd], [], [])
        os.close(handle.pidfd)
        launch.close()
        return Sample(first_task(Path(prepared.cwd)) - decided, time.time() - decided, used)

    def new(self, *, with_memory: bool = False) -> Sample:
        """Tidegate's run in a new process, as without a warm parent."""
        decided = time.time()
        prepared = self._prepared()
        used = run(prepared.argv, prepared.environment, Path(prepared.cwd), with_memory=with_memory)
        return Sample(first_task(Path(prepared.cwd)) - decided, time.time() - decided, used)

    def plain_runner(self, *, with_memory: bool = False) -> Sample:
        """A program that calls `ansible_runner.run`."""
        folder = self._folder / f"plain-{next(self._numbers)}"
        folder.mkdir()
        words = (sys.executable, "-c", PLAIN_RUNNER, str(folder), str(self._playbook), str(self._inventory))
        decided = time.time()
        used = run(words, PROGRAMS, folder, with_memory=with_memory)
        return Sample(first_task(folder) - decided, time.time() - decided, used)

    def plain_playbook(self, *, with_memory: bool = False) -> Sample:
        """`ansible-playbook`; its first task begins when it says so."""
        program = str(Path(sys.executable).parent / "ansible-playbook")
        decided = time.time()
        process = subprocess.Popen(  # noqa: S603 - our own words
            [program, "-i", str(self._inventory), str(self._playbook)],
            stdout=subprocess.PIPE,
            env=PROGRAMS | {"PYTHONUNBUFFERED": "1"},
        )
        memory = Memory(process.pid) if with_memory else None
        began = next(time.time() for line in process.stdout or () if line.startswith(b"TASK"))
        process.communicate()
        return Sample(began - decided, time.time() - decided, memory.stop() if memory else 0)

    def _prepared(self, *, pid_namespace: bool = True) -> runner.PreparedRun:
        number = next(self._numbers)
        return runner.prepare(
            RunRequest(
                action_id=f"{number:032x}",
                incident_id="benchmark",
                attempt=1,
                playbook=str(self._playbook),
                targets=(Target("web-1", self._variables),),
                inputs={},
                timeout_seconds=120.0,
            ),
            msgspec.structs.replace(self.settings, pid_namespace=pid_namespace),
        )


def run(words: tuple[str, ...], environment: dict[str, str], folder: Path, *, with_memory: bool) -> int:
    """Run a program to its end; the memory it took."""
    pipe = subprocess.PIPE
    process = subprocess.Popen(words, env=environment, cwd=folder, stdin=pipe, stdout=pipe)  # noqa: S603 - our own words
    memory = Memory(process.pid) if with_memory else None
    for _ in process.stdout or ():
        continue
    used = memory.stop() if memory else 0
    process.communicate()
    return used


def first_task(folder: Path) -> float:
    """When a run of ansible-runner began its first task, epoch seconds."""
    for file in folder.glob("artifacts/*/job_events/*.json"):
        event = json.loads(file.read_bytes())
        if event["event"] == "playbook_on_task_start":
            return datetime.fromisoformat(event["created"]).timestamp()
    raise RuntimeError(f"no task began in {folder}")


def figures(way: str, samples: list[Sample], memory_bytes: int | None) -> Figures:
    """The figures of one way."""
    first = [1000 * sample.first_task_seconds for sample in samples]
    return Figures(
        way=way,
        runs=len(samples),
        first_task_p50_milliseconds=median(first),
        first_task_maximum_milliseconds=max(first),
        end_p50_milliseconds=median(1000 * sample.end_seconds for sample in samples),
        memory_megabytes=memory_bytes / 1e6 if memory_bytes is not None else None,
    )


def measure(bench: Bench, rounds: int) -> list[Figures]:
    """Every way in turn, so that what else the machine does falls on all alike; then several at a time."""
    ways: dict[str, Callable[..., Sample]] = {
        "warm parent": bench.warm,
        "warm, no PID namespace": bench.warm_outside,
        "new process": bench.new,
        "plain ansible-runner": bench.plain_runner,
        "plain ansible-playbook": bench.plain_playbook,
    }
    memory = {way: play(with_memory=True).memory_bytes for way, play in ways.items()}  # also fills caches of the disk
    samples: dict[str, list[Sample]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, play in ways.items():
            samples[way].append(play())
    found = [figures(way, samples[way], memory[way]) for way in ways]
    return found + [together(bench, number, rounds) for number in TOGETHER]


def together(bench: Bench, number: int, rounds: int) -> Figures:
    """So many runs of the warm parent at a time."""
    with ThreadPoolExecutor(number) as pool:
        samples = [sample for _ in range(rounds) for sample in pool.map(lambda _: bench.warm(), range(number))]
    return figures(f"warm parent, {number} at a time", samples, None)


@contextmanager
def bench_at_work() -> Iterator[Bench]:
    """A bench with a warm parent that is ready; its folder is removed."""
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    bench = Bench(folder)
    try:
        with runner.WarmParent(bench.settings) as bench.parent:
            limit = time.monotonic() + READY_SECONDS
            while not bench.parent.is_ready:
                if time.monotonic() > limit:
                    raise TimeoutError(f"the warm parent was not ready in {READY_SECONDS:.0f} s")
                time.sleep(SAMPLE_SECONDS)
            yield bench
    finally:
        shutil.rmtree(folder)


def show(found: list[Figures]) -> None:
    """Print the table, each way beside plain ansible-runner."""
    plain = next(one for one in found if one.way == "plain ansible-runner").first_task_p50_milliseconds
    table = Table("way", "runs", "first task p50 ms", "max ms", "times sooner", "end p50 ms", "own memory MB")
    for one in found:
        table.add_row(
            one.way,
            str(one.runs),
            f"{one.first_task_p50_milliseconds:.0f}",
            f"{one.first_task_maximum_milliseconds:.0f}",
            f"{plain / one.first_task_p50_milliseconds:.1f}x",
            f"{one.end_p50_milliseconds:.0f}",
            "" if one.memory_megabytes is None else f"{one.memory_megabytes:.0f}",
        )
    Console(width=TABLE_WIDTH).print(table)


def main() -> None:
    """Measure and tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="runs of each way")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    arguments = parser.parse_args()
    with bench_at_work() as bench:
        found = measure(bench, arguments.rounds)
    show(found)
    if arguments.json:
        arguments.json.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=2))


if __name__ == "__main__":
    main()
