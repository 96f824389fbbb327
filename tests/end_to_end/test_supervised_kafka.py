"""`tidegate up` watches its Kafka and its disk like its roles: an end is told once with its cause, and mended."""

import http.client
import json
import os
import re
import signal
import subprocess
import sysconfig
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import psutil
import pytest

from docs.generate import FOLDER
from stream.broker.embedded import free_ports
from stream.broker.jars import default_folder

ROOT = FOLDER.parent
STATE_BYTES = 120_000_000
MINIMUM_BYTES = 20_000_000
LINES_MAXIMUM = 250

pytestmark = pytest.mark.timeout(400)


class Up(msgspec.Struct):
    """A running `tidegate up`, with its log and the health ports of its two roles."""

    process: subprocess.Popen[bytes]
    log: Path
    environment: dict[str, str]
    ports: tuple[int, int]

    def events(self, words: str) -> list[dict[str, object]]:
        """Its own log lines (not those of its roles) of this event."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == words and line.get("role") in {"up", None}]

    def readiness(self) -> list[tuple[int, dict[str, str]]]:
        """Status of `/readyz` and causes, of each role; status 0 if it does not answer."""
        return [readiness(port) for port in self.ports]

    def is_ready(self) -> bool:
        """Whether both roles are ready."""
        return [status for status, _ in self.readiness()] == [200, 200]

    def java(self) -> psutil.Process:
        """The broker's process."""
        (found,) = [one for one in self.children() if one.name() == "java"]
        return found

    def children(self) -> list[psutil.Process]:
        """Everything it started."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def run(self, line: str) -> subprocess.CompletedProcess[str]:
        """One command, with the same settings."""
        command = ["/bin/sh", "-c", line]
        return subprocess.run(
            command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False, timeout=60
        )


def readiness(port: int) -> tuple[int, dict[str, str]]:
    """Status and causes of one health port."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read()).get("causes", {})
    except (OSError, http.client.HTTPException):
        return 0, {}
    finally:
        connection.close()


def until(answer: Callable[[], object], seconds: float, up: Up) -> None:
    """Wait until `answer` says yes; fail with the end of the log."""
    deadline = time.monotonic() + seconds
    while not answer():
        assert time.monotonic() < deadline, up.log.read_text()[-6000:]
        time.sleep(0.2)


