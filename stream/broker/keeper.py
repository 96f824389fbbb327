"""Keeps the embedded broker of `tidegate up`: tells its end with the cause, and starts it again when it can be."""

import asyncio
from collections.abc import Callable

import structlog

from stream.broker.embedded import EmbeddedBroker
from stream.broker.endings import Ending
from stream.errors import BrokerError
from stream.space import FreeSpace

log = structlog.get_logger()

LOOK_SECONDS = 0.5
BACKOFF_FIRST_SECONDS = 1.0
BACKOFF_MAXIMUM_SECONDS = 30.0
# A broker that lived this long was well: its next end is a new trouble.
STEADY_SECONDS = 60.0


class BrokerKeeper:
    """Watches a broker that was started. `tell` hears what is wrong with it, empty when all is well again.

    `moved` is called when it had to take another address.
    """

    def __init__(
        self,
        broker: EmbeddedBroker,
        space: FreeSpace,
        *,
        tell: Callable[[str], None],
        moved: Callable[[], None],
    ) -> None:
        self._broker = broker
        self._space = space
        self._tell = tell
        self._moved = moved
        self._backoff = BACKOFF_FIRST_SECONDS

    async def run(self) -> None:
        """Keep the broker until cancelled; a start under way is waited for then, as its thread can not be ended."""
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            while self._broker.running:  # noqa: ASYNC110 - another process; asking also collects one that has ended
                await asyncio.sleep(LOOK_SECONDS)
            if loop.time() - began > STEADY_SECONDS:
                self._backoff = BACKOFF_FIRST_SECONDS
            end = await self._ending()
            self._tell(f"the embedded Kafka is down: {end.cause}")
            log.error(
                "the embedded Kafka ended", cause=end.cause, log_lines=end.log_lines, folder=str(self._broker.folder)
            )
            await self._start_again()
            log.info("the embedded Kafka is back", bootstrap_servers=self._broker.bootstrap_servers)
            self._tell("")

    async def _ending(self) -> Ending:
        try:
            return await asyncio.to_thread(self._broker.ending)
        except OSError as error:  # such as a folder that somebody has removed
            return Ending(f"why is not known, its folder can not be read: {error}", ())

    async def _start_again(self) -> None:
        """Try until it runs: after a pause that grows, and only with enough free space."""
        address, told = self._broker.bootstrap_servers, ""
        while not self._broker.running:
            await asyncio.sleep(self._backoff)
            self._backoff = min(2 * self._backoff, BACKOFF_MAXIMUM_SECONDS)
            await self._wait_for_space()
            try:
                await _to_its_end(self._broker.start)
            except (BrokerError, OSError) as error:
                words = str(error) or repr(error)
                if words != told:
                    log.error(  # noqa: TRY400 - its text tells all
                        "the embedded Kafka could not be started again", error=words
                    )
                told = words
                self._tell(f"the embedded Kafka is down and could not be started again: {told.splitlines()[0]}")
        if self._broker.bootstrap_servers != address:
            self._moved()

    async def _wait_for_space(self) -> None:
        if not (words := self._space.shortage()):
            return
        log.warning("the embedded Kafka is not started before there is free space", problem=words)
        self._tell(f"the embedded Kafka is down: {words}")
        while self._space.shortage():  # noqa: ASYNC110 - nobody tells that a disk is free again
            await asyncio.sleep(LOOK_SECONDS)


async def _to_its_end(work: Callable[[], object]) -> None:
    """Do it in a thread; when cancelled, wait for the thread first."""
    thread = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        await asyncio.shield(thread)
    except asyncio.CancelledError:
        await asyncio.wait([thread])
        raise
