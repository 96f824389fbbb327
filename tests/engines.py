"""Test tools: a small fleet for an engine to look after, what detect would say of it, what the audit log says then."""

import asyncio
import copy
import shutil
import sys
import time
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from detectors.signals import Evidence, HostState, HostStatus, Notice, Signal, SignalKind, SignalState
from remediations.ledger import Ledger
from remediations.records import Entry, Record
from remediations.runner import MarkerReport, PreparedRun
from remediations.runs import MarkerState, RunRequest, RunResult, RunStatus, TaskEvent, TaskOutcome
from stream.audit.log import open_reader
from stream.engine.context import Checkpoint, Runner
from stream.engine.flow import work
from stream.kafka import open_producer
from stream.settings import EngineSettings
from stream.topics import ensure_topics
from tests.kafka import Kafka

SHIPPED = Path(__file__).resolve().parents[1] / "playbooks"

PLAYBOOK = """\
- name: Append
  hosts: all
  gather_facts: false
  serial: 1
  any_errors_fatal: true
  max_fail_percentage: 0
  tasks:
    - name: Take the marker
      ansible.builtin.import_role:
        name: marker
    - name: Append under the marker
      block:
        - name: Have the effect
          ansible.builtin.command:
            argv:
              - /bin/sh
              - -c
              - 'echo "$1" >> "$2"; {then}'
              - append
              - "{{{{ tidegate_action_id }}}}"
              - "{{{{ effects_file }}}}"
          changed_when: true
        - name: Mark success
          ansible.builtin.import_role:
            name: marker
            tasks_from: done
          vars:
            marker_outcome: successful
      rescue:
        - name: Mark failure
          ansible.builtin.import_role:
            name: marker
            tasks_from: done
          vars:
            marker_outcome: failed
        - name: Fail
          ansible.builtin.fail:
            msg: It failed.
"""

SIDECAR = """\
description: Append the action's id to a file.
action: append
timeout_seconds: 30
idempotent: {idempotent}
"""


class Rules(msgspec.Struct, frozen=True):
    """What a test's policy and playbook say."""

    mode: str = "auto"
    attempts_maximum: int = 1
    cooldown_seconds: float = 0
    settle_seconds: float = 0
    deadline_seconds: float = 60
    signals: tuple[str, ...] = ()
    concurrency_maximum: int = 10
    host_attempts_maximum: int = 5
    idempotent: bool = False
    then: str = "true"
    """What the playbook's shell command does after its effect."""


def policy(rules: Rules) -> bytes:
    """The policy file."""
    return msgspec.yaml.encode(
        {
            "version": 1,
            "rules": [
                {
                    "name": "append-on-anomaly",
                    "playbook": "append",
                    "mode": rules.mode,
                    "attempts_maximum": rules.attempts_maximum,
                    "cooldown_seconds": rules.cooldown_seconds,
                    "verification": {
                        "settle_seconds": rules.settle_seconds,
                        "deadline_seconds": rules.deadline_seconds,
                        "signals": rules.signals,
                    },
                }
            ],
            "limits": {
                "samples_minimum": 10,
                "group_concurrency_maximum": rules.concurrency_maximum,
                "host_attempts_maximum": rules.host_attempts_maximum,
                "fleet_events": "allow",  # many hosts fail at once in these tests
            },
        }
    )


