"""Looks at what a broker gives before its client does, which unpacks without limit and passes over broken logs."""

import time
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from aiokafka import TopicPartition
from aiokafka.errors import CorruptRecordException, NoError
from aiokafka.protocol.fetch import FetchRequest

from stream.damage import readable_bytes

# Answers of a broker that can not read its own log. The client asks again for ever, and tells nobody.
BROKEN = frozenset({CorruptRecordException.errno})


class Refused(NamedTuple):
    """The client gets nothing at this offset, since then (monotonic); `is_mute`: the broker gives nothing either."""

    offset: int
    since: float
    is_mute: bool


class Sieve:
    """Stands in for the client's `send`, keeps from it what it must not see, and remembers where that was.

    Attributes:
        refused: Partitions of which the client gets nothing, though there is something.
    """

    def __init__(self, send: Callable[..., Awaitable[Any]]) -> None:
        self.refused: dict[TopicPartition, Refused] = {}
        self._send = send

    async def send(self, node_id: int, request: Any, **more: Any) -> Any:  # noqa: ANN401 - aiokafka ships no types
        """As of the client."""
        answer = await self._send(node_id, request, **more)
        if isinstance(request, FetchRequest) and answer is not None:
            asked = {
                TopicPartition(topic, number): offset
                for topic, partitions in request.topics
                for number, offset, *_ in partitions
            }
            answer.topics = [
                (topic, [self._sifted(TopicPartition(topic, part[0]), part, asked) for part in partitions])
                for topic, partitions in answer.topics
            ]
        return answer

    def _sifted(
        self, source: TopicPartition, part: tuple[Any, ...], asked: dict[TopicPartition, int]
    ) -> tuple[Any, ...]:
        """The answer of one partition up to the first batch that must not be seen."""
        code, data = part[1], part[-1] or b""
        readable = readable_bytes(data)
        is_empty = code == NoError.errno and not readable and asked[source] < _stable_offset(part)
        if code in BROKEN or is_empty:
            now = Refused(asked[source], time.monotonic(), is_mute=code == NoError.errno and not data)
            before = self.refused.get(source, now)
            self.refused[source] = before if (before.offset, before.is_mute) == (now.offset, now.is_mute) else now
        else:
            self.refused.pop(source, None)
        return part if readable == len(data) else (*part[:-1], data[:readable])


def _stable_offset(part: tuple[Any, ...]) -> int:
    """Up to where the partition may be read."""
    end, stable = int(part[2]), int(part[3])
    return end if stable < 0 else min(end, stable)
