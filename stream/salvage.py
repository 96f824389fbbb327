"""Reads on in a partition where Kafka's client gives up: asks the broker for the bytes, and takes what can be read."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import CorruptRecordException, KafkaError, NoError, for_code
from aiokafka.protocol.fetch import FetchRequest

from stream.damage import Aborted, DamageReason, Salvage, damaged_range, salvage

log = structlog.get_logger()

FETCH_BYTES = 1024 * 1024  # the broker gives at least one whole batch, however large
FETCH_WAIT_MILLISECONDS = 100
READ_COMMITTED = 1
# Answer of a broker whose log is broken on disk.
BROKEN = CorruptRecordException


class Bytes(NamedTuple):
    """Answer to one fetch of one partition, of which may be read up to `stable_offset`."""

    error: type[KafkaError]
    end_offset: int
    stable_offset: int
    aborted: tuple[Aborted, ...]
    data: bytes

    def is_broken(self, offset: int, *, is_mute: bool) -> bool:
        """Whether the broker can not read its log there: it says so; if `is_mute`, gives nothing of what there is."""
        is_empty = self.error is NoError and not self.data and offset < self.stable_offset
        return issubclass(self.error, BROKEN) or (is_mute and is_empty)


async def salvage_partition(
    consumer: AIOKafkaConsumer, source: TopicPartition, offset: int, *, is_mute: bool = False
) -> Salvage:
    """What can be read from `offset` on, up to and with the first damage; nothing if the broker gives nothing now.

    With `is_mute` it has given nothing for so long that its log counts as broken there.
    Raises KafkaError if it can not be asked or refuses.
    """
    given = await fetch_bytes(consumer, source, offset)
    if given.is_broken(offset, is_mute=is_mute):
        return await _skip_broken(consumer, source, offset, given.error, is_mute=is_mute)
    if given.error is not NoError:
        raise given.error(f"{source.topic} partition {source.partition} at offset {offset}")
    found = salvage(source, given.data, offset, given.end_offset, given.aborted)
    if given.data and found.next_offset == offset:
        detail = f"{len(given.data)} bytes hold no whole batch"
        return Salvage([], [damaged_range(source, offset, offset, DamageReason.STRUCTURE, detail)], offset + 1)
    return found


async def fetch_bytes(consumer: AIOKafkaConsumer, source: TopicPartition, offset: int) -> Bytes:
    """Raw batches from the one that holds `offset` on."""
    client = consumer._client  # noqa: SLF001 - the public API gives no bytes
    leader = client.cluster.leader_for_partition(source)
    if leader is None or leader < 0:
        raise KafkaError(f"{source.topic} partition {source.partition} has no leader")
    wanted = [(source.topic, [(source.partition, offset, FETCH_BYTES)])]
    request = FetchRequest(FETCH_WAIT_MILLISECONDS, 1, FETCH_BYTES, READ_COMMITTED, wanted)
    return _answer(await AIOKafkaClient.send(client, leader, request))  # past the sieve that the client has for its own


def _answer(response: Any) -> Bytes:  # noqa: ANN401 - aiokafka builds it from a schema
    ((_topic, ((_partition, code, end_offset, *rest),)),) = response.topics
    aborted = (rest[2] if response.API_VERSION >= 11 else rest[-2]) or ()  # noqa: PLR2004 - as aiokafka's fetcher
    stable_offset = end_offset if rest[0] < 0 else min(end_offset, rest[0])
    return Bytes(for_code(code), end_offset, stable_offset, tuple(Aborted(*one) for one in aborted), rest[-1] or b"")


async def _skip_broken(
    consumer: AIOKafkaConsumer, source: TopicPartition, offset: int, error: type[KafkaError], *, is_mute: bool
) -> Salvage:
    """The nearest offset from which the broker can read again: ever larger steps to one, then halves back."""

    async def is_broken(place: int) -> bool:
        return (await fetch_bytes(consumer, source, place)).is_broken(place, is_mute=is_mute)

    ends = await consumer.end_offsets([source])
    end = int(ends[source])
    broken, step = offset, 1
    while (readable := min(broken + step, end)) < end and await is_broken(readable):
        broken, step = readable, step * 2
    while readable - broken > 1:
        middle = (broken + readable) // 2
        if await is_broken(middle):
            broken = middle
        else:
            readable = middle
    if readable <= offset:
        raise error(f"{source.topic} partition {source.partition} at offset {offset}")
    answer = "nothing" if error is NoError else error.__name__
    detail = f"the broker answers {answer}: its log is broken"
    return Salvage([], [damaged_range(source, offset, readable - 1, DamageReason.UNREADABLE, detail)], readable)


def position_of(consumer: AIOKafkaConsumer, source: TopicPartition) -> int | None:
    """The offset that is read next of an assigned partition; None if it has none."""
    assignment = consumer._subscription.subscription.assignment  # noqa: SLF001 - the public API waits for one
    if assignment is None or not assignment.active or source not in assignment.tps:
        return None
    state = assignment.state_value(source)
    return int(state.position) if state.has_valid_position else None


def waiting(consumer: AIOKafkaConsumer, wanted: Iterable[TopicPartition]) -> list[TopicPartition]:
    """The partitions among these of which the client holds records or an error."""
    held = consumer._fetcher._records  # noqa: SLF001 - the public API gives all at once, and loses who raised
    wanted = frozenset(wanted)
    return [source for source in list(held) if source in wanted]
