"""The README's first metric: `tidegate up` brings everything along, and what is published is seen."""

import json
import os
import re
import signal
import subprocess
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from docs.generate import FOLDER
from stream.broker.jars import default_folder
from stream.limits import LINES_MAXIMUM

ROOT = FOLDER.parent
SEEN_SECONDS = 60.0


def commands() -> list[str]:
    """The shell lines of the README's section, without the first block's export and start."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text.partition("## Your first metric")[2].partition("\n## ")[0]
    blocks = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    return blocks[1].splitlines()


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """What the README exports, with a home of its own."""
    scripts = sysconfig.get_path("scripts")
    return os.environ | {
        "PATH": f"{scripts}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "XDG_CACHE_HOME": str(default_folder().parents[2]),
        "TIDEGATE_CONFIG": "playbooks/examples/tidegate.yml",
        "TIDEGATE_DETECT__HEALTH_PORT": "0",
        "TIDEGATE_ENGINE__HEALTH_PORT": "0",
    }


@pytest.fixture
def everything(environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """`tidegate up`, running; ended with Ctrl-C."""
    process = subprocess.Popen(
        ["tidegate", "up"], cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if "Ctrl-C stops everything" in line:
                break
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)


def run(line: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """One shell line of the README."""
    return subprocess.run(
        ["/bin/sh", "-c", line], cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.timeout(300)
def test_the_first_metric_is_seen(everything: subprocess.Popen[str], environment: dict[str, str]) -> None:
    """The README's lines, run as they stand, show the host; the other questions have answers too; Ctrl-C ends all."""
    publish, ask = commands()

    published = run(publish, environment)
    assert published.returncode == 0, published.stderr
    deadline = time.monotonic() + SEEN_SECONDS
    while "web-1" not in (answer := run(ask, environment)).stdout:
        assert time.monotonic() < deadline, answer.stdout + answer.stderr

    rows = json.loads(run("tidegate hosts --json", environment).stdout)
    assert [("web-1", "young", 1)] == [(row["host"], row["state"], row["samples"]) for row in rows]
    assert "engine.started" in run("tidegate audit tail", environment).stdout
    assert [] == json.loads(run("tidegate incidents --json", environment).stdout)
    sound = run("tidegate audit verify --json", environment)
    assert (sound.returncode, json.loads(sound.stdout)["fault"]) == (0, None)
    unknown = run("tidegate explain nothing", environment)
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert "no incident 'nothing'" in unknown.stderr
    assert everything.poll() is None


WRONG = [
    pytest.param("hosts --config nowhere.yml", 2, "nowhere.yml: cannot be read", id="no settings file"),
    pytest.param("hosts", 2, "no embedded Kafka runs in", id="no Kafka named, none runs"),
    pytest.param("hosts --bootstrap-servers 127.0.0.1:1", 3, "127.0.0.1:1", id="Kafka does not answer"),
    pytest.param("audit verify --checkpoint 12", 2, "is not OFFSET:HASH", id="checkpoint of a wrong form"),
    pytest.param("engine --bootstrap-servers 127.0.0.1:1", 3, "127.0.0.1:1", id="a role without Kafka"),
    pytest.param("hosst", 2, "No such command", id="a command that does not exist"),
]


@pytest.mark.parametrize(("line", "status", "words"), WRONG)
def test_what_is_wrong_is_told_in_words(environment: dict[str, str], line: str, status: int, words: str) -> None:
    """The exit status says what kind of trouble it is, the text names the thing; no traceback, no line for ever."""
    answer = run(f"tidegate {line}", environment)

    assert status == answer.returncode, answer.stderr
    assert words in re.sub(r"\s+", " ", answer.stderr)
    assert "Traceback" not in answer.stderr
    # a role logs the first lines of a kind and one that counts the rest, other commands none
    assert answer.stderr.count("Unable connect") <= (LINES_MAXIMUM + 1 if line.startswith("engine") else 0)
