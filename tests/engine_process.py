"""An engine in a process of its own that sends itself a signal at a point of the write order.

python -m tests.engine_process SETTINGS.json [POINT NUMBER SIGNAL]
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from stream.engine.flow import run_engine
from stream.errors import StreamError
from stream.logs import configure_logs
from stream.owner import stop_with_signals
from stream.settings import Settings


def signalling(point: str, number: int, sent: signal.Signals) -> Callable[[str], None]:
    """A checkpoint that sends this process the signal the `number`th time `point` is passed."""
    passed = 0

    def checkpoint(name: str) -> None:
        nonlocal passed
        passed += name == point
        if name == point and passed == number:
            os.kill(os.getpid(), sent)

    return checkpoint


async def run(settings: Settings, checkpoint: Callable[[str], None]) -> None:
    """Run until a signal, or until the point."""
    stopping = asyncio.Event()
    stop_with_signals(stopping.set)
    await run_engine(settings, stopping, checkpoint=checkpoint)


def main() -> int:
    """Run one engine; status 1 if it fails."""
    settings = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Settings)
    configure_logs("json", role="engine")
    point, number, name = sys.argv[2:] or ("nowhere", "1", "SIGKILL")
    checkpoint = signalling(point, int(number), signal.Signals[name])
    try:
        asyncio.run(run(settings, checkpoint))
    except (StreamError, OSError):
        return 1  # the log says it
    return 0


if __name__ == "__main__":
    sys.exit(main())
