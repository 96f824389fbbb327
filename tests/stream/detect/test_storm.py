"""The at-least-once promise under storms: real workers, a real Kafka, and a check of everything that was recorded."""

import asyncio
import bisect
import signal
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest

from detectors.host import HostModel
from detectors.samples import Sample, UnreadSample
from detectors.settings import DetectorSettings
from detectors.signals import Notice, Signal
from stream.detect.outbox import Message, Outbox
from stream.detect.pages import Writer
from stream.detect.state import ShardLike, merge_record, restore
from stream.detect.workers import default_shards
from stream.kafka import open_producer
from stream.settings import Settings
from stream.testing import CountingShard, Tally
from stream.topics import APPEND_TIME, ensure_topics, tidegate_topics
from tests.kafka import Kafka
from tests.stream.detect.storm_worker import PoisonedShard
from tests.stream.detect.storms import (
    Commit,
    Fleet,
    KafkaRecord,
    Load,
    commit_history,
    produce,
    read_all,
    wait_until_all_committed,
)

PARTITIONS = 8
SESSION_SECONDS = 6.0
BAD_SAMPLES = 100
NEVER = 1 << 62

type Logs = dict[int, list[KafkaRecord]]


def storm_settings(kafka: Kafka) -> Settings:
    """Short sessions, and nobody ever silent: silence depends on the clock."""
    settings = kafka.settings(partitions=PARTITIONS)
    detect = msgspec.structs.replace(
        settings.detect, session_timeout_seconds=SESSION_SECONDS, silence_seconds=1e6, roster_seconds=5.0
    )
    return msgspec.structs.replace(settings, detect=detect)


async def make_topics(settings: Settings) -> None:
    """The topics, all with the broker's time, so that records and commits can be put in order."""
    topics = [msgspec.structs.replace(topic, may=dict(topic.may) | APPEND_TIME) for topic in tidegate_topics(settings)]
    await ensure_topics(settings, topics)


async def blow(fleet: Fleet, beat_seconds: float) -> None:
    """Workers join, leave, die, and are stopped for longer than their session."""
    for name in ("w0", "w1", "w2"):
        fleet.start(name)
    await fleet.wait_ready("w0", "w1", "w2")
    await asyncio.sleep(beat_seconds)
    fleet.start("w3")
    await asyncio.sleep(beat_seconds)
    assert await fleet.stop("w0") == {"w0": 0}
    await asyncio.sleep(beat_seconds)
    fleet.kill("w1")
    fleet.start("w4")
    await asyncio.sleep(beat_seconds)
    fleet.send("w2", signal.SIGSTOP)
    await asyncio.sleep(1.5 * SESSION_SECONDS)
    fleet.send("w2", signal.SIGCONT)
    await asyncio.sleep(beat_seconds)
    fleet.kill("w3")
    fleet.start("w5")
    fleet.send("w4", signal.SIGSTOP)
    await asyncio.sleep(1.5 * SESSION_SECONDS)
    fleet.send("w4", signal.SIGCONT)


async def spoil_samples(settings: Settings) -> None:
    """Somebody writes to the samples topic what is no sample."""
    producer = await open_producer(settings.kafka)
    values = (b"not a sample", None, b'{"type":"metrics"}', b"\xff", b"[]")
    try:
        for number in range(BAD_SAMPLES):
            message = Message(key=b"k", value=values[number % len(values)], partition=number % PARTITIONS)
            await Outbox(producer).publish(settings.topics.samples, [message])
            await asyncio.sleep(0.05)
    finally:
        await producer.stop()


class Recorded(msgspec.Struct, frozen=True):
    """All that a storm left in Kafka."""

    settings: Settings
    samples: Logs
    state: Logs
    letters: list[KafkaRecord]
    notices: list[KafkaRecord]
    commits: list[Commit]


async def recorded(settings: Settings) -> Recorded:
    """Read it all."""
    topics = settings.topics
    letters, notices = [await read_all(settings.kafka, topic) for topic in (topics.deadletter, topics.signals)]
    return Recorded(
        settings=settings,
        samples=await read_all(settings.kafka, topics.samples),
        state=await read_all(settings.kafka, topics.state),
        letters=[record for records in letters.values() for record in records],
        notices=notices[0],
        commits=await commit_history(settings.kafka, settings.detect.group),
    )


