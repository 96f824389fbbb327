"""The demo's collector: measures the fleet twice a second and publishes what it measured, as Telegraf and Filebeat do.

It knows nothing of Tidegate: it is a user's producer, with plain Kafka topics of metrics and logs. What can not be
measured (a process that restarts has no memory, a host without an answered request no latency) is left out, never
replaced. Run as a program it also drives the load, whose latencies and errors are part of what it measures.
"""

import argparse
import asyncio
import os
import time
from io import FileIO
from pathlib import Path

import msgspec
import psutil
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from console.demo.errors import FleetError
from console.demo.fleet import Plan, Service, ServiceProcess, processes
from console.demo.load import Load, Traffic
from stream.logs import configure_logs
from stream.owner import stop_with_owner, stop_with_signals

log = structlog.get_logger()

INTERVAL_SECONDS = 0.5
MEASUREMENT = "service"
LEVELS = frozenset({"info", "warn", "error"})
READ_BYTES_MAXIMUM = 256 * 1024  # of one log file at one look; the rest is read at the next


class Metric(msgspec.Struct, frozen=True):
    """One message as Telegraf's JSON serializer writes it, with `json_timestamp_units = "1ms"`."""

    name: str
    tags: dict[str, str]
    fields: dict[str, float]
    timestamp: int


class LogLine(msgspec.Struct, frozen=True):
    """One line as the services write it."""

    time: str
    level: str
    message: str


def measured(process: psutil.Process) -> tuple[dict[str, float], float]:
    """What is measured of a process, and the CPU seconds it has spent. psutil.Error if it has ended."""
    with process.oneshot():
        resident, times = process.memory_info().rss, process.cpu_times()
        if not resident:  # it has ended, and is not reaped yet
            raise psutil.NoSuchProcess(process.pid)
        threads, descriptors = float(process.num_threads()), float(process.num_fds())
    fields = {"resident_bytes": float(resident), "threads": threads, "descriptors": descriptors}
    return fields, times.user + times.system


class ProcessMeter:
    """Measures one process after another that a service has: CPU only between two looks at the same process."""

    def __init__(self) -> None:
        self._process: psutil.Process | None = None
        self._cpu_seconds = 0.0
        self._looked = 0.0

    def read(self, pid: int, now: float) -> dict[str, float]:
        """What can be measured of process `pid` at monotonic time `now`; empty when there is none, or it has ended."""
        try:
            fresh = self._process is None or self._process.pid != pid
            process = psutil.Process(pid) if fresh or self._process is None else self._process
            fields, spent = measured(process)
        except psutil.Error:
            self._process = None
            return {}
        if not fresh and now > self._looked:
            fields["cpu_percent"] = 100 * (spent - self._cpu_seconds) / (now - self._looked)
        self._process, self._cpu_seconds, self._looked = process, spent, now
        return fields