class Fleet:
    """Hosts h1, h2 … that are this machine, an engine's files, and the topics of one test."""

    def __init__(self, kafka: Kafka, folder: Path, rules: Rules, hosts: int = 1, concurrency: int = 2) -> None:
        self.folder = folder
        self.effects_file = folder / "effects"
        self.markers = folder / "markers"
        self.settings = msgspec.structs.replace(
            kafka.settings(partitions=1),
            engine=EngineSettings(
                policy=str(folder / "policy.yml"),
                playbooks=str(folder / "playbooks"),
                inventory=str(folder / "inventory.yml"),
                run_concurrency_maximum=concurrency,
                health_port=0,
            ),
            state_folder=str(folder / "state"),
        )
        self._write_files(rules, hosts)

    def beside(self, folder: Path) -> "Fleet":
        """The same fleet, topics and rules as another engine sees them, with a state folder of its own."""
        other = copy.copy(self)
        other.folder = folder
        other.settings = msgspec.structs.replace(self.settings, state_folder=str(folder / "state"))
        folder.mkdir()
        other.settings_file.write_bytes(msgspec.json.encode(other.settings))
        return other

    def _write_files(self, rules: Rules, hosts: int) -> None:
        playbooks = self.folder / "playbooks"
        shutil.copytree(SHIPPED / "roles" / "marker", playbooks / "roles" / "marker")
        for name in ("marker_inspect.yml", "marker_close.yml"):
            shutil.copy(SHIPPED / name, playbooks / name)
        (playbooks / "append.yml").write_text(PLAYBOOK.format(then=rules.then))
        (playbooks / "append.meta.yml").write_text(SIDECAR.format(idempotent=str(rules.idempotent).lower()))
        self.write_policy(rules)
        variables = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "tidegate_marker_folder": str(self.markers),
            "effects_file": str(self.effects_file),
        }
        members = {f"h{number}": variables for number in range(1, hosts + 1)}
        (self.folder / "inventory.yml").write_bytes(
            msgspec.yaml.encode({"all": {"children": {"web": {"hosts": members}}}})
        )
        self.settings_file.write_bytes(msgspec.json.encode(self.settings))

    def write_policy(self, rules: Rules) -> None:
        """Write the policy file."""
        (self.folder / "policy.yml").write_bytes(policy(rules))

    def change_playbook(self) -> None:
        """Write the playbook anew, with a comment more."""
        file = self.folder / "playbooks" / "append.yml"
        file.write_text(f"# Changed.\n{file.read_text()}")

    @property
    def settings_file(self) -> Path:
        """The settings as a file, for an engine in another process."""
        return self.folder / "settings.json"

    def effects(self) -> list[str]:
        """Action ids, one for each time that a playbook had its effect."""
        return self.effects_file.read_text().split() if self.effects_file.exists() else []

    async def effects_now(self) -> list[str]:
        """`effects` in the form that `until` asks for."""
        return self.effects()

    async def publish(self, *notices: Notice) -> None:
        """Say to the signals topic what detect would."""
        producer = await open_producer(self.settings.kafka)
        try:
            for notice in notices:
                value = msgspec.json.encode(notice)
                await producer.send_and_wait(self.settings.topics.signals, value, key=notice.host.encode())
        finally:
            await producer.stop()

    async def fail(self, host: str = "h1", number: int = 1) -> Signal:
        """The host becomes anomalous, and detect says so."""
        signal = raised(host, number)
        await self.publish(status(host, HostState.ANOMALOUS), signal)
        return signal

    async def recover(self, signal: Signal) -> None:
        """The host is normal again, on data of now, and detect says so."""
        await self.publish(cleared(signal), status(signal.host, HostState.NORMAL))

    async def entries(self) -> list[Entry]:
        """The whole audit log."""
        async with open_reader(self.settings.kafka, self.settings.topics.audit) as reader:
            return [read.entry async for read in reader.read_all()]

    async def ledger(self) -> Ledger:
        """The fold of the whole audit log."""
        ledger = Ledger()
        for entry in await self.entries():
            ledger.apply(entry)
        return ledger

    async def records(self) -> list[Record]:
        """What the audit log says."""
        return [entry.record for entry in await self.entries() if entry.record is not None]

    async def tags(self) -> list[str]:
        """The types of the records, in order, tasks of runs left out."""
        return [tag for tag in map(tag_of, await self.records()) if tag != "run.progressed"]

    async def wait_for(self, *tags: str, seconds: float = 30) -> list[Record]:
        """Wait until records of all these types are in the log."""
        return await until(self.records, lambda found: set(tags) <= {tag_of(record) for record in found}, seconds)

    @asynccontextmanager
    async def engine(
        self,
        *,
        runner: Runner | None = None,
        checkpoint: Checkpoint = lambda _name: None,
        grace_seconds: float | None = 20.0,
    ) -> AsyncIterator[asyncio.Task[None]]:
        """An engine at work in this process; asked to stop at the end."""
        stopping = asyncio.Event()
        task = asyncio.create_task(
            work(self.settings, stopping, checkpoint=checkpoint, runner=runner, grace_seconds=grace_seconds)
        )
        try:
            yield task
        finally:
            stopping.set()
            await task

    @asynccontextmanager
    async def engine_process(self, *words: str) -> AsyncIterator[Process]:
        """An engine in a process of its own (tests/engine_process.py tells the words), gone at the end."""
        with (self.folder / "engine.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.engine_process", str(self.settings_file), *words),
                cwd=SHIPPED.parent,
                stdin=DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


