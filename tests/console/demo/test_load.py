"""The demo's load tells what was answered, what failed, and how long an answer took."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from console.demo.fleet import Service
from console.demo.load import Load, Traffic
from stream.broker.embedded import free_ports


@asynccontextmanager
async def answering(status: int) -> AsyncIterator[int]:
    """Port of a service that answers every request with this status; for 0 nobody listens there."""
    if not status:
        yield free_ports(1)[0]
        return

    async def work(_: web.Request) -> web.Response:
        return web.Response(status=status)

    application = web.Application()
    application.router.add_get("/work", work)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield runner.addresses[0][1]
    await runner.cleanup()


async def seen(status: int) -> Traffic:
    """Traffic of a service once its first requests have ended."""
    async with answering(status) as port:
        load = Load([Service(host="web-1", group="web", port=port, log="")], seed=1)
        task = asyncio.create_task(load.run())
        while not (traffic := load.take("web-1")).requests:  # noqa: ASYNC110 - a load has no event
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait([task])
        return traffic


@pytest.mark.parametrize(
    ("status", "answered", "failed"),
    [
        pytest.param(200, True, False, id="answered"),
        pytest.param(404, True, False, id="an answer that says no"),
        pytest.param(500, True, True, id="an error of the server"),
        pytest.param(0, False, True, id="nobody listens"),
    ],
)
async def test_what_happened_to_requests(status: int, answered: bool, failed: bool) -> None:  # noqa: FBT001 - a table
    """An answer has a latency, whatever it says; only the server's errors and missing answers are failures."""
    traffic = await seen(status)
    assert traffic.requests == traffic.errors if failed else traffic.errors == 0
    assert len(traffic.latencies) == (traffic.requests if answered else 0)
