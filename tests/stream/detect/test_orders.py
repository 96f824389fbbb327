"""Orders among the samples, and states that are due, in the detect agent's steps; on fakes."""

import msgspec
import pytest
from aiokafka.errors import KafkaError

from detectors.commands import Answer, ModelReset, ModelRollback, Order
from detectors.samples import Source
from detectors.saves import SavedState, TakenState
from tests.stream.detect.test_flow import Bench, batch_of, sample

TAKEN = TakenState("a", 5.0, 1, b"what was learned")


def order(offset: int, *, back: bool) -> bytes:
    """A record's value: an order to host a."""
    kind = ModelRollback if back else ModelReset
    command = kind(id=f"c{offset}", host="a", time=1.0, by="ann", reason="x")
    return msgspec.json.encode(Order("a", Source("commands", 0, offset), command))


def answers(bench: Bench) -> list[str]:
    """What was answered."""
    published = bench.outbox.published.get("commands", [])
    return [msgspec.json.decode(message.value or b"", type=Answer).words for message in published]


async def test_an_order_is_carried_out_in_its_place() -> None:
    """After the samples before it and before those after it; the answer is keyed by host."""
    bench, batch = Bench(), batch_of(sample("a", 0), sample("a", 1), order(0, back=False), sample("a", 2))
    await bench.own()
    await bench.detect.handle(batch)
    assert answers(bench) == ["2 None"]
    assert [message.key for message in bench.outbox.published["commands"]] == [b"a"]
    assert bench.shard.tallies[0].samples == 3


async def test_a_state_that_is_due_is_saved_before_the_next_record() -> None:
    """So a rollback right behind it finds it."""
    bench = Bench()
    await bench.own()
    bench.shard.taken.append(TAKEN)
    await bench.detect.handle(batch_of(sample("a", 0), order(0, back=True)))
    assert bench.shard.states == {"a": SavedState(5.0, 0, 16)}
    assert answers(bench) == ["1 b'what was learned'"]


async def test_a_state_that_is_gone_is_told_to_the_model() -> None:
    """It answers the operator; nobody waits."""
    bench = Bench()
    await bench.own()
    bench.shard.note_state("a", SavedState(5.0, 77, 16))
    await bench.detect.handle(batch_of(sample("a", 0), order(0, back=True)))
    assert answers(bench) == ["1 None"]


async def test_only_a_rollback_reads_a_saved_state() -> None:
    """A reset asks for none, though one is there."""
    bench = Bench()
    await bench.own()
    bench.shard.taken.append(TAKEN)
    await bench.detect.handle(batch_of(sample("a", 0), order(0, back=False)))
    assert answers(bench) == ["1 None"]


async def test_answers_are_durable_before_the_state_that_they_tell_of() -> None:
    """If one cannot be written the rows are not saved: a replay carries the order out again, and answers again."""
    bench, batch = Bench(fails_on="commands"), batch_of(sample("a", 0), order(0, back=False))
    await bench.own()
    with pytest.raises(KafkaError):
        await bench.detect.handle(batch)
    await bench.shards.settle()
    assert (batch.is_done, bench.state.written) == (False, {})