@contextmanager
def running(state: Path, log: Path) -> Iterator[Up]:
    """`tidegate up` with its state in a folder, from a first start on; ended with Ctrl-C."""
    first, second = free_ports(2)
    environment = os.environ | {
        "PATH": f"{sysconfig.get_path('scripts')}:{os.environ['PATH']}",
        "XDG_CACHE_HOME": str(default_folder().parents[2]),
        "TIDEGATE_CONFIG": "playbooks/examples/tidegate.yml",
        "TIDEGATE_STATE_FOLDER": str(state),
        "TIDEGATE_STATE_FREE_BYTES_MINIMUM": str(MINIMUM_BYTES),
        "TIDEGATE_DETECT__HEALTH_PORT": str(first),
        "TIDEGATE_ENGINE__HEALTH_PORT": str(second),
        "TIDEGATE_LOG_FORMAT": "json",
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["tidegate", "up"], cwd=ROOT, env=environment, stdout=output, stderr=output, start_new_session=True
        )
    up = Up(process, log, environment, (first, second))
    try:
        until(up.is_ready, 120, up)
        yield up
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.wait(60)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of its own, which can be filled."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={STATE_BYTES}", "tidegate-test", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("a small disk needs `mount`, which is not installed")
    if done.returncode != 0:
        pytest.skip(f"a small disk needs the right to mount a tmpfs: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Write until nothing more can be written."""
    path = folder / "filler"
    with path.open("wb", buffering=0) as file:
        try:
            while file.write(b"x" * 4096):
                pass
        except OSError:
            return path
    raise AssertionError("the disk did not fill")


def publish_and_see(up: Up, host: str) -> None:
    """A reading of a new host is published, and seen by detection."""
    record = json.dumps(
        {"name": "cpu", "tags": {"host": host}, "fields": {"usage": 1.5}, "timestamp": int(time.time())}
    )
    until(lambda: up.run(f"echo '{record}' | tidegate publish metrics").returncode == 0, 60, up)
    until(lambda: host in up.run("tidegate hosts").stdout, 90, up)


def test_a_full_disk_is_told_and_recovered_from(small_disk: Path, tmp_path: Path) -> None:
    """A full disk ends Kafka: told once, roles unready for that cause, no zombie, few lines. Freed, it works."""
    with running(small_disk / "state", tmp_path / "up.log") as up:
        filler = fill(small_disk)
        until(lambda: up.events("free space is short"), 20, up)
        up.run("for n in 1 2 3 4 5 6 7 8; do echo '{\"x\":1}' | timeout 20 tidegate publish metrics; done")
        until(lambda: up.events("the embedded Kafka ended"), 60, up)
        time.sleep(20)  # long enough for the storm of lines that this is about

        (end,) = up.events("the embedded Kafka ended")
        assert "disk full" in str(end["cause"])
        assert "No space left on device" in str(end["log_lines"])
        assert len(up.events("free space is short")) == 1
        assert [status for status, _ in up.readiness() if status == 200] == []
        for status, causes in up.readiness():
            assert status == 0 or ("free_space" in causes and "full" in causes["kafka"])
        assert [one for one in up.children() if one.status() == psutil.STATUS_ZOMBIE] == []
        assert re.search("is full or nearly so: 0 bytes", " ".join(up.run("tidegate hosts").stderr.split()))
        assert len(up.log.read_text().splitlines()) < LINES_MAXIMUM

        filler.unlink()
        until(lambda: up.events("the embedded Kafka is back"), 90, up)
        until(up.is_ready, 90, up)
        publish_and_see(up, "after-the-disk")


def test_a_killed_kafka_is_started_again(tmp_path: Path) -> None:
    """SIGKILL of Kafka's process: told once with the signal, the same address again, both roles ready and working."""
    with running(tmp_path / "state", tmp_path / "up.log") as up:
        up.java().kill()
        until(lambda: [causes for _, causes in up.readiness() if "SIGKILL" in causes.get("kafka", "")], 15, up)
        until(lambda: up.events("the embedded Kafka is back"), 60, up)

        (end,) = up.events("the embedded Kafka ended")
        assert str(end["cause"]).startswith("killed by SIGKILL")
        assert [one for one in up.children() if one.status() == psutil.STATUS_ZOMBIE] == []
        until(up.is_ready, 90, up)
        publish_and_see(up, "after-the-kill")


def test_too_small_a_disk_is_refused_before_anything_starts(small_disk: Path) -> None:
    """With less free space than the minimum `up` starts nothing: it names folder, bytes, minimum and setting."""
    environment = os.environ | {
        "TIDEGATE_STATE_FOLDER": str(small_disk / "state"),
        "TIDEGATE_STATE_FREE_BYTES_MINIMUM": str(2 * STATE_BYTES),
        "TIDEGATE_CONFIG": "playbooks/examples/tidegate.yml",
    }
    command = [f"{sysconfig.get_path('scripts')}/tidegate", "up"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60)

    words = " ".join(done.stderr.split())
    assert done.returncode == 2
    assert f"{small_disk}/state" in words.replace(" ", "") or str(small_disk) in words
    assert f"wanted at least {2 * STATE_BYTES} (state_free_bytes_minimum)" in words
    assert not (small_disk / "state" / "kafka").exists()


def test_a_first_start_has_no_errors_and_a_stop_says_why(tmp_path: Path) -> None:
    """On a Kafka made anew, no line is an error; a stop first names its signal, once, then each role's end."""
    with running(tmp_path / "state", tmp_path / "up.log") as up:
        publish_and_see(up, "first")
        lines = [json.loads(line) for line in up.log.read_text().splitlines() if line.startswith("{")]
        assert [line for line in lines if line["level"] in {"error", "critical"}] == []
        assert "Coordinator" not in up.log.read_text()
        before = len(up.log.read_text().splitlines())

        up.process.send_signal(signal.SIGINT)
        assert up.process.wait(60) == 0

        after = [json.loads(line) for line in up.log.read_text().splitlines()[before:]]
        assert (after[0]["event"], after[0]["signal"], after[0]["role"]) == ("stopping", "SIGINT", "up")
        assert len(up.events("stopping")) == 1
        assert {line["role"] for line in after if line["event"] == "role stopped"} == {"detect-0", "engine"}
        assert after[-1]["event"] == "stopped"
