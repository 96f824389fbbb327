"""Whether each topic of the users is really read: looked at every second, told by readiness with the cause if not."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

from aiokafka.errors import KafkaError

from stream.detect.client_thread import Look
from stream.health import Check

LOOK_SECONDS = 1.0
# Kafka answers a fetch of a quiet partition several times a second; a full buffer may hold up the next one for a while.
QUIET_SECONDS = 15.0
ANSWER_SECONDS = 10.0

type AskTopics = Callable[[], Awaitable[Look | None]]


class FeedWatch:
    """What is known of the users' topics: `feeds` maps their names in metrics to the topics."""

    def __init__(self, feeds: Mapping[str, str]) -> None:
        self._feeds = feeds
        self._causes: dict[str, str] = dict.fromkeys(feeds, "the worker has not joined its group yet")
        self._since: dict[tuple[str, int], float] = {}

    def checks(self) -> dict[str, Check]:
        """Readiness: one check a feed, which is the cause where it is not read."""
        return {f"feed_{name}": partial(self._check, name) for name in self._feeds}

    def _check(self, name: str) -> bool | str:
        return self._causes[name] or True

    async def look_forever(self, ask: AskTopics) -> None:
        """Look every second until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await self.turn(ask)

    async def turn(self, ask: AskTopics) -> None:
        """Look once."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                look = await ask()
        except (KafkaError, TimeoutError) as error:
            self._causes = dict.fromkeys(self._feeds, f"no Kafka broker answers: {error!r}")
            return
        if look is not None:
            self._causes = {name: self._cause(topic, look, time.time()) for name, topic in self._feeds.items()}

    def _cause(self, topic: str, look: Look, now: float) -> str:
        if topic not in look.lives:
            return f"topic {topic} does not exist"
        if topic in look.changed:
            return f"topic {topic} was made anew, or its partitions are being shared out"
        return next(iter(self._quiet(topic, look, now)), "")

    def _quiet(self, topic: str, look: Look, now: float) -> Sequence[str]:
        """The partitions of which the broker gives nothing, not even that there is nothing new."""
        quiet = []
        for source, state in look.states.items():
            if source.topic != topic:
                continue
            since = self._since.setdefault(source, now) if state is None else state.told_time
            if state is not None:
                self._since.pop(source, None)
            if now - since > QUIET_SECONDS:
                quiet.append(f"partition {source.partition} of topic {topic} was not read for {now - since:.0f} s")
        return quiet
