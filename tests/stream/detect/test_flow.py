"""The detect agent's steps, the saving of state and the watch, with fakes for Kafka and the models."""

import asyncio
import time

import msgspec
import pytest
from aiokafka.errors import KafkaError
from prometheus_client import CollectorRegistry

from detectors.samples import MetricSample, Source
from detectors.signals import HostState, HostStatus, Notice, Unread
from stream.detect.client_thread import FetchState
from stream.detect.deadletters import DeadLetters
from stream.detect.flow import Detect
from stream.detect.offsets import Batch, Partition
from stream.detect.orders import Orders
from stream.detect.pages import decode_page
from stream.detect.shards import Shards
from stream.detect.transport import KafkaBatch
from stream.detect.watch import Watch
from stream.metrics import DetectMetrics
from stream.testing import FakeModels, FakeOutbox, FakeState, ScriptedShard, kafka_record

SAMPLES = "samples"
FOREVER = float("inf")


class Bench:
    """One worker that owns partition 0, on fakes."""

    def __init__(self, fails_on: str = "") -> None:
        self.outbox = FakeOutbox(fails_on)
        self.state = FakeState()
        self.registry = CollectorRegistry()
        self.metrics = DetectMetrics(self.registry)
        self.shard = ScriptedShard(0)
        self.shards = Shards(SAMPLES, self.state, lambda _partition: self.shard, 1e6, self.metrics)
        self.models = FakeModels()
        orders = Orders(self.models, "commands", self.outbox)
        dead_letters = DeadLetters(self.outbox, "dead")
        self.detect = Detect(self.shards, "signals", orders, self.outbox, dead_letters, self.metrics)
        self.watch = Watch(self.shards, self.outbox, (SAMPLES, "signals"), 60.0, self.metrics)
        self.fetch_state: FetchState | None = None

    async def own(self, offset: int = 0) -> None:
        """Assign the partition."""
        source = Partition(SAMPLES, 0)
        await self.shards.recover(frozenset({source}), 1)
        self.shards.begin({source: offset}, {}, ())

    async def turn(self, end_offset: int, told_ago_seconds: float = 0.0) -> None:
        """The watch looks; the broker has said that the log ends there."""
        told = FetchState(end_offset, time.time() - told_ago_seconds)

        async def ask(_source: Partition) -> FetchState:
            return told

        await self.watch.turn(ask)

    def notices(self) -> list[Notice]:
        """What was published to the signals topic."""
        return [
            msgspec.json.decode(message.value or b"", type=Notice)
            for message in self.outbox.published.get("signals", [])
        ]


def sample(host: str, offset: int) -> bytes:
    """A record's value; hosts named `breaks` make the fake shard raise, hosts named `signals` make it signal."""
    return msgspec.json.encode(MetricSample(host, time.time(), {}, Source("metrics", 0, offset)))


def batch_of(*values: bytes | None, first: int = 0) -> KafkaBatch:
    """A batch of the samples topic."""
    return Batch(
        Partition(SAMPLES, 0), [kafka_record(SAMPLES, 0, first + place, value) for place, value in enumerate(values)]
    )


async def test_a_batch_is_done_only_when_its_state_is_saved() -> None:
    """Applying and signalling is not enough."""
    bench, batch = Bench(), batch_of(sample("a", 0), sample("b", 1))
    await bench.own()
    await bench.detect.handle(batch)
    assert not batch.is_done
    await bench.shards.settle()
    assert batch.is_done
    (record,) = bench.state.written[0]
    assert len(decode_page(record.key, record.value or b"").rows) == 2


async def test_a_batch_that_changes_nothing_is_done_at_once() -> None:
    """Duplicates leave no page to wait for."""
    bench, batch = Bench(), batch_of(sample("a", 0), first=5)
    await bench.own()
    bench.shard.apply([(4, msgspec.json.decode(sample("a", 0), type=MetricSample))])
    bench.shard.take_dirty()
    await bench.detect.handle(batch)
    assert batch.is_done
    assert bench.registry.get_sample_value("tidegate_detect_left_out_total", {"kind": "duplicates"}) == 1.0


async def test_signals_are_durable_before_the_state_that_gave_them() -> None:
    """If the signal cannot be written the rows are not saved: a replay gives the signal again."""
    bench, batch = Bench(fails_on="signals"), batch_of(sample("signals", 0))
    await bench.own()
    with pytest.raises(KafkaError):
        await bench.detect.handle(batch)
    await bench.shards.settle()
    assert (batch.is_done, bench.state.written) == (False, {})


async def test_one_record_that_breaks_the_models_is_buried_alone() -> None:
    """Signals of the records before and after it are not lost with it."""
    bench = Bench()
    await bench.own()
    await bench.detect.handle(batch_of(sample("signals", 0), sample("breaks", 1), sample("signals-too", 2)))
    (letter,) = bench.outbox.published["dead"]
    assert dict(letter.headers)["error.reason"] == b"processing_failed"
    assert [notice.host for notice in bench.notices()] == ["signals", "signals-too"]


