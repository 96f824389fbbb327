"""A broker that ends is started again by its keeper: with room on its disk, and wherever it finds a port."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from stream.broker.embedded import EmbeddedBroker
from stream.broker.keeper import BrokerKeeper
from stream.settings import Settings
from stream.space import FreeSpace

LATER_SECONDS = 30.0


class Heard:
    """What a keeper told."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.moves = 0

    def move(self) -> None:
        """The broker has moved."""
        self.moves += 1


@asynccontextmanager
async def kept(broker: EmbeddedBroker, space: FreeSpace) -> AsyncIterator[Heard]:
    """A keeper at work."""
    heard = Heard()
    keeping = asyncio.create_task(BrokerKeeper(broker, space, tell=heard.words.append, moved=heard.move).run())
    try:
        yield heard
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)


def space_of(folder: Path, minimum_bytes: int = 1) -> FreeSpace:
    """A look at a folder's disk."""
    return FreeSpace(Settings(state_folder=str(folder), state_free_bytes_minimum=minimum_bytes))


async def until(answer: Callable[[], bool]) -> None:
    """Wait until `answer` says yes."""
    async with asyncio.timeout(LATER_SECONDS):
        while not answer():  # noqa: ASYNC110 - what it asks about is another process
            await asyncio.sleep(0.05)


def kill(broker: EmbeddedBroker) -> None:
    """SIGKILL to its process, by somebody else."""
    assert broker.pid is not None
    os.kill(broker.pid, signal.SIGKILL)


async def test_it_moves_when_its_port_was_taken(private_broker: Callable[[], EmbeddedBroker], tmp_path: Path) -> None:
    """A broker whose port is taken before it is back comes back elsewhere, and who depends on it is told."""
    broker = await asyncio.to_thread(private_broker)
    before = broker.bootstrap_servers
    async with kept(broker, space_of(tmp_path)) as heard:
        kill(broker)
        await until(lambda: bool(heard.words))
        with socket.create_server(("127.0.0.1", int(before.rpartition(":")[2]))):
            await until(lambda: heard.words[-1] == "")

    assert (heard.moves, heard.words[0].startswith("the embedded Kafka is down: killed by SIGKILL")) == (1, True)
    assert broker.bootstrap_servers != before
    assert broker.running


async def test_it_waits_for_room(private_broker: Callable[[], EmbeddedBroker], tmp_path: Path) -> None:
    """With less free space than the minimum a broker that ended is not started, and that is told as the cause."""
    broker = await asyncio.to_thread(private_broker)
    async with kept(broker, space_of(tmp_path, minimum_bytes=10**18)) as heard:
        kill(broker)
        await until(lambda: len(heard.words) == 2)
        await asyncio.sleep(2)

    assert f"wanted at least {10**18} (state_free_bytes_minimum)" in heard.words[1]
    assert (broker.running, len(heard.words), heard.moves) == (False, 2, 0)


async def test_a_start_that_fails_is_told_and_tried_again(
    private_broker: Callable[[], EmbeddedBroker], tmp_path: Path
) -> None:
    """What keeps the broker from starting is told; when it is mended, the broker comes back."""
    broker = await asyncio.to_thread(private_broker)
    meta = broker.folder / "data" / "meta.properties"
    right = meta.read_text()
    async with kept(broker, space_of(tmp_path)) as heard:
        meta.write_text(right.replace("node.id=1", "node.id=7"))
        kill(broker)
        await until(lambda: len(heard.words) == 2)
        meta.write_text(right)
        await until(lambda: heard.words[-1] == "")

    assert heard.words[1].startswith("the embedded Kafka is down and could not be started again: The embedded Kafka in")
    assert heard.moves == 0
