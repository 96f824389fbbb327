"""What every step of the engine works with: the rules, the folded log, the roster, the runs in this process."""

import asyncio
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import msgspec
import structlog

from detectors.signals import HostStatus
from remediations.incidents import Action
from remediations.ledger import Ledger
from remediations.loading import Rulebook
from remediations.records import Entry, Record
from remediations.runner import MarkerReport, PreparedRun
from remediations.runs import RunRequest, RunResult, TaskEvent
from stream.audit.log import AuditLog
from stream.engine.notices import NoticeReader
from stream.metrics import EngineMetrics
from stream.settings import Settings

type Checkpoint = Callable[[str], None]
"""Called with the name of each point of the write order, W0 to W10 (WF: a fleet event), right after it is passed."""

BOOT_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def boot_seconds() -> float:
    """Seconds since boot, counted on through a suspend where the system can."""
    return time.clock_gettime(BOOT_CLOCK)


class LogClock:
    """The broker's time, as far as this process knows it: never ahead of it, whatever the local clock says.

    Limits are judged by the log's append times, so decisions must be made by the same clock.
    """

    def __init__(self) -> None:
        self._behind = time.time() - boot_seconds()

    def set(self, appended_time: float) -> None:
        """Take the append time of a record that was read back just now."""
        self._behind = appended_time - boot_seconds()

    def now(self) -> float:
        """Epoch seconds."""
        return self._behind + boot_seconds()


class Runner(Protocol):
    """How the engine runs things on targets."""

    def prepare(self, request: RunRequest) -> PreparedRun:
        """Check a request and write what its run needs; raises RunRefusedError, starts nothing."""

    def discard(self, prepared: PreparedRun) -> None:
        """Remove what a run that will not be started would have read."""

    async def play(self, prepared: PreparedRun, on_task: Callable[[TaskEvent], None]) -> RunResult:
        """Run to the end; cancelling it ends the run with everything it started."""

    async def prove(self) -> str:
        """Play a play that does nothing; why no run can begin, empty if one can."""

    async def end_leftovers(self, action_id: str) -> bool:
        """End what an earlier life of this engine left running of an action; tells whether nothing is left."""

    def recorded(self, request: RunRequest) -> RunResult | None:
        """How an earlier run of the request ended, if its run process could still write it down."""

    def tidy(self, now: float, evidence: Collection[str]) -> None:
        """Remove the artifacts of old runs, but none of actions that are `evidence`."""

    async def inspect(self, request: RunRequest) -> MarkerReport:
        """Read the marker on the target."""

    async def close(self, request: RunRequest) -> MarkerReport:
        """Close the marker on the target, if there is none yet; tells what it is then."""


class Look(msgspec.Struct, frozen=True):
    """When an incident was last decided on, and what had been seen by then."""

    offset: int
    status: HostStatus | None
    again_time: float


@dataclass
class Proof:
    """Whether a run can begin: `problem` says why not, empty if one can. It is not known before `is_tried`."""

    problem: str = "whether a run can begin is being tried"
    is_tried: bool = False
    task: asyncio.Task[str] | None = None
    again_time: float = 0.0

    def check(self) -> bool | str:
        """Whether a run can begin, for readiness: text says why none can."""
        return self.problem or True


@dataclass
class EngineContext:
    """The engine at work. Its durable state is the log alone; all else here can be lost at any moment."""

    engine: str
    settings: Settings
    rulebook: Rulebook
    read_rules: Callable[[], Rulebook]
    ledger: Ledger
    log: AuditLog
    notices: NoticeReader
    runner: Runner
    metrics: EngineMetrics
    clock: LogClock
    checkpoint: Checkpoint
    tasks: asyncio.TaskGroup
    roster: dict[str, HostStatus] = field(default_factory=dict)
    runs: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    proof: Proof = field(default_factory=Proof)
    looks: dict[str, Look] = field(default_factory=dict)
    recoveries: dict[str, float] = field(default_factory=dict)
    rules_time: float = 0.0
    rules_problem: str = ""
    tidy_time: float = 0.0
    is_stopping: bool = False
    fleets_time: float = 0.0
    fleets_seen: int = -1
    events: structlog.stdlib.BoundLogger = field(default_factory=lambda: structlog.get_logger("tidegate.engine"))

    @property
    def has_free_slot(self) -> bool:
        """Whether one more run may begin in this process."""
        return len(self.runs) < self.settings.engine.run_concurrency_maximum

    async def append(self, record: Record) -> Entry:
        """Write a record to the audit log and fold it. Raises as `AuditLog.append`."""
        entry = await self.log.append(record, self.clock.now())
        self.appended(entry, record)
        return entry

    def appended(self, entry: Entry, record: Record) -> None:
        """Take note of a record of ours that was read back."""
        self.clock.set(entry.time)
        self.metrics.audit_records.labels(record.__struct_config__.tag).inc()
        self.metrics.audit_offset.set(entry.offset)

    def request_of(self, action: Action) -> RunRequest:
        """The request that names an action's run and marker; without targets if the inventory has lost the host."""
        target = self.rulebook.inventory.resolve(action.host)
        playbook = self.rulebook.playbooks.get(action.playbook)
        return RunRequest(
            action_id=action.action_id,
            incident_id=action.incident_id,
            attempt=action.attempt,
            playbook=playbook.path if playbook else f"{action.playbook}.yml",
            targets=(target,) if target else (),
            inputs={},
            timeout_seconds=action.timeout_seconds,
        )


class EngineFolder(msgspec.Struct, frozen=True):
    """Where an engine keeps what belongs to it alone; `root` is made if it is missing."""

    root: Path

    @property
    def lock(self) -> Path:
        """Held by the engine for as long as it lives."""
        return self.root / "lock"

    @property
    def identity(self) -> Path:
        """The engine's name."""
        return self.root / "identity"

    @property
    def head(self) -> Path:
        """How far this engine has seen the audit log."""
        return self.root / "audit-head.json"

    @property
    def runs(self) -> Path:
        """Folders of runs."""
        return self.root / "runs"
