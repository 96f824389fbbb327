"""Tools of the storm tests: workers as processes, a load with known poison, and a look at all that Kafka recorded."""

import asyncio
import random
import signal
import struct
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec
import orjson
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError
from aiokafka.structs import OffsetAndMetadata

from stream.detect.outbox import Message, Outbox
from stream.kafka import open_admin, open_consumer, open_producer
from stream.settings import KafkaSettings, Settings
from tests.stream.detect.storm_worker import POISON_SERIES, READY

type KafkaRecord = ConsumerRecord[bytes, bytes]

START_SECONDS = 60.0
STOP_SECONDS = 30.0
FIELDS = ("usage", "load")


class Fleet:
    """Detect workers as processes, by name; what they say goes to files in `folder`."""

    def __init__(self, folder: Path, settings: Settings, kind: str) -> None:
        self._folder = folder
        self._kind = kind
        self._settings_file = folder / "settings.json"
        self._settings_file.write_bytes(msgspec.json.encode(settings))
        self._workers: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str) -> None:
        """Start a worker."""
        with (self._folder / f"{name}.log").open("ab") as output:
            self._workers[name] = subprocess.Popen(
                [sys.executable, "-m", "tests.stream.detect.storm_worker", str(self._settings_file), self._kind],
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
            )

    async def wait_ready(self, *names: str) -> None:
        """Wait until the workers own partitions."""
        for name in names:
            await self.wait_said(name, READY)

    async def wait_said(self, name: str, text: str) -> None:
        """Wait until a worker has said something."""
        deadline = time.monotonic() + START_SECONDS
        while text not in (self._folder / f"{name}.log").read_text():
            assert time.monotonic() < deadline, f"{name} has not said {text!r} after {START_SECONDS} s"
            await asyncio.sleep(0.2)

    def send(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a worker."""
        self._workers[name].send_signal(number)

    def kill(self, name: str) -> None:
        """Kill a worker, as a lost machine would."""
        worker = self._workers.pop(name)
        worker.kill()
        worker.wait()

    async def stop(self, *names: str) -> dict[str, int]:
        """Ask workers to stop, all at once; their exit statuses."""
        for name in names:
            self._workers[name].terminate()
        return {name: await asyncio.to_thread(self._workers.pop(name).wait, STOP_SECONDS) for name in names}

    async def wait_end(self, name: str) -> int:
        """Wait until a worker ends by itself; its exit status."""
        return await asyncio.to_thread(self._workers[name].wait, START_SECONDS)

    @property
    def names(self) -> tuple[str, ...]:
        """Workers that were started and not stopped."""
        return tuple(self._workers)

    def ended(self) -> dict[str, int]:
        """Workers that ended by themselves, with their statuses."""
        return {name: code for name, worker in self._workers.items() if (code := worker.poll()) is not None}

    def close(self) -> None:
        """Leave no process behind."""
        for name in self.names:
            self.kill(name)


class Load:
    """A seeded stream of metric records over `hosts` hosts; about one in `poison_every` is bad in some way.

    A host's records are spread over all partitions, or with `keyed` in one, where they stay in order of time.

    Attributes:
        good: Host → how many good records it was sent.
        bad: Reason → how many records must reach the dead letter with it.
    """

    def __init__(self, seed: int, hosts: int, poison_every: int, *, breaks_shard: bool, keyed: bool = False) -> None:
        self.good: dict[str, int] = defaultdict(int)
        self.bad: dict[str, int] = defaultdict(int)
        self._random = random.Random(seed)  # noqa: S311 - a reproducible load
        self._hosts = [f"host-{number}" for number in range(hosts)]
        self._poison_every = poison_every
        self._keyed = keyed
        self._sequence = 0
        self._start_time = time.time() - 40_000
        self._bad_records = BAD_RECORDS + (BREAKING_RECORDS if breaks_shard else ())

    def messages(self, count: int, partitions: int) -> list[Message]:
        """The next records, spread over the partitions."""
        return [self._message(self._random.randrange(partitions), partitions) for _ in range(count)]

    def _message(self, partition: int, partitions: int) -> Message:
        if self._random.randrange(self._poison_every) == 0:
            reason, value = self._random.choice(self._bad_records)
            self.bad[reason] += 1
            value = value and value.replace(b"NOW", b"%d" % self._start_time)
            return Message(key=None, value=value, partition=partition)
        self._sequence += 1
        host = self._random.choice(self._hosts)
        self.good[host] += 1
        if self._keyed:
            partition = self._hosts.index(host) % partitions
        return Message(key=None, value=self._document(host), partition=partition)

    def _document(self, host: str) -> bytes:
        drift = 50.0 if self._sequence % 20_000 > 19_000 else 0.0
        fields = {field: self._random.gauss(10.0 + drift, 1.0) for field in FIELDS}
        timestamp = self._start_time + self._sequence / len(self._hosts)
        return orjson.dumps({"name": "cpu", "tags": {"host": host}, "fields": fields, "timestamp": timestamp})


BAD_RECORDS: tuple[tuple[str, bytes | None], ...] = (
    ("tombstone", None),
    ("malformed", b"garbage"),
    ("malformed", b""),
    ("malformed", b"[1, 2]"),
    ("not_utf8", b'{"name": "\xff"}'),
    ("too_deep", b"[" * 200),
    ("no_host", b'{"name": "cpu", "tags": {}, "fields": {"usage": 1.0}, "timestamp": NOW}'),
    ("bad_host", b'{"name": "cpu", "tags": {"host": "../../etc"}, "fields": {"usage": 1.0}, "timestamp": NOW}'),
    ("too_old", b'{"name": "cpu", "tags": {"host": "a"}, "fields": {"usage": 1.0}, "timestamp": 1000000000}'),
    ("no_values", b'{"name": "cpu", "tags": {"host": "a"}, "fields": {"usage": [1.0]}, "timestamp": NOW}'),
    ("oversize", b"x" * 70_000),
)
BREAKING_RECORDS: tuple[tuple[str, bytes | None], ...] = (
    (
        "processing_failed",
        b'{"name": "%s", "tags": {"host": "breaking"}, "fields": {"%s": 1.0}, "timestamp": NOW}'
        % tuple(part.encode() for part in POISON_SERIES.split(".")),
    ),
)


async def produce(kafka: KafkaSettings, topic: str, load: Load, counts: Iterable[int], pause_seconds: float) -> None:
    """Send so many records at a time, pausing in between; all are acknowledged."""
    producer = await open_producer(kafka)
    try:
        partitions = len(await producer.partitions_for(topic))
        outbox = Outbox(producer)
        for count in counts:
            await outbox.publish(topic, load.messages(count, partitions))
            await asyncio.sleep(pause_seconds)
    finally:
        await producer.stop()


async def read_all(kafka: KafkaSettings, topic: str) -> dict[int, list[KafkaRecord]]:
    """Every record of a topic, by partition."""
    consumer = await open_consumer(kafka, max_partition_fetch_bytes=4 << 20)
    try:
        partitions = await topic_partitions(kafka, topic)
        sources = [TopicPartition(topic, partition) for partition in range(partitions)]
        consumer.assign(sources)
        await consumer.seek_to_beginning(*sources)
        ends = await consumer.end_offsets(sources)
        records: dict[int, list[KafkaRecord]] = {source.partition: [] for source in sources}
        left = sources
        while left := [source for source in left if ends[source] > await consumer.position(source)]:
            for source, found in (await consumer.getmany(timeout_ms=500)).items():
                records[source.partition] += found
        return records
    finally:
        await consumer.stop()


async def topic_partitions(kafka: KafkaSettings, topic: str) -> int:
    """How many partitions a topic has."""
    admin = await open_admin(kafka)
    try:
        (described,) = [found for found in await admin.describe_topics() if found["topic"] == topic]
        return len(described["partitions"])
    finally:
        await admin.close()


class Commit(msgspec.Struct, frozen=True):
    """One commit that the group made, and when the broker wrote it (epoch milliseconds)."""

    source: TopicPartition
    offset: int
    time: int


async def commit_history(kafka: KafkaSettings, group: str) -> list[Commit]:
    """Every commit that a group ever made, from the log that Kafka keeps of them."""
    logs = await read_all(kafka, "__consumer_offsets")
    commits = [read_commit(record, group) for records in logs.values() for record in records if record.value]
    return [commit for commit in commits if commit is not None]


def read_commit(record: KafkaRecord, group: str) -> Commit | None:
    """A record of `__consumer_offsets`, if it is a commit of `group`."""
    (version,) = struct.unpack_from(">h", record.key)
    if version > 1:  # 2: group metadata
        return None
    texts, place = [], 2
    for _ in range(2):
        (length,) = struct.unpack_from(">h", record.key, place)
        texts.append(record.key[place + 2 : place + 2 + length].decode())
        place += 2 + length
    (partition,) = struct.unpack_from(">i", record.key, place)
    _value_version, offset = struct.unpack_from(">hq", record.value)
    return Commit(TopicPartition(texts[1], partition), offset, record.timestamp) if texts[0] == group else None


async def wait_until_all_committed(settings: Settings, topics: Iterable[str], timeout_seconds: float) -> None:
    """Wait until the group has committed the end of every partition of `topics`, twice in a row."""
    consumer = await open_consumer(settings.kafka)
    admin = await open_admin(settings.kafka)
    deadline = time.monotonic() + timeout_seconds
    try:
        counts = {topic: await topic_partitions(settings.kafka, topic) for topic in topics}
        sources = [TopicPartition(topic, partition) for topic, count in counts.items() for partition in range(count)]
        before = None
        while True:
            ends = await consumer.end_offsets(sources)
            committed = await committed_offsets(admin, settings.detect.group)
            behind = lagging(ends, committed)
            if not behind and before == ends:
                return
            before = ends
            assert time.monotonic() < deadline, f"not committed after {timeout_seconds} s: {behind}"
            await asyncio.sleep(1.0)
    finally:
        await admin.close()
        await consumer.stop()


async def committed_offsets(admin: AIOKafkaAdminClient, group: str) -> Mapping[TopicPartition, OffsetAndMetadata]:
    """What a group has committed; nothing while a young broker has no coordinator yet."""
    try:
        return await admin.list_consumer_group_offsets(group)
    except GroupCoordinatorNotAvailableError:
        return {}


def lagging(
    ends: Mapping[TopicPartition, int], committed: Mapping[TopicPartition, OffsetAndMetadata]
) -> dict[TopicPartition, tuple[int, int]]:
    """Partition → (committed, end) where they differ."""
    found = {source: committed[source].offset if source in committed else 0 for source in ends}
    return {source: (max(0, found[source]), end) for source, end in ends.items() if max(0, found[source]) < end}
