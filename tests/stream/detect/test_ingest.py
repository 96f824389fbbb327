"""The ingest agent's steps on one batch, with fakes for Kafka."""

import time

import msgspec
import pytest
from aiokafka import ConsumerRecord
from aiokafka.errors import BrokerResponseError, KafkaError
from prometheus_client import CollectorRegistry

from detectors.samples import MetricSample, Sample, UnreadSample
from stream.detect.deadletters import VALUE_BYTES_MAXIMUM, DeadLetters, Letter
from stream.detect.ingest import Feed, Ingest
from stream.detect.offsets import Batch, Partition
from stream.detect.transport import KafkaBatch
from stream.metrics import DetectMetrics
from stream.testing import FakeOutbox, kafka_record
from stream.wire import WireLimits


class Bench:
    """Ingest on fakes."""

    def __init__(self, fails_on: str = "") -> None:
        self.outbox = FakeOutbox(fails_on)
        self.registry = CollectorRegistry()
        self.ingest = Ingest(
            (Feed("metrics", "telegraf", "metrics"), Feed("logs", "auto", "logs")),
            "samples",
            WireLimits(),
            self.outbox,
            DeadLetters(self.outbox, "dead"),
            DetectMetrics(self.registry),
        )

    def count(self, name: str, **labels: str) -> float | None:
        """A counter's value."""
        return self.registry.get_sample_value(name, labels)


def metric(host: str, value: float) -> bytes:
    """A good record."""
    return msgspec.json.encode(
        {"name": "cpu", "tags": {"host": host}, "fields": {"usage": value}, "timestamp": time.time()}
    )


def batch_of(*values: bytes | None, topic: str = "metrics") -> KafkaBatch:
    """A batch of records with these values."""
    return Batch(Partition(topic, 3), [kafka_record(topic, 3, offset, value) for offset, value in enumerate(values)])


async def test_good_records_become_samples_keyed_by_host() -> None:
    """Order is kept, each sample knows its place, and the batch is done after all was acknowledged."""
    bench, batch = Bench(), batch_of(metric("a", 1.0), metric("b", 2.0), metric("a", 3.0))
    await bench.ingest.handle(batch)
    published = bench.outbox.published["samples"]
    samples = [msgspec.json.decode(message.value or b"", type=Sample) for message in published]
    assert [message.key for message in published] == [b"a", b"b", b"a"]
    assert [(sample.source.partition, sample.source.offset) for sample in samples] == [(3, 0), (3, 1), (3, 2)]
    assert [sample.values["cpu.usage"] for sample in samples if isinstance(sample, MetricSample)] == [1.0, 2.0, 3.0]
    assert batch.is_done


async def test_bad_records_are_buried_with_reason_and_place_and_harm_no_other() -> None:
    """The dead letter holds key and value as they came."""
    bench, batch = Bench(), batch_of(b"garbage", metric("a", 1.0), None)
    await bench.ingest.handle(batch)
    buried = bench.outbox.published["dead"]
    headers = [dict(message.headers) for message in buried]
    assert [message.value for message in buried] == [b"garbage", None]
    assert [found["error.reason"] for found in headers] == [b"malformed", b"tombstone"]
    assert [(found["src.topic"], found["src.partition"], found["src.offset"]) for found in headers] == [
        (b"metrics", b"3", b"0"),
        (b"metrics", b"3", b"2"),
    ]
    assert len(bench.outbox.published["samples"]) == 1
    assert bench.count("tidegate_detect_records_rejected_total", reason="malformed") == 1.0
    assert bench.count("tidegate_detect_records_total", source="metrics") == 3.0


@pytest.mark.parametrize("topic", ["dead", "samples"])
async def test_what_cannot_be_written_is_not_done(topic: str) -> None:
    """An exception leaves the agent, which ends the process; the batch is never committed."""
    bench, batch = Bench(fails_on=topic), batch_of(b"garbage", metric("a", 1.0))
    with pytest.raises(KafkaError):
        await bench.ingest.handle(batch)
    assert not batch.is_done


async def test_letters_are_written_before_samples() -> None:
    """A worker that dies between the two repeats samples, which change nothing the second time."""
    bench = Bench(fails_on="dead")
    with pytest.raises(BrokerResponseError):
        await bench.ingest.handle(batch_of(b"garbage", metric("a", 1.0)))
    assert "samples" not in bench.outbox.published


async def test_a_refused_record_is_a_sign_of_life_once_a_batch() -> None:
    """The last one of each host without a reading in the batch, in its place; a host with readings needs none."""
    late = metric("late", 1.0).replace(b'"timestamp":', b'"timestamp":1')
    batch = batch_of(late, metric("well", 1.0), late, metric("well", 1.0).replace(b"1.0", b"[]"), b'{"tags":')
    bench, before = Bench(), time.time()
    await bench.ingest.handle(batch)
    samples = [msgspec.json.decode(one.value or b"", type=Sample) for one in bench.outbox.published["samples"]]
    found = [(one.host, one.source.offset, type(one)) for one in samples]
    assert found == [("well", 1, MetricSample), ("late", 2, UnreadSample)]
    assert len(bench.outbox.published["dead"]) == 4
    assert all(before <= one.arrived <= time.time() for one in samples)


async def test_a_metric_without_a_number_is_counted_and_no_dead_letter() -> None:
    """Nor is the batch that it comes in; its host lives."""
    idle = msgspec.json.encode({"name": "m", "tags": {"host": "a"}, "fields": {"p": None}, "timestamp": time.time()})
    bench = Bench()
    await bench.ingest.handle(batch_of(idle, b'{"metrics":[' + idle + b"," + metric("b", 2.0) + b"]}"))
    assert not bench.outbox.published["dead"]
    samples = [msgspec.json.decode(one.value or b"", type=Sample) for one in bench.outbox.published["samples"]]
    assert [(one.host, type(one)) for one in samples] == [("a", UnreadSample), ("b", MetricSample)]
    assert bench.count("tidegate_detect_metrics_empty_total") == 2.0
    assert bench.count("tidegate_detect_values_dropped_total", reason="null") == 2.0


def record(**changes: object) -> ConsumerRecord[bytes, bytes]:
    """A record with some attributes changed."""
    found = kafka_record("metrics", 3, 7, b"v")
    for name, value in changes.items():
        object.__setattr__(found, name, value)
    return found


def test_a_huge_value_is_cut_and_its_length_is_kept() -> None:
    """With its headers a record of the largest size would not fit the dead-letter topic."""
    message = Letter(record(value=b"x" * (VALUE_BYTES_MAXIMUM + 5)), "oversize", "").message()
    assert message.value is not None
    assert (len(message.value), dict(message.headers)["src.value.bytes"]) == (VALUE_BYTES_MAXIMUM, b"1000005")


def test_a_hostile_detail_fits_a_header() -> None:
    """Lone surrogates and endless text in an error message do not stop the letter."""
    message = Letter(record(), "malformed", "\ud800" + "x" * 10_000).message()
    detail = dict(message.headers)["error.detail"]
    assert detail.startswith(b"\\ud800x")
    assert len(detail) < 600
