"""From bytes to a started playbook.

Hosts go strange one after the other, and stay so; a rule in mode auto answers each with a playbook that takes its
marker and does nothing else. The time is from just before the deciding reading was published to the moment a reader of
the audit log has the record that the run starts, and the one of its first task that ended.
"""

import asyncio
import shutil
import sys
import time
from pathlib import Path

import msgspec

import remediations
from benchmarks.latency.load import RECORDS_PER_SECOND, Load, delays, publish_steadily, read_samples, warm_up
from detectors.signals import Signal
from remediations.records import IncidentOpened, RunProgressed, RunStarted
from stream.audit.log import open_reader
from stream.detect.outbox import Outbox
from stream.kafka import open_producer
from stream.settings import EngineSettings, Settings

HOSTS = 60
# One host more goes strange every so many rows (0.3 s each): slower than two runs at a time take.
ROWS_BETWEEN = 8
SHIPPED = Path(remediations.__file__).parent.parent / "playbooks"
DRAIN_SECONDS = 10.0

PLAYBOOK = """\
- name: Take the marker and no more
  hosts: all
  gather_facts: false
  any_errors_fatal: true
  tasks:
    - name: Take the marker
      ansible.builtin.import_role:
        name: marker
"""
SIDECAR = {"description": "Take the marker.", "action": "nothing", "timeout_seconds": 60, "idempotent": True}
POLICY = {
    "version": 1,
    "rules": [{"name": "answer", "playbook": "nothing", "mode": "auto", "cooldown_seconds": 0}],
    "limits": {
        # Event times of the load are simulated, and long ago.
        "event_age_maximum_seconds": 1e6,
        "samples_minimum": 10,
        "group_concurrency_maximum": HOSTS,
        "starts_maximum": HOSTS,
    },
}


def with_rules(settings: Settings, folder: Path) -> Settings:
    """The settings with an engine whose playbooks, policy and inventory are written into `folder`."""
    playbooks = folder / "playbooks"
    shutil.copytree(SHIPPED / "roles" / "marker", playbooks / "roles" / "marker")
    for name in ("marker_inspect.yml", "marker_close.yml"):
        shutil.copy(SHIPPED / name, playbooks / name)
    (playbooks / "nothing.yml").write_text(PLAYBOOK, encoding="utf-8")
    variables = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "tidegate_marker_folder": str(folder / "markers"),
    }
    inventory = {"all": {"hosts": {f"host-{number}": variables for number in range(HOSTS)}}}
    documents = {playbooks / "nothing.meta.yml": SIDECAR, folder / "policy.yml": POLICY, folder / "inv.yml": inventory}
    for path, document in documents.items():
        path.write_bytes(msgspec.yaml.encode(document))
    engine = EngineSettings(
        policy=str(folder / "policy.yml"), playbooks=str(playbooks), inventory=str(folder / "inv.yml"), health_port=0
    )
    return msgspec.structs.replace(settings, engine=engine, state_folder=str(folder / "state"))


class Arrivals:
    """When the audit log told what of which signal."""

    def __init__(self) -> None:
        self.started: list[tuple[Signal, float]] = []
        self.first_task: list[tuple[Signal, float]] = []
        self._signals: dict[str, Signal] = {}
        self._running: set[str] = set()

    async def follow(self, settings: Settings) -> None:
        """Note arrivals until cancelled."""
        async with open_reader(settings.kafka, settings.topics.audit) as reader:
            async for read in reader.follow():
                self._note(read.entry.record, time.monotonic())

    def _note(self, record: object, arrived: float) -> None:
        match record:
            case IncidentOpened():
                self._signals[record.incident_id] = record.signal
            case RunStarted():
                self.started.append((self._signals[record.incident_id], arrived))
                self._running.add(record.action_id)
            case RunProgressed() if record.action_id in self._running:
                self.first_task.append((self._signals[record.incident_id], arrived))
                self._running.discard(record.action_id)


async def measure(settings: Settings) -> tuple[list[float], list[float]]:
    """Seconds from produce to the start of the run, and to the end of its first task, of each run."""
    load, arrivals = Load(HOSTS, lambda host, row: row > host * ROWS_BETWEEN), Arrivals()
    following = asyncio.create_task(arrivals.follow(settings))
    producer = await open_producer(settings.kafka)
    seconds = (HOSTS + 2) * ROWS_BETWEEN * HOSTS / RECORDS_PER_SECOND
    try:
        outbox = Outbox(producer)
        await warm_up(settings, load, outbox)
        published = await publish_steadily(settings, load, outbox, seconds)
        await asyncio.sleep(DRAIN_SECONDS)
    finally:
        following.cancel()
        await producer.stop()
    samples = await read_samples(settings)
    return delays(arrivals.started, samples, published, load), delays(arrivals.first_task, samples, published, load)
