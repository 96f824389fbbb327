"""The embedded broker keeps what it was given, comes back where it was, and never outlives its owner."""

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import psutil
import pytest

from stream.broker.embedded import EmbeddedBroker, cluster_id
from stream.errors import BrokerError
from stream.kafka import open_consumer, open_producer
from stream.settings import KafkaSettings
from stream.topics import Topic, ensure_topics
from tests.kafka import Kafka

TOPIC = "kept"

OWNER = """
import os, signal, sys, time, psutil
from pathlib import Path
from stream.broker.embedded import EmbeddedBroker

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job is started with it ignored
with EmbeddedBroker(Path(sys.argv[1])) as broker:
    guard = psutil.Process(broker.pid).ppid()
    if "forks" in sys.argv and os.fork() == 0:  # a child that inherits the pipe to the guard, and stays
        time.sleep(60)
        os._exit(0)
    try:
        print(broker.pid, guard, flush=True)
        time.sleep(60)
    except KeyboardInterrupt:
        time.sleep(1.5)  # longer than a broker needs to stop
        print("stopping", broker.running, flush=True)
"""


@contextmanager
def owner(folder: Path, *words: str) -> Iterator[tuple[subprocess.Popen[str], int, int]]:
    """A process of its own that owns a broker: it, the broker's process id and the guard's."""
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, str(folder), *words], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            pid, guard = line_of(process.stdout).split()
            yield process, int(pid), int(guard)
        finally:
            if process.poll() is None:
                process.kill()


def line_of(stream: IO[str] | None) -> str:
    """Next line of a process."""
    assert stream is not None
    return stream.readline()


def lives(pid: int) -> bool:
    """Whether a process does anything; one that ended and waits for its parent's look does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_until_gone(pid: int) -> None:
    """Wait until a process that is not our child has ended; it must within 15 s."""
    deadline = time.monotonic() + 15
    while lives(pid):
        assert time.monotonic() < deadline, f"process {pid} still lives"
        time.sleep(0.05)


async def write(broker: EmbeddedBroker, *values: bytes) -> None:
    """Write records, acknowledged, to a topic of one partition."""
    settings = Kafka(broker.bootstrap_servers).settings()
    await ensure_topics(settings, [Topic(TOPIC, 1)])
    producer = await open_producer(settings.kafka)
    for value in values:
        await producer.send_and_wait(TOPIC, value)
    await producer.stop()


async def read(broker: EmbeddedBroker, number: int) -> list[bytes]:
    """Read so many records from the start."""
    consumer = await open_consumer(KafkaSettings(bootstrap_servers=broker.bootstrap_servers), TOPIC)
    values = [(await consumer.getone()).value for _ in range(number)]
    await consumer.stop()
    return values


async def test_data_and_address_survive_stop_kill_and_new_owners(tmp_path: Path) -> None:
    """Whatever ends the broker, started on the same folder it has the same address and every acknowledged record."""
    first = EmbeddedBroker(tmp_path).start()
    address = first.bootstrap_servers
    await write(first, b"1")
    first.stop()
    assert not first.running

    first.start()
    await write(first, b"2")
    first.kill()
    assert first.pid is None

    with EmbeddedBroker(tmp_path) as second:
        assert address == second.bootstrap_servers
        assert await read(second, 2) == [b"1", b"2"]


async def test_folder_of_any_name_and_place(tmp_path: Path) -> None:
    """A folder may have a name that Kafka's settings could not express, and may be moved."""
    first, second = tmp_path / "data, logs & more", tmp_path / "moved"
    with EmbeddedBroker(first) as broker:
        await write(broker, b"1")
    first.rename(second)
    with EmbeddedBroker(second) as broker:
        assert await read(broker, 1) == [b"1"]


async def test_moves_when_its_ports_are_taken(tmp_path: Path) -> None:
    """A broker whose ports another process has taken starts on new ones, with its data."""
    broker = EmbeddedBroker(tmp_path).start()
    await write(broker, b"1")
    broker.stop()
    ports = json.loads((tmp_path / "ports.json").read_bytes())

    with (
        socket.create_server(("127.0.0.1", ports["client"])),
        socket.create_server(("127.0.0.1", ports["controller"])),
        broker,
    ):
        assert ports["client"] != int(broker.bootstrap_servers.rpartition(":")[2])
        assert await read(broker, 1) == [b"1"]


