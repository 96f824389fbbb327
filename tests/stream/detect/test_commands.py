"""The relay: what it makes of records of the commands topic, on fakes."""

import time

import msgspec
import pytest
from aiokafka.errors import KafkaError
from prometheus_client import CollectorRegistry

from detectors.commands import Answer, Command, MaintenanceStart, ModelReset, Order, Refusal
from detectors.samples import Source
from stream.detect.commands import Relay
from stream.detect.deadletters import DeadLetters
from stream.detect.offsets import Batch, Partition
from stream.detect.transport import KafkaBatch
from stream.metrics import DetectMetrics
from stream.testing import FakeOutbox, kafka_record

COMMANDS, SAMPLES = "commands", "samples"
BROKER_SECONDS = 1_700_000_000.0  # when the broker appended the records of `kafka_record`
FOREVER = 1e12


def relay_of(outbox: FakeOutbox, age_maximum_seconds: float = FOREVER) -> Relay:
    """A relay on a fake outbox."""
    metrics = DetectMetrics(CollectorRegistry())
    return Relay((COMMANDS, SAMPLES), age_maximum_seconds, outbox, DeadLetters(outbox, "dead"), metrics)


def reset_of(host: str) -> ModelReset:
    """A command."""
    return ModelReset(id=f"id-{host}", host=host, time=BROKER_SECONDS, by="ann@desk", reason="new disk")


def batch_of(*values: bytes | None) -> KafkaBatch:
    """A batch of the commands topic."""
    records = [kafka_record(COMMANDS, 0, 40 + place, value) for place, value in enumerate(values)]
    return Batch(Partition(COMMANDS, 0), records)


def encoded(record: Command | Answer) -> bytes:
    """A record's value."""
    return msgspec.json.encode(record)


async def test_a_command_becomes_an_order_for_its_host() -> None:
    """It is keyed by host, as samples are, and names its place in the commands topic; then the batch is done."""
    outbox, batch = FakeOutbox(), batch_of(encoded(reset_of("b")), encoded(reset_of("a")))
    await relay_of(outbox).handle(batch)
    orders = [
        (message.key, msgspec.json.decode(message.value or b"", type=Order)) for message in outbox.published[SAMPLES]
    ]
    assert orders == [
        (b"b", Order("b", Source(COMMANDS, 0, 40), reset_of("b"))),
        (b"a", Order("a", Source(COMMANDS, 0, 41), reset_of("a"))),
    ]
    assert batch.is_done


async def test_answers_in_the_same_topic_are_passed_over() -> None:
    """Workers answer where they were asked."""
    outbox, batch = FakeOutbox(), batch_of(encoded(Answer(reset_of("a"), done=True, words="done")))
    await relay_of(outbox).handle(batch)
    assert (dict(outbox.published), batch.is_done) == ({}, True)


async def test_an_old_command_is_refused_by_name() -> None:
    """What nobody could carry out for long is not carried out by surprise; the broker's clock tells its age."""
    outbox = FakeOutbox()
    await relay_of(outbox, age_maximum_seconds=3600.0).handle(batch_of(encoded(reset_of("a"))))
    assert list(outbox.published) == [COMMANDS]
    (message,) = outbox.published[COMMANDS]
    answer = msgspec.json.decode(message.value or b"", type=Answer)
    assert (answer.done, answer.refusal, answer.command) == (False, Refusal.EXPIRED, reset_of("a"))
    assert "model.reset of a: given at 2023-11-14T22:13:20.000Z, more than 3600 s before" in answer.words


async def test_a_young_command_is_not_too_old_by_the_clock_of_its_writer() -> None:
    """An operator whose clock is wrong is heard all the same."""
    command = msgspec.structs.replace(reset_of("a"), time=0.0)
    outbox = FakeOutbox()
    age = time.time() - BROKER_SECONDS
    await relay_of(outbox, age_maximum_seconds=age + 1000.0).handle(batch_of(encoded(command)))
    assert list(outbox.published) == [SAMPLES]


def changed(**changes: object) -> bytes:
    """A command's value with other fields."""
    return msgspec.json.encode(msgspec.to_builtins(reset_of("a")) | changes)


BAD = {
    "nothing": None,
    "no JSON": b"reset web-1",
    "no object": b"[]",
    "unknown type": changed(type="model.destroy"),
    "unknown field": changed(force=True),
    "no host": changed(host=""),
    "host of endless length": changed(host="h" * 513),
    "nobody": changed(by=""),
    "endless reason": changed(reason="r" * 501),
    "time of another age": changed(time=1e300),
    "maintenance without an end": changed(type="maintenance.start"),
}


@pytest.mark.parametrize("value", BAD.values(), ids=BAD)
async def test_what_is_no_command_is_buried(value: bytes | None) -> None:
    """Whoever may write to the topic can not get anything else through to the models; the rest of the batch goes on."""
    outbox, batch = FakeOutbox(), batch_of(value, encoded(reset_of("a")))
    await relay_of(outbox).handle(batch)
    (letter,) = outbox.published["dead"]
    assert dict(letter.headers)["error.reason"] == b"bad_command"
    assert len(outbox.published[SAMPLES]) == 1
    assert batch.is_done


@pytest.mark.parametrize("topic", [SAMPLES, "dead", COMMANDS])
async def test_a_batch_that_can_not_be_passed_on_is_not_done(topic: str) -> None:
    """It is read again then: no command is lost."""
    outbox = FakeOutbox(fails_on=topic)
    old = topic == COMMANDS
    batch = batch_of(encoded(reset_of("a")), b"junk")
    with pytest.raises(KafkaError):
        await relay_of(outbox, age_maximum_seconds=60.0 if old else FOREVER).handle(batch)
    assert not batch.is_done


def test_every_command_survives_its_wire_format() -> None:
    """What the console writes is what the relay reads."""
    command = MaintenanceStart(id="1", host="a", time=1.0, by="ann", until=7201.0)
    assert msgspec.json.decode(encoded(command), type=Command | Answer) == command
