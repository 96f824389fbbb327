"""The detect role as a process: a worker, its health, and its look at what the engine does."""

import asyncio

from stream.detect.bystander import pause_learning
from stream.detect.workers import DetectWorker, run_worker
from stream.health import Check
from stream.metrics import DetectMetrics, new_registry
from stream.roles import health, stop_event
from stream.settings import Settings


async def serve_detect(settings: Settings, number: int = 0) -> None:
    """One detect worker until a signal or the end of its owner; `number` tells workers on one machine apart."""
    registry = new_registry("detect")
    port = settings.detect.health_port

    async def answer_health(worker: DetectWorker) -> None:
        checks: dict[str, Check] = {"state_recovered": lambda: worker.is_ready, **worker.feed_watch.checks()}
        async with health(settings, port and port + number, registry, checks):
            await asyncio.Event().wait()

    async def look_on(worker: DetectWorker) -> None:
        await pause_learning(settings, worker)

    stop = stop_event()
    await run_worker(settings, stop, DetectMetrics(registry), companions=(answer_health, look_on))