async def storm(settings: Settings, folder: Path, load: Load, kind: str, records: int, beat_seconds: float) -> Recorded:
    """Run one storm to its end: all committed, all workers stopped by SIGTERM with status 0."""
    await make_topics(settings)
    fleet = Fleet(folder, settings, kind)
    pause_seconds, slice_records = 0.1, 250
    try:
        async with asyncio.TaskGroup() as group:
            slices = [slice_records] * (records // slice_records)
            group.create_task(produce(settings.kafka, settings.topics.metrics, load, slices, pause_seconds))
            group.create_task(blow(fleet, beat_seconds))
            if kind == "counting":
                group.create_task(spoil_samples(settings))
        await wait_until_all_committed(settings, (settings.topics.metrics, settings.topics.samples), 60.0)
        assert fleet.ended() == {}
        statuses = await fleet.stop(*fleet.names)
        assert set(statuses.values()) == {0}
    finally:
        fleet.close()
    return await recorded(settings)


def decoded(record: KafkaRecord) -> Sample | None:
    """A sample, or None for what is none."""
    try:
        sample: Sample = msgspec.json.decode(record.value or b"", type=Sample)
    except msgspec.DecodeError:
        return None
    return sample


def calm_run(shard: ShardLike, records: Sequence[KafkaRecord]) -> list[Signal]:
    """What a single undisturbed worker would make of a partition."""
    signals = []
    for record in records:
        sample = decoded(record)
        if sample is not None:
            try:
                signals += shard.apply([(record.offset, sample)])
            except ZeroDivisionError:
                continue
    return signals


def saved_run(shard: ShardLike, pages: Sequence[KafkaRecord]) -> None:
    """What the state topic holds of a partition."""
    live: dict[bytes, bytes] = {}
    for record in pages:
        merge_record(live, record.key, record.value)
    restore(shard, live, Writer(1_000_000, "test"), 0.0)


def header(record: KafkaRecord, name: str) -> str:
    """A header of a dead letter."""
    return dict(record.headers)[name].decode()


def letters_from(storm_log: Recorded, topic: str) -> dict[tuple[int, int], list[KafkaRecord]]:
    """(partition, offset) of a source topic → its dead letters."""
    found = defaultdict(list)
    for record in storm_log.letters:
        if header(record, "src.topic") == topic:
            found[int(header(record, "src.partition")), int(header(record, "src.offset"))].append(record)
    return found


def ingested_at(storm_log: Recorded) -> dict[tuple[int, int], int]:
    """(partition, offset) of a metrics record → when it was first in the samples topic or the dead letter."""
    times: dict[tuple[int, int], int] = {}
    for records in storm_log.samples.values():
        for record in records:
            sample = decoded(record)
            if sample is not None:
                times.setdefault((sample.source.partition, sample.source.offset), record.timestamp)
    for place, letters in letters_from(storm_log, storm_log.settings.topics.metrics).items():
        times[place] = min(letter.timestamp for letter in letters)
    return times


def commits_of(storm_log: Recorded, topic: str) -> dict[int, list[Commit]]:
    """The commits of a topic by partition."""
    found = defaultdict(list)
    for commit in storm_log.commits:
        if commit.source.topic == topic:
            found[commit.source.partition].append(commit)
    return found


def check_ingest_never_ahead(storm_log: Recorded) -> int:
    """At every commit of the metrics topic all records before it were in the samples topic or the dead letter."""
    times = ingested_at(storm_log)
    checked = 0
    for partition, commits in commits_of(storm_log, storm_log.settings.topics.metrics).items():
        end = max(commit.offset for commit in commits)
        latest = latest_before([times.get((partition, offset), NEVER) for offset in range(end)])
        for commit in commits:
            assert latest[commit.offset] <= commit.time, f"{commit} was ahead of what was durable"
            checked += 1
    return checked


def latest_before(times: Sequence[int]) -> list[int]:
    """For every offset the latest time of the records before it."""
    latest = [0]
    for time in times:
        latest.append(max(latest[-1], time))
    return latest


def check_detect_never_ahead(storm_log: Recorded) -> int:
    """At every commit of the samples topic all tallies of samples before it were in pages, or in the dead letter."""
    checked = 0
    for partition, commits in commits_of(storm_log, storm_log.settings.topics.samples).items():
        durable = durable_at(storm_log, partition)
        latest = latest_before([durable(record) for record in storm_log.samples[partition]])
        for commit in commits:
            assert latest[commit.offset] <= commit.time, f"{commit} was ahead of what was durable"
            checked += 1
    return checked


def durable_at(storm_log: Recorded, partition: int) -> Callable[[KafkaRecord], int]:
    """When a record of a samples partition was durable: first held by a page, found dead, or known as a duplicate."""
    saved: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for page in storm_log.state[partition]:
        if page.value is not None:
            shard = CountingShard(partition)
            saved_run(shard, [page])
            for tally in shard.tallies:
                saved[tally.host].append((tally.applied_offset, page.timestamp))
    curves = {host: rising(points) for host, points in saved.items()}
    dead = letters_from(storm_log, storm_log.settings.topics.samples)
    places: dict[tuple[str, int], int] = {}

    def when(record: KafkaRecord) -> int:
        sample = decoded(record)
        if sample is None or (partition, record.offset) in dead:
            return min((letter.timestamp for letter in dead[partition, record.offset]), default=NEVER)
        if isinstance(sample, UnreadSample):
            return 0  # a sign of life leaves nothing that must be durable
        place = (sample.source.topic, sample.source.partition)
        if sample.source.offset <= places.get((sample.host, place[1]), -1):
            return 0
        places[sample.host, place[1]] = sample.source.offset
        offsets, times = curves.get(sample.host, ([], []))
        at = bisect.bisect_left(offsets, record.offset)
        return times[at] if at < len(times) else NEVER

    return when


def rising(points: list[tuple[int, int]]) -> tuple[list[int], list[int]]:
    """Offsets in order, and for each the earliest time at which that offset or a higher one was saved."""
    points.sort()
    times: list[int] = []
    for _offset, time in reversed(points):
        times.append(min(time, times[-1]) if times else time)
    return [offset for offset, _time in points], times[::-1]


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_storm_loses_nothing_and_commits_nothing_early(kafka: Kafka, tmp_path: Path) -> None:
    """100 000 records, workers joining, leaving, killed, stopped: all used or dead-lettered, state as of a calm run."""
    load = Load(seed=20, hosts=40, poison_every=100, breaks_shard=True)
    storm_log = await storm(storm_settings(kafka), tmp_path, load, "counting", records=100_000, beat_seconds=4.0)

    tallies: dict[str, Tally] = {}
    for partition, records in storm_log.samples.items():
        calm, saved = PoisonedShard(partition), CountingShard(partition)
        calm_run(calm, records)
        saved_run(saved, storm_log.state[partition])
        assert {tally.host: tally for tally in saved.tallies} == {tally.host: tally for tally in calm.tallies}
        tallies |= {tally.host: tally for tally in calm.tallies}
    assert {host: tally.samples for host, tally in tallies.items()} == load.good

    reasons = Counter(
        header(letters[0], "error.reason")
        for letters in letters_from(storm_log, storm_log.settings.topics.metrics).values()
    )
    broken = letters_from(storm_log, storm_log.settings.topics.samples)
    reasons += Counter(header(letters[0], "error.reason") for letters in broken.values())
    assert reasons["bad_sample"] == BAD_SAMPLES
    assert reasons["processing_failed"] >= load.bad["processing_failed"]  # a sample twice in the topic dies twice
    assert {r: n for r, n in reasons.items() if r in load.bad and r != "processing_failed"} == {
        r: n for r, n in load.bad.items() if r != "processing_failed"
    }
    assert check_ingest_never_ahead(storm_log) > 100
    assert check_detect_never_ahead(storm_log) > 100


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_storm_leaves_the_models_as_a_calm_run(kafka: Kafka, tmp_path: Path) -> None:
    """The shipped models after a storm are those of a calm run, byte for byte, and so are the signals."""
    settings = storm_settings(kafka)
    load = Load(seed=21, hosts=24, poison_every=100, breaks_shard=False, keyed=True)
    storm_log = await storm(settings, tmp_path, load, "models", records=50_000, beat_seconds=2.0)

    wanted: set[str] = set()
    for partition, records in storm_log.samples.items():
        make = default_shards(settings.detect)
        calm, saved = make(partition), make(partition)
        wanted |= {raised.id for raised in calm_run(calm, records)}
        saved_run(saved, storm_log.state[partition])
        assert rows_of(saved) == rows_of(calm)
    notices = [msgspec.json.decode(record.value, type=Notice) for record in storm_log.notices]
    assert {notice.id for notice in notices if isinstance(notice, Signal)} == wanted
    assert wanted, "the load raises no signal: the test shows nothing"


def rows_of(shard: ShardLike) -> dict[str, bytes]:
    """Row states by host, without the places of saved states in their topic: a calm run saves none."""
    rows = {}
    for row, status in enumerate(shard.roster(0.0)):
        host = HostModel.decode(shard.row_state(row), 0, DetectorSettings())
        host.upkeep.saves.clear()
        rows[status.host] = host.encode()
    return rows