class LogTail:
    """Follows a log file through rotation; gives whole lines only."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: FileIO | None = None
        self._rest = b""

    def lines(self) -> list[bytes]:
        """The lines completed since the last call, without their line breaks."""
        if self._file is None and not self._open():
            return []
        fresh = self._read()
        if self._rotated():
            fresh += self._read()
            self.close()
        *lines, self._rest = (self._rest + fresh).split(b"\n")
        return lines

    def close(self) -> None:
        """Close the file; the next look opens what is there then."""
        if self._file is not None:
            self._file.close()
        self._file = None

    def _open(self) -> bool:
        try:
            self._file = self._path.open("rb", buffering=0)
        except FileNotFoundError:
            return False
        return True

    def _read(self) -> bytes:
        return self._file.read(READ_BYTES_MAXIMUM) or b"" if self._file else b""

    def _rotated(self) -> bool:
        if self._file is None:
            return False
        try:
            return self._path.stat().st_ino != os.fstat(self._file.fileno()).st_ino
        except FileNotFoundError:
            return True


def traffic_fields(traffic: Traffic, seconds: float) -> dict[str, float]:
    """Rates over `seconds`, and quantiles of the latencies if there was an answered request."""
    fields = {"requests_per_second": traffic.requests / seconds, "errors_per_second": traffic.errors / seconds}
    if traffic.latencies:
        ordered = sorted(traffic.latencies)
        last = len(ordered) - 1
        fields["latency_p50_seconds"] = ordered[round(last * 0.5)]
        fields["latency_p95_seconds"] = ordered[round(last * 0.95)]
    return fields


def metric_message(host: str, fields: dict[str, float], now: float) -> bytes:
    """The Telegraf JSON of one host at epoch second `now`, with its line break."""
    metric = Metric(MEASUREMENT, {"host": host}, fields, round(now * 1000))
    return msgspec.json.encode(metric) + b"\n"


def log_message(service: Service, line: bytes, now: float) -> bytes:
    """The Elastic Common Schema JSON of one log line, as Filebeat writes it.

    A line that is no JSON of ours (a traceback) is passed on as the message, with the time it was read.
    """
    fields: dict[str, object] = {"host": {"name": service.host}}
    try:
        written = msgspec.json.decode(line, type=LogLine)
    except msgspec.DecodeError:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
        fields |= {"@timestamp": f"{stamp}.{int(now % 1 * 1000):03d}Z", "message": line.decode(errors="replace")}
    else:
        level = written.level if written.level in LEVELS else "info"
        fields |= {"@timestamp": written.time, "log": {"level": level}, "message": written.message}
    return msgspec.json.encode(fields)


class Collector:
    """Measures the planned fleet and its traffic at every interval and publishes it."""

    def __init__(self, plan: Plan, load: Load, producer: AIOKafkaProducer, metrics_topic: str, logs_topic: str) -> None:
        self._plan = plan
        self._load = load
        self._producer = producer
        self._metrics_topic = metrics_topic
        self._logs_topic = logs_topic
        self._meters = {each.host: ProcessMeter() for each in plan.services}
        self._tails = {each.host: LogTail(Path(each.log)) for each in plan.services}

    async def run(self) -> None:
        """Publish at every interval; ends only by cancellation."""
        looked = time.monotonic()
        while True:
            await asyncio.sleep(INTERVAL_SECONDS - time.monotonic() % INTERVAL_SECONDS)
            running = await asyncio.to_thread(self._processes)
            now = time.monotonic()
            for service in self._plan.services:
                process = running.get(service.host)
                await self._publish(service, process.pid if process else 0, now, now - looked)
            looked = now

    def close(self) -> None:
        """Close the log files."""
        for tail in self._tails.values():
            tail.close()

    def _processes(self) -> dict[str, ServiceProcess]:
        try:
            return processes(self._plan)
        except FleetError as error:
            log.warning("no process ids this time", reason=str(error))
            return {}

    async def _publish(self, service: Service, pid: int, now: float, seconds: float) -> None:
        wall = time.time()
        fields = traffic_fields(self._load.take(service.host), seconds)
        if pid:
            fields |= self._meters[service.host].read(pid, now)
        messages = [(self._metrics_topic, metric_message(service.host, fields, wall))]
        messages += [
            (self._logs_topic, log_message(service, line, wall)) for line in self._tails[service.host].lines() if line
        ]
        for topic, message in messages:
            await self._send(topic, message)

    async def _send(self, topic: str, message: bytes) -> None:
        try:
            delivery = await self._producer.send(topic, message)
        except KafkaError as error:
            log.warning("reading lost", topic=topic, reason=str(error))
            return
        delivery.add_done_callback(_note_loss)


def _note_loss(delivery: asyncio.Future[object]) -> None:
    if not delivery.cancelled() and delivery.exception() is not None:
        log.warning("reading lost", reason=str(delivery.exception()))


async def collect(plan: Plan, bootstrap_servers: str, metrics_topic: str, logs_topic: str, seed: int) -> None:
    """Drive the load and publish its measurements until told to stop."""
    stop = asyncio.Event()
    stop_with_signals(stop.set)
    stop_with_owner(stop.set)
    async with AIOKafkaProducer(bootstrap_servers=bootstrap_servers, linger_ms=20) as producer:
        load = Load(plan.services, seed)
        collector = Collector(plan, load, producer, metrics_topic, logs_topic)
        tasks = [asyncio.create_task(load.run()), asyncio.create_task(collector.run())]
        stopping = asyncio.create_task(stop.wait())
        try:
            ended, _ = await asyncio.wait([*tasks, stopping], return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                task.result()  # a load or collector that failed ends the program, loudly
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            collector.close()


def main() -> None:
    """Collect until told to stop."""
    parser = argparse.ArgumentParser(description="Load generator and metric collector of the demo's fleet.")
    parser.add_argument("--plan", type=Path, required=True)
    parser.add_argument("--bootstrap-servers", required=True)
    parser.add_argument("--metrics", default="metrics")
    parser.add_argument("--logs", default="logs")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    configure_logs("json", role="collector")
    plan = msgspec.json.decode(arguments.plan.read_bytes(), type=Plan)
    asyncio.run(collect(plan, arguments.bootstrap_servers, arguments.metrics, arguments.logs, arguments.seed))


if __name__ == "__main__":
    main()
