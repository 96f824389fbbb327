"""The demo's load: real HTTP requests to every service at a steady, jittered rate."""

import asyncio
import random
import time
from collections.abc import Sequence

import aiohttp
import msgspec

from console.demo.fleet import Service

CONNECTIONS = 3  # per service, each kept alive and used for one request at a time
REQUESTS_PER_SECOND = 12.0  # per service, while it answers quickly
JITTER = 0.3  # share by which a pause is shorter or longer
PATIENCE_SECONDS = 2.0


class Traffic(msgspec.Struct, frozen=True):
    """Requests that ended since the last look: seconds each answered one took, and how many failed.

    A request fails by a status of 500 and above, a refused or broken connection, or no answer in time;
    one without an answer has no latency.
    """

    latencies: tuple[float, ...] = ()
    requests: int = 0
    errors: int = 0


class Load:
    """Sends requests to every service until cancelled; `take` gives a host's traffic since it was last taken."""

    def __init__(self, services: Sequence[Service], seed: int) -> None:
        self._services = tuple(services)
        self._seed = seed
        self._latencies: dict[str, list[float]] = {each.host: [] for each in services}
        self._requests = dict.fromkeys(self._latencies, 0)
        self._errors = dict.fromkeys(self._latencies, 0)

    def take(self, host: str) -> Traffic:
        """What happened on `host` since the last call."""
        traffic = Traffic(tuple(self._latencies[host]), self._requests[host], self._errors[host])
        self._latencies[host].clear()
        self._requests[host] = self._errors[host] = 0
        return traffic

    async def run(self) -> None:
        """Keep the requests going; ends only by cancellation."""
        timeout = aiohttp.ClientTimeout(total=PATIENCE_SECONDS)
        connector = aiohttp.TCPConnector(limit=0, limit_per_host=CONNECTIONS)
        async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session, asyncio.TaskGroup() as group:
            for number, service in enumerate(self._services):
                for connection in range(CONNECTIONS):
                    dice = random.Random((self._seed * 1009 + number) * CONNECTIONS + connection)  # noqa: S311 - jitter
                    group.create_task(self._visit(session, service, dice))

    async def _visit(self, session: aiohttp.ClientSession, service: Service, dice: random.Random) -> None:
        """Send one request after another, paced from begin to begin; a slow answer lowers the rate."""
        pause = CONNECTIONS / REQUESTS_PER_SECOND
        await asyncio.sleep(dice.uniform(0, pause))
        while True:
            begun = time.monotonic()
            await self._request(session, service, dice.randrange(1000))
            wanted = pause * dice.uniform(1 - JITTER, 1 + JITTER)
            await asyncio.sleep(max(0.0, begun + wanted - time.monotonic()))

    async def _request(self, session: aiohttp.ClientSession, service: Service, row: int) -> None:
        begun = time.monotonic()
        try:
            async with session.get(f"{service.url}/work?row={row}") as answer:
                await answer.read()
                status = answer.status
        except (aiohttp.ClientError, TimeoutError, OSError):
            self._count(service.host, failed=True)
            return
        self._latencies[service.host].append(time.monotonic() - begun)
        self._count(service.host, failed=status >= 500)  # noqa: PLR2004 - HTTP's own limit of server errors

    def _count(self, host: str, *, failed: bool) -> None:
        self._requests[host] += 1
        self._errors[host] += failed