def tag_of(record: Record) -> str:
    """The type of a record as the log names it."""
    return str(record.__struct_config__.tag)


async def until[T](ask: Callable[[], Awaitable[T]], holds: Callable[[T], bool], seconds: float) -> T:
    """Ask again and again until the answer is the wanted one."""
    deadline = time.monotonic() + seconds
    while not holds(answer := await ask()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {answer}"
        await asyncio.sleep(0.1)
    return answer


def raised(host: str, number: int = 1) -> Signal:
    """A signal of now."""
    return Signal(
        id=f"{host}-raised-{number}",
        kind=SignalKind.ANOMALY,
        state=SignalState.RAISED,
        host=host,
        time=time.time(),
        score=7.0,
        threshold=3.0,
        evidence=Evidence(),
    )


def cleared(signal: Signal) -> Signal:
    """The end of a signal, on data of now."""
    return msgspec.structs.replace(
        signal,
        id=signal.id.replace("raised", "cleared"),
        state=SignalState.CLEARED,
        time=time.time(),
        score=0.5,
        raised_id=signal.id,
    )


def status(host: str, state: HostState, age_seconds: float = 0.0) -> HostStatus:
    """A roster entry of now; its last sample is so many seconds old."""
    now = time.time()
    return HostStatus(
        host=host,
        state=state,
        time=now,
        last_sample_time=now - age_seconds,
        score=7.0 if state is HostState.ANOMALOUS else 0.5,
        samples=1000,
        series=5,
        partition=0,
    )


class FakeRunner:
    """Targets that live in memory: runs take `seconds`, end as told, and take and write markers like real ones.

    Attributes:
        played: Action ids of runs, in order.
        together: The largest number of runs at a time.
    """

    def __init__(self, *results: RunResult, seconds: float = 0.05) -> None:
        self.played: list[str] = []
        self.together = 0
        self._results = list(results)
        self._seconds = seconds
        self._running = 0

    def prepare(self, request: RunRequest) -> PreparedRun:
        """Take everything."""
        return PreparedRun(argv=(request.action_id,), environment={}, cwd="")

    def discard(self, prepared: PreparedRun) -> None:
        """Nothing was written."""

    async def play(self, prepared: PreparedRun, on_task: Callable[[TaskEvent], None]) -> RunResult:
        """Sleep, and end as told; successfully when nothing was told."""
        self.played.append(prepared.argv[0])
        self._running += 1
        self.together = max(self.together, self._running)
        on_task(TaskEvent(1, "Append", "Have the effect", "command", "h1", TaskOutcome.CHANGED, 0.01))
        await asyncio.sleep(self._seconds)
        self._running -= 1
        return self._results.pop(0) if self._results else RunResult(RunStatus.SUCCESSFUL, 0)

    async def prove(self) -> str:
        """A run can begin."""
        return ""

    async def end_leftovers(self, action_id: str) -> bool:
        """Nothing survives in memory."""
        return bool(action_id)

    def recorded(self, request: RunRequest) -> RunResult | None:
        """Nothing is written down."""

    def tidy(self, now: float, unfinished: Collection[str]) -> None:
        """Nothing was written."""

    async def inspect(self, request: RunRequest) -> MarkerReport:
        """Begun if it was played."""
        return MarkerReport(MarkerState.BEGUN if request.action_id in self.played else MarkerState.ABSENT)

    async def close(self, request: RunRequest) -> MarkerReport:
        """Closed, if it was not played."""
        return MarkerReport(MarkerState.BEGUN if request.action_id in self.played else MarkerState.CLOSED)


@asynccontextmanager
async def fleet(
    kafka: Kafka, folder: Path, rules: Rules | None = None, hosts: int = 1, concurrency: int = 2
) -> AsyncIterator[Fleet]:
    """A fleet whose topics exist."""
    made = Fleet(kafka, folder, rules or Rules(), hosts, concurrency)
    await ensure_topics(made.settings)
    yield made