async def test_killed_owner_takes_the_broker_along(tmp_path: Path) -> None:
    """After SIGKILL of the owner the broker stops in order, and the next owner can start on the folder at once."""
    with owner(tmp_path) as (process, pid, guard):
        process.kill()
        with EmbeddedBroker(tmp_path) as next_one:
            assert next_one.running
            assert not lives(pid)
            wait_until_gone(guard)


def test_killed_owner_whose_fork_lives_on(tmp_path: Path) -> None:
    """A forked child of the killed owner still holds the pipe to the guard: the broker stops all the same."""
    with owner(tmp_path, "forks") as (process, pid, _guard):
        forked = [child for child in psutil.Process(process.pid).children() if child.pid != _guard]
        process.kill()
        wait_until_gone(pid)
        assert [child.is_running() for child in forked] == [True]
        forked[0].kill()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent died")
def test_killed_guard_takes_the_broker_along(private_broker: Callable[[], EmbeddedBroker]) -> None:
    """After SIGKILL of the guard the broker ends too, its owner sees that, and can start it again."""
    broker = private_broker()
    assert broker.pid is not None
    pid, guard = broker.pid, psutil.Process(broker.pid).ppid()

    os.kill(guard, signal.SIGKILL)
    wait_until_gone(pid)

    assert not broker.running
    assert broker.start().running


def test_interrupt_of_the_terminal_is_left_to_the_owner(tmp_path: Path) -> None:
    """Ctrl-C reaches the whole process group of the owner: the broker still serves while the owner cleans up."""
    with owner(tmp_path) as (process, pid, _guard):
        os.killpg(process.pid, signal.SIGINT)
        assert line_of(process.stdout) == "stopping True\n"
        assert process.wait(20) == 0
        assert not lives(pid)
    assert (tmp_path / "data" / ".kafka_cleanshutdown").exists()


def test_folder_in_use_is_refused(private_broker: Callable[[], EmbeddedBroker]) -> None:
    """Two brokers never share a folder: the second one is told who has it."""
    broker = private_broker()

    with pytest.raises(BrokerError) as caught:
        EmbeddedBroker(broker.folder, wait_seconds=0.2).start()

    assert f"{broker.folder} is in use by the broker that process {os.getpid()} started." == str(caught.value)


def test_failed_start_shows_the_log(tmp_path: Path) -> None:
    """A broker that can not start says so with its folder and the reason from its log, and leaves no process."""
    with EmbeddedBroker(tmp_path):
        pass
    meta = tmp_path / "data" / "meta.properties"
    meta.write_text(meta.read_text().replace("node.id=1", "node.id=7"))
    broker = EmbeddedBroker(tmp_path)

    with pytest.raises(BrokerError) as caught:
        broker.start()

    assert str(caught.value).startswith(f"The embedded Kafka in {tmp_path} ended while it started. Its last log lines:")
    assert "node id" in str(caught.value).lower()
    assert not broker.running


def test_starts_from_the_archive_of_classes(tmp_path: Path) -> None:
    """From the second start of a user on, the JVM takes its classes from the archive, and finds no fault with it."""
    with EmbeddedBroker(tmp_path):
        pass  # records the archive if there is none yet
    with EmbeddedBroker(tmp_path) as broker:
        options = psutil.Process(broker.pid).cmdline()

    assert [option.partition("=")[0] for option in options].count("-XX:AOTCache") == 1
    assert "[aot" not in (tmp_path / "output.log").read_text()


def test_cluster_ids_are_no_options() -> None:
    """Of 64 random ids one would begin with a dash, and be taken for an option of the formatting command."""
    ids = [cluster_id() for _ in range(1000)]

    assert not [one for one in ids if one.startswith("-")]
    assert {len(base64.urlsafe_b64decode(one + "==")) for one in ids} == {16}
    assert len(set(ids)) == len(ids)


def test_no_address_before_the_first_start(tmp_path: Path) -> None:
    """An address is never guessed."""
    with pytest.raises(BrokerError, match="was not started yet"):
        EmbeddedBroker(tmp_path).bootstrap_servers  # noqa: B018 - the property raises
