"""Looks at what a broker gives before its client does, which unpacks without limit and passes over broken logs."""

from collections.abc import Awaitable, Callable
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import CorruptRecordException
from aiokafka.protocol.fetch import FetchRequest

from stream.damage import readable_bytes

# Answers of a broker that can not read its own log. The client asks again for ever, and tells nobody.
BROKEN = frozenset({CorruptRecordException.errno})


class Sieve:
    """Stands in for the client's `send`, keeps from it what it must not see, and remembers where that was.

    Attributes:
        refused: Partitions at which the client gets nothing, with the offset it has asked for.
    """

    def __init__(self, send: Callable[..., Awaitable[Any]]) -> None:
        self.refused: dict[TopicPartition, int] = {}
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
        if code in BROKEN or (data and not readable):
            self.refused[source] = asked[source]
        else:
            self.refused.pop(source, None)
        return part if readable == len(data) else (*part[:-1], data[:readable])
