"""A detect worker as a process of its own: `python -m tests.stream.detect.storm_worker SETTINGS counting|models`."""

import asyncio
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from detectors.samples import MetricSample, Sample
from detectors.signals import Signal
from stream.detect.workers import DetectWorker, run_worker
from stream.settings import Settings
from stream.supervision import stop_with_signals
from stream.testing import CountingShard

POISON_SERIES = "poison.value"
READY = "ready for records"


class PoisonedShard(CountingShard):
    """Counts, and breaks on samples that carry the poison."""

    def apply(self, samples: Sequence[tuple[int, Sample]]) -> list[Signal]:
        """As the counting shard."""
        if any(isinstance(sample, MetricSample) and POISON_SERIES in sample.values for _offset, sample in samples):
            raise ZeroDivisionError("poison")
        return super().apply(samples)


async def tell_ready(worker: DetectWorker) -> None:
    """Say on standard output when the worker first owns its partitions."""
    await worker.shards.recovered.wait()
    sys.stdout.write(f"{READY}\n")
    sys.stdout.flush()


async def main(settings: Settings, kind: str) -> None:
    """Run until SIGTERM."""
    stop = asyncio.Event()
    stop_with_signals(stop.set)
    make_shard = PoisonedShard if kind == "counting" else None
    await run_worker(settings, stop, make_shard=make_shard, companions=(tell_ready,))


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    asyncio.run(main(msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Settings), sys.argv[2]))
