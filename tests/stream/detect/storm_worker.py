"""A worker as a process: `python -m tests.stream.detect.storm_worker SETTINGS counting|models|served|slow`."""

import asyncio
import logging
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import msgspec

from detectors.samples import MetricSample, Sample
from detectors.signals import Signal
from stream.detect.offsets import Partition
from stream.detect.transport import KafkaBatch
from stream.detect.workers import DetectWorker, add_agent, new_app, run_worker, stop_deadline
from stream.metrics import DetectMetrics, new_registry
from stream.owner import stop_with_signals
from stream.roles import health
from stream.settings import Settings
from stream.testing import CountingShard

POISON_SERIES = "poison.value"
READY = "ready for records"
SETTLES = "settles"
SETTLE_SECONDS = 3.0


class PoisonedShard(CountingShard):
    """Counts, and breaks on samples that carry the poison."""

    def apply(self, samples: Sequence[tuple[int, Sample]]) -> list[Signal]:
        """As the counting shard."""
        if any(isinstance(sample, MetricSample) and POISON_SERIES in sample.values for _offset, sample in samples):
            raise ZeroDivisionError("poison")
        return super().apply(samples)


class SlowOwner:
    """Owns partitions; what came is done only in the first `settle`, which ends a while after the worker must stop."""

    def __init__(self, stop: asyncio.Event) -> None:
        self._stop = stop
        self._batches: list[KafkaBatch] = []
        self._settles = False

    async def recover(self, assigned: frozenset[Partition], generation: int) -> None:
        """Nothing to load."""

    def begin(
        self, offsets: Mapping[Partition, int], lives: Mapping[Partition, str], anew: Collection[Partition]
    ) -> None:
        """Nothing to begin."""

    async def handle(self, batch: KafkaBatch) -> None:
        """Keep the records until they are settled."""
        self._batches.append(batch)
        tell(READY)

    async def settle(self) -> None:
        """As the class says."""
        if not self._settles:
            self._settles = True
            tell(SETTLES)
            await self._stop.wait()
            await asyncio.sleep(SETTLE_SECONDS)
            for batch in self._batches:
                batch.done()

    def forget(self) -> None:
        """Nothing to forget."""


def tell(text: str) -> None:
    """Say it on standard output."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


async def tell_ready(worker: DetectWorker) -> None:
    """Say when the worker first owns its partitions."""
    await worker.shards.recovered.wait()
    tell(READY)


async def run_slow(settings: Settings, stop: asyncio.Event) -> None:
    """A member of the group that reads the metrics topic, and is slow to let go of it."""
    with stop_deadline(stop):
        owner = SlowOwner(stop)
        app = new_app(settings, owner)
        add_agent(app, "keep", [settings.topics.metrics], owner.handle)
        starting = asyncio.create_task(app.start())  # over when it owns partitions
        await stop.wait()
        await starting
        await app.stop()


async def main(settings: Settings, kind: str) -> None:
    """Run until SIGTERM."""
    stop = asyncio.Event()
    stop_with_signals(stop.set)
    if kind == "slow":
        await run_slow(settings, stop)
        return
    make_shard = None if kind == "models" else PoisonedShard
    registry = new_registry("detect")

    async def answer_health(worker: DetectWorker) -> None:
        async with health(settings, settings.detect.health_port, registry, worker.feed_watch.checks()):
            await asyncio.Event().wait()

    companions = (tell_ready, answer_health) if kind == "served" else (tell_ready,)
    await run_worker(settings, stop, DetectMetrics(registry), make_shard=make_shard, companions=companions)


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    asyncio.run(main(msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Settings), sys.argv[2]))
