"""Detect looks on at what the engine does: what led to a repair, and the repair itself, are never learned."""

import asyncio

import structlog

from remediations.ledger import Ledger
from stream.audit.log import open_reader
from stream.detect.workers import DetectWorker
from stream.errors import StreamError
from stream.settings import Settings

log = structlog.get_logger()

READ_SECONDS = 1.0
RETRY_SECONDS = 5.0


async def pause_learning(settings: Settings, worker: DetectWorker) -> None:
    """Follow the audit log for ever; a log that can not be read is tried again, detection goes on meanwhile."""
    while True:
        try:
            await _follow(settings, worker)
        except StreamError as error:
            log.warning("audit log can not be followed, learning pauses on no host", reason=str(error))
            worker.pause_hosts(frozenset())
        await asyncio.sleep(RETRY_SECONDS)


async def _follow(settings: Settings, worker: DetectWorker) -> None:
    ledger = Ledger()
    async with open_reader(settings.kafka, settings.topics.audit) as reader:
        caught_up = await reader.end() - 1
        while True:
            for read in await reader.read(READ_SECONDS):
                ledger.apply(read.entry)
            if reader.head.offset >= caught_up:
                worker.pause_hosts(repaired_hosts(ledger))


def repaired_hosts(ledger: Ledger) -> frozenset[str]:
    """Hosts that playbooks were run on in incidents that are still open.

    Where nothing was run the model's own pause is enough: it holds while the alarm is raised. What cleared by itself is
    learned then, or what happens every night would be an alarm every night.
    """
    incidents = ledger.open_incidents()
    return frozenset(one.host for one in incidents if one.is_trouble and ledger.is_acted_on(one.incident_id))