@pytest.mark.parametrize("value", [None, b"", b"[]", b"\xff", b'{"type":"metrics"}', b'{"type":"other"}'])
async def test_what_is_no_sample_is_buried(value: bytes | None) -> None:
    """Somebody else wrote to the samples topic."""
    bench, batch = Bench(), batch_of(value)
    await bench.own()
    await bench.detect.handle(batch)
    (letter,) = bench.outbox.published["dead"]
    assert dict(letter.headers)["error.reason"] == b"bad_sample"
    assert batch.is_done


async def test_a_batch_of_a_partition_that_is_gone_is_left_alone() -> None:
    """Its next owner reads it again."""
    bench, batch = Bench(), batch_of(sample("a", 0))
    await bench.detect.handle(batch)
    assert not batch.is_done


async def test_settling_gives_up_after_two_seconds() -> None:
    """A state topic that does not answer must not hold up a rebalance; what is not saved is replayed."""
    bench, batch = Bench(), batch_of(sample("a", 0))
    await bench.own()
    await bench.detect.handle(batch)
    bench.state.hangs = True
    started = time.monotonic()
    await bench.shards.settle()
    assert 1.9 < time.monotonic() - started < 4.0
    assert not batch.is_done


async def test_pages_are_written_by_themselves() -> None:
    """Without any further record a batch becomes done."""
    bench, batch = Bench(), batch_of(sample("a", 0))
    await bench.own()
    saving = asyncio.create_task(bench.shards.save_forever())
    await bench.detect.handle(batch)
    async with asyncio.timeout(5.0):
        while not batch.is_done:  # noqa: ASYNC110 - a batch has no event to wait for
            await asyncio.sleep(0.05)
    saving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await saving


async def test_recovered_state_is_what_was_saved() -> None:
    """The next owner begins with the rows of the last."""
    bench, heir = Bench(), Bench()
    await bench.own()
    await bench.detect.handle(batch_of(sample("a", 0), sample("b", 1), sample("a", 2)))
    await bench.shards.settle()
    heir.state.pages = bench.state.pages
    await heir.own()
    assert heir.shard.tallies == bench.shard.tallies


async def test_silence_is_only_measured_while_caught_up() -> None:
    """Neither a backlog nor a broker that does not answer lets the quiet clock run."""
    bench = Bench()
    await bench.own(offset=10)
    await bench.turn(end_offset=10)  # the first look only learns where the log ends
    await bench.turn(end_offset=500)
    assert len(bench.shard.ticks) == 1
    await bench.turn(end_offset=500)  # ten processed of five hundred
    await bench.turn(end_offset=10, told_ago_seconds=60.0)
    assert len(bench.shard.ticks) == 1


async def test_the_roster_tells_changes_at_once_and_all_now_and_then() -> None:
    """A host whose state stays is not told again until the minute is over."""
    bench = Bench()
    await bench.own()
    bench.shard.statuses = [status("a", HostState.YOUNG), status("b", HostState.NORMAL)]
    await bench.turn(end_offset=0)
    await bench.turn(end_offset=0)
    await bench.turn(end_offset=0)
    bench.shard.statuses = [status("a", HostState.NORMAL), status("b", HostState.NORMAL)]
    await bench.turn(end_offset=0)
    told = [(notice.host, notice.state) for notice in bench.notices() if isinstance(notice, HostStatus)]
    assert told == [("a", HostState.YOUNG), ("b", HostState.NORMAL), ("a", HostState.NORMAL)]


async def test_whose_readings_can_not_be_used_is_told_at_once_and_counted_by_reason() -> None:
    """A new reason is news, and so is a clock that is found to be off; a further record of the same kind is none."""
    bench, unread = Bench(), Unread("in_future", "70 s ahead", 1.0, 2.0)
    await bench.own()
    well, bad = status("a", HostState.NORMAL), status("b", HostState.UNREADABLE)
    bad = msgspec.structs.replace(bad, unread=unread)
    later = msgspec.structs.replace(bad, unread=msgspec.structs.replace(unread, last_time=3.0))
    other = msgspec.structs.replace(bad, unread=msgspec.structs.replace(unread, reason="oversize"))
    off = msgspec.structs.replace(other, behind_seconds=-70.0)
    for statuses in ([well, bad], [well, bad], [well, later], [well, other], [well, off]):
        bench.shard.statuses = statuses
        await bench.turn(end_offset=0)
    told = [(one.host, one.unread and one.unread.reason) for one in bench.notices() if isinstance(one, HostStatus)]
    assert told == [("a", None), ("b", "in_future"), ("b", "oversize"), ("b", "oversize")]
    counted = bench.registry.get_sample_value
    assert counted("tidegate_detect_hosts", {"state": "unreadable"}) == 1.0
    assert counted("tidegate_detect_hosts_unreadable", {"reason": "oversize"}) == 1.0
    assert counted("tidegate_detect_hosts_unreadable", {"reason": "in_future"}) == 0.0
    assert counted("tidegate_detect_hosts_clock_off") == 1.0


def status(host: str, state: HostState) -> HostStatus:
    """An entry of the roster."""
    return HostStatus(host, state, 0.0, 0.0, 0.0, 1, 1, 0)


async def test_paused_hosts_stay_paused_in_a_new_shard() -> None:
    """Partitions that come later are told as well; hosts no longer named learn again."""
    bench = Bench()
    bench.shards.pause({"a", "b"})
    await bench.own()
    bench.shards.pause({"b", "c"})
    assert bench.shard.paused == {"b", "c"}
