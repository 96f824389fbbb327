"""The audit log on a real Kafka: appended, read back, followed, refused when it is another, checked for tampering."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import msgspec
import pytest
from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete

from remediations.chain import GENESIS, FaultKind
from remediations.records import EngineStarted, Entry, IncidentClosed, Record, Seen
from stream.audit.cloudevents import KNOWN_TYPES, decode
from stream.audit.log import AuditLog, open_log, open_reader, read_head, verify_log
from stream.broker.embedded import EmbeddedBroker
from stream.errors import AppendLostError, AuditError
from stream.kafka import open_admin, open_producer
from stream.settings import KafkaSettings, Settings
from stream.topics import ensure_topics, tidegate_topics
from tests.kafka import Kafka

NOW = 1_700_000_000.0
ENGINE = EngineStarted(engine="e1", version="1", policy_digest="p", playbook_digests={})


def closed(number: int) -> IncidentClosed:
    """A small record that is easy to tell apart."""
    return IncidentClosed(incident_id=f"{number:032x}", host="h1", reason="recovered")


async def audit_topic(kafka: Kafka) -> Settings:
    """Settings whose audit topic exists."""
    settings = kafka.settings(partitions=1)
    await ensure_topics(settings, [topic for topic in tidegate_topics(settings) if topic.name == settings.topics.audit])
    return settings


def opened(
    settings: Settings, folder: Path, entries: list[Entry] | None = None
) -> AbstractAsyncContextManager[AuditLog]:
    """The log of a test engine, folding into a list."""
    fold: Callable[[Entry], None] = (entries if entries is not None else []).append
    return open_log(settings.kafka, settings.topics.audit, writer="e1", head_file=folder / "head.json", fold=fold)


async def append_all(log: AuditLog, count: int) -> list[Entry]:
    """Append so many different records, one after the other."""
    return [await log.append(closed(number), NOW) for number in range(count)]


async def test_an_append_returns_when_its_record_is_folded(kafka: Kafka, tmp_path: Path) -> None:
    """After an append the fold has seen the record, and the head stands on it."""
    settings, entries = await audit_topic(kafka), list[Entry]()
    async with opened(settings, tmp_path, entries) as log:
        entry = await log.append(ENGINE, NOW)
        assert [entry] == entries
        assert (entry.offset, entry.record, entry.seen) == (0, ENGINE, GENESIS)
        assert entry.offset == log.head.offset
        assert log.head == read_head(tmp_path / "head.json")


async def test_each_record_names_the_state_it_was_written_on(kafka: Kafka, tmp_path: Path) -> None:
    """`seen` of a record is the head its writer had folded: the record before, when there is one writer."""
    settings = await audit_topic(kafka)
    async with opened(settings, tmp_path) as log:
        entries = await append_all(log, 5)
    assert [entry.seen.offset for entry in entries] == [-1, 0, 1, 2, 3]
    async with open_reader(settings.kafka, settings.topics.audit) as reader:
        heads = [read.head async for read in reader.read_all()]
    assert heads[:-1] == [entry.seen for entry in entries[1:]]


async def test_a_second_engine_follows_the_first(kafka: Kafka, tmp_path: Path) -> None:
    """Two logs fold the same entries in the same order, whoever wrote them."""
    settings, left, right = await audit_topic(kafka), list[Entry](), list[Entry]()
    (tmp_path / "other").mkdir()
    async with opened(settings, tmp_path, left) as one, opened(settings, tmp_path / "other", right) as two:
        await asyncio.gather(append_all(one, 20), append_all(two, 20))
        await one.catch_up()
        await two.catch_up()
        assert one.head == two.head
    assert left == right
    assert len(left) == 40


async def test_a_reopened_log_folds_everything_again(kafka: Kafka, tmp_path: Path) -> None:
    """Opening folds the whole log, so a restarted engine has the same state."""
    settings, first, second = await audit_topic(kafka), list[Entry](), list[Entry]()
    async with opened(settings, tmp_path, first) as log:
        await append_all(log, 7)
    async with opened(settings, tmp_path, second) as log:
        assert log.head.offset == 6
    assert first == second


@pytest.mark.parametrize(
    ("head", "told"),
    [
        pytest.param(Seen(offset=9, chain="ab" * 32), "it ends at offset 2", id="shorter"),
        pytest.param(Seen(offset=1, chain="ab" * 32), "that record is another one", id="other"),
    ],
)
async def test_another_log_than_the_one_seen_before_is_refused(
    kafka: Kafka, tmp_path: Path, head: Seen, told: str
) -> None:
    """An engine never works on a log that is shorter than, or not, the one it has seen."""
    settings = await audit_topic(kafka)
    async with opened(settings, tmp_path) as log:
        await append_all(log, 3)
    (tmp_path / "head.json").write_bytes(msgspec.json.encode(head))
    with pytest.raises(AuditError, match=told) as refused:
        async with opened(settings, tmp_path):
            pytest.fail("the log was opened")
    assert str(tmp_path / "head.json") in str(refused.value)


async def test_damaged_and_unknown_records_stay_in_the_chain(kafka: Kafka, tmp_path: Path) -> None:
    """What can not be read is folded as an entry without record, counted if damaged, and never stops the log."""
    settings, entries = await audit_topic(kafka), list[Entry]()
    async with opened(settings, tmp_path) as log:
        await log.append(ENGINE, NOW)
    async with open_reader(settings.kafka, settings.topics.audit) as reader:
        (known,) = [read.value async for read in reader.read_all()]
    newer = known.replace(b"io.tidegate.engine.started.v1", b"io.tidegate.engine.dreamt.v9")
    await produce(settings.kafka, settings.topics.audit, [newer, b"\xff not json", None])
    async with opened(settings, tmp_path, entries) as log:
        entry = await log.append(closed(1), NOW)
        assert log.damaged == 2
    assert [ENGINE, None, None, None, closed(1)] == [entry.record for entry in entries]
    assert entry.seen.offset == 3


async def test_the_wire_form_is_a_cloud_event(kafka: Kafka, tmp_path: Path) -> None:
    """Records are structured CloudEvents 1.0 with the incident as partition key and `seen` as extension attributes."""
    settings = await audit_topic(kafka)
    async with opened(settings, tmp_path) as log:
        await log.append(closed(5), NOW)
    async with open_reader(settings.kafka, settings.topics.audit) as reader:
        (value,) = [read.value async for read in reader.read_all()]
    event = msgspec.json.decode(value)
    assert {
        "specversion": "1.0",
        "source": "/tidegate/engine/e1",
        "type": "io.tidegate.incident.closed.v1",
        "time": "2023-11-14T22:13:20.000+00:00",
        "datacontenttype": "application/json",
        "partitionkey": f"{5:032x}",
        "seenoffset": -1,
        "seenchain": "0" * 64,
    } == {name: event[name] for name in event if name not in {"id", "data"}}
    assert closed(5) == decode(value).record


async def produce(kafka: KafkaSettings, topic: str, values: list[bytes | None]) -> None:
    """Write values to partition 0 of a topic, as somebody who is not Tidegate could."""
    producer = await open_producer(kafka)
    try:
        for value in values:
            await producer.send_and_wait(topic, value, key=b"forged", partition=0)
    finally:
        await producer.stop()


def edit(values: list[bytes]) -> list[bytes]:
    """Change one word of record 4."""
    return [*values[:4], values[4].replace(b"recovered", b"verified!"), *values[5:]]


def drop(values: list[bytes]) -> list[bytes]:
    """Leave record 4 out."""
    return values[:4] + values[5:]


def swap(values: list[bytes]) -> list[bytes]:
    """Exchange records 4 and 5."""
    return [*values[:4], values[5], values[4], *values[6:]]


def cut(values: list[bytes]) -> list[bytes]:
    """Leave the last two records out."""
    return values[:-2]


@pytest.mark.parametrize(
    ("tamper", "found"),
    [
        pytest.param(list, None, id="copied"),
        pytest.param(edit, FaultKind.CHANGED, id="edited"),
        pytest.param(drop, FaultKind.MISPLACED, id="dropped"),
        pytest.param(swap, FaultKind.MISPLACED, id="swapped"),
        pytest.param(cut, FaultKind.TRUNCATED, id="truncated"),
    ],
)
async def test_verification_finds_what_was_tampered_with(
    kafka: Kafka, tmp_path: Path, tamper: Callable[[list[bytes]], list[bytes]], found: FaultKind | None
) -> None:
    """A log copied with one record edited, dropped, swapped or cut off is told from the true one."""
    true, forged = await audit_topic(kafka), await audit_topic(kafka)
    async with opened(true, tmp_path) as log:
        await append_all(log, 12)
        head = log.head
    async with open_reader(true.kafka, true.topics.audit) as reader:
        values = [read.value async for read in reader.read_all()]
    await produce(forged.kafka, forged.topics.audit, list(tamper(values)))
    report = await verify_log(forged.kafka, forged.topics.audit, checkpoints=[head])
    assert found == (report.fault.kind if report.fault else None)
    whole = await verify_log(true.kafka, true.topics.audit, checkpoints=[head])
    assert (head, 12, None) == (whole.head, whole.records, whole.fault)


async def test_an_append_that_fails_is_looked_up_and_told(kafka: Kafka, tmp_path: Path) -> None:
    """A record that Kafka does not take is looked for in the log, reported as lost, and the log goes on after it."""
    settings = await audit_topic(kafka)
    async with opened(settings, tmp_path) as log:
        await append_all(log, 2)
        with pytest.raises(AppendLostError, match="MessageSizeTooLarge"):
            await log.append(msgspec.structs.replace(closed(1), reason="x" * 3_000_000), NOW)
        assert log.lookups == 1
        entry = await log.append(closed(2), NOW)
        assert entry.offset == 2


async def test_a_log_whose_beginning_was_deleted_is_refused(kafka: Kafka, tmp_path: Path) -> None:
    """Records that retention or an administrator removed are missed at once."""
    settings = await audit_topic(kafka)
    async with opened(settings, tmp_path) as log:
        await append_all(log, 4)
    await delete_records(settings, before=2)
    with pytest.raises(AuditError, match="begins at offset 2, not 0"):
        await verify_log(settings.kafka, settings.topics.audit)


async def delete_records(settings: Settings, before: int) -> None:
    """Remove the records below an offset, as an administrator can."""
    admin = await open_admin(settings.kafka)
    try:
        await admin.delete_records({TopicPartition(settings.topics.audit, 0): RecordsToDelete(before_offset=before)})
    finally:
        await admin.close()


async def test_a_broker_that_comes_back_changes_nothing(
    private_broker: Callable[[], EmbeddedBroker], tmp_path: Path
) -> None:
    """Appends block while the broker is away and are written exactly once when it is back."""
    broker = private_broker()
    settings = await audit_topic(Kafka(broker.bootstrap_servers))
    async with opened(settings, tmp_path) as log:
        await append_all(log, 5)
        await asyncio.to_thread(broker.kill)
        late = asyncio.create_task(append_all(log, 5))
        await asyncio.sleep(3)
        assert not late.done()
        await asyncio.to_thread(broker.start)
        entries = await asyncio.wait_for(late, 60)
    assert [entry.offset for entry in entries] == [5, 6, 7, 8, 9]
    report = await verify_log(settings.kafka, settings.topics.audit)
    assert (report.records, report.fault) == (10, None)


def test_every_record_has_a_wire_type() -> None:
    """No record type is forgotten by the wire form."""
    assert len(Record.__value__.__args__) == len(KNOWN_TYPES)
