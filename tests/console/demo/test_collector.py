"""The collector publishes what it measured, in the producers' own shapes, and leaves out what it could not measure."""

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from console.demo.collector import (
    Collector,
    LogTail,
    ProcessMeter,
    log_message,
    metric_message,
    traffic_fields,
)
from console.demo.fleet import HOSTS, Fleet, Service, plan_fleet
from console.demo.load import Load, Traffic
from stream.broker.embedded import free_ports

SERVICE = Service("web-1", "web", 20_000, "/nowhere/web-1.log")


class FakeProducer:
    """Keeps what is sent, in place of Kafka."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes]] = []

    async def send(self, topic: str, value: bytes) -> asyncio.Future[None]:
        """Keep a message."""
        self.sent.append((topic, value))
        delivery = asyncio.get_running_loop().create_future()
        delivery.set_result(None)
        return delivery


def test_metrics_are_telegraf_json() -> None:
    """One object with name, tags, fields and an integer timestamp in milliseconds, ended by a line break."""
    message = metric_message("web-1", {"threads": 4.0}, 1795227599.1464)
    assert message.endswith(b"\n")
    assert msgspec.json.decode(message) == {
        "name": "service",
        "tags": {"host": "web-1"},
        "fields": {"threads": 4.0},
        "timestamp": 1795227599146,
    }


TRAFFIC = [
    ("answered", Traffic((0.2, 0.1, 0.3), 3, 0), {"latency_p50_seconds": 0.2, "latency_p95_seconds": 0.3}, 6.0, 0.0),
    ("refused only", Traffic((), 4, 4), {}, 8.0, 8.0),
    ("no request", Traffic(), {}, 0.0, 0.0),
]


@pytest.mark.parametrize(
    ("traffic", "latencies", "requests", "errors"), [case[1:] for case in TRAFFIC], ids=[case[0] for case in TRAFFIC]
)
def test_latency_is_told_only_of_answers(
    traffic: Traffic, latencies: dict[str, float], requests: float, errors: float
) -> None:
    """Without an answer there is no latency, least of all zero."""
    expected = latencies | {"requests_per_second": requests, "errors_per_second": errors}
    assert traffic_fields(traffic, 0.5) == expected


LINES = [
    (
        "ours",
        b'{"time":"2026-11-21T02:20:00.100+00:00","level":"error","message":"no lock"}',
        {"@timestamp": "2026-11-21T02:20:00.100+00:00", "log": {"level": "error"}, "message": "no lock"},
    ),
    (
        "a strange level",
        b'{"time":"2026-11-21T02:20:00.100+00:00","level":"loud","message":"m"}',
        {"@timestamp": "2026-11-21T02:20:00.100+00:00", "log": {"level": "info"}, "message": "m"},
    ),
    (
        "a traceback",
        b"Traceback (most recent call last): \xff",
        {"@timestamp": "2026-11-21T02:20:01.500Z", "message": "Traceback (most recent call last): \ufffd"},
    ),
]


@pytest.mark.parametrize(("line", "expected"), [case[1:] for case in LINES], ids=[case[0] for case in LINES])
def test_log_lines_carry_their_host(line: bytes, expected: dict[str, object]) -> None:
    """Every line becomes one ECS object with host; what is no JSON of ours is passed on as text."""
    assert msgspec.json.decode(log_message(SERVICE, line, 1795227601.5)) == expected | {"host": {"name": "web-1"}}


def test_cpu_is_measured_between_two_looks_at_the_same_process() -> None:
    """The first look at a process has no CPU; one that has ended has nothing at all, also while it is not reaped."""
    meter = ProcessMeter()
    first = meter.read(os.getpid(), 10.0)
    second = meter.read(os.getpid(), 10.5)
    assert "cpu_percent" not in first
    assert {"resident_bytes", "threads", "descriptors", "cpu_percent"} == set(second)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, gone.pid, os.WEXITED | os.WNOWAIT)
    assert meter.read(gone.pid, 11.0) == {}
    gone.wait()
    assert meter.read(gone.pid, 11.0) == {}
    assert "cpu_percent" not in meter.read(os.getpid(), 11.5)


def test_the_tail_gives_whole_lines_and_follows_rotation(tmp_path: Path) -> None:
    """A half line waits for its end; after a rotation the rest of the old file comes before the new one."""
    path = tmp_path / "web-1.log"
    tail = LogTail(path)
    assert tail.lines() == []
    path.write_bytes(b"one\ntw")
    assert tail.lines() == [b"one"]
    with path.open("ab") as file:
        file.write(b"o\nthree\n")
    path.rename(tmp_path / "web-1.log.1")
    path.write_bytes(b"four\n")
    assert tail.lines() == [b"two", b"three"]
    assert tail.lines() == [b"four"]
    tail.close()


async def test_a_real_fleet_is_measured_and_a_restart_leaves_holes_not_zeros(tmp_path: Path) -> None:
    """Each host reports twice a second; while it restarts only what could be measured is published."""
    fleet = Fleet(plan_fleet(tmp_path / "f", free_ports(len(HOSTS))))
    producer = FakeProducer()
    load = Load(fleet.plan.services, seed=1)
    try:
        await asyncio.to_thread(fleet.start)
        collector = Collector(fleet.plan, load, producer, "metrics", "logs")
        tasks = [asyncio.create_task(load.run()), asyncio.create_task(collector.run())]
        await asyncio.sleep(3)
        os.kill(fleet.processes()["web-4"].pid, 9)
        await asyncio.sleep(3)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        collector.close()
    finally:
        await asyncio.to_thread(fleet.stop)
    metrics = [msgspec.json.decode(value) for topic, value in producer.sent if topic == "metrics"]
    by_host = {host: [each["fields"] for each in metrics if each["tags"]["host"] == host] for host in HOSTS}
    assert all(9 <= len(fields) <= 14 for fields in by_host.values())
    assert all(fields.get("resident_bytes", 1) > 0 for fields in by_host["web-4"])
    assert sum("cpu_percent" not in fields for fields in by_host["web-4"]) >= 2
    assert sum("cpu_percent" not in fields for fields in by_host["web-5"]) == 1
    assert all(abs(each["timestamp"] / 1000 - time.time()) < 60 for each in metrics)
    assert any(topic == "logs" and b"GET /work 200" in value for topic, value in producer.sent)
