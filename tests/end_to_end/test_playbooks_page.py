"""docs/playbooks.md is followed word by word: its files are written, its commands run, its remediation heals a host."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from stream.broker.jars import default_folder

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/playbooks.md").read_text(encoding="utf-8")
SHOP = "/srv/shop"
FILE = re.compile(r"^`([a-z_./]+)`:\n\n```(?:yaml|sh)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMANDS = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FEED = "sh latency.sh | tidegate publish metrics"
HEALED_SECONDS = 240.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Every file of the page, with the shop in a folder of the test's own."""
    for name, text in FILE.findall(PAGE):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text.replace(SHOP, f"{tmp_path}/shop"))
    return tmp_path


@pytest.fixture
def environment(folder: Path) -> dict[str, str]:
    """What a terminal has after the page's export; health ports are whichever are free."""
    return {
        "PATH": f"{Path(sys.executable).parent}:{os.defpath}",
        "HOME": str(folder),
        "TIDEGATE": str(ROOT),
        "LC_ALL": "C.UTF-8",
        "COLUMNS": "200",
        "XDG_CACHE_HOME": str(default_folder().parents[2]),
        "TIDEGATE_DETECT__HEALTH_PORT": "0",
        "TIDEGATE_ENGINE__HEALTH_PORT": "0",
    }


def followed(folder: Path, environment: dict[str, str], command: str) -> str:
    """Output of a command that must succeed."""
    words = ("sh", "-c", command.replace(SHOP, f"{folder}/shop"))
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert 0 == done.returncode, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


@contextlib.contextmanager
def running(command: list[str], ask: Callable[[int, int], None], **how: Any) -> Iterator[subprocess.Popen[str]]:  # noqa: ANN401 - as Popen
    """A command with a group of its own, asked by SIGTERM to end; what has not ended in time is killed."""
    process = subprocess.Popen(command, start_new_session=True, text=True, **how)
    try:
        yield process
        ask(process.pid, signal.SIGTERM)
        process.wait(timeout=60)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture
def everything(folder: Path, environment: dict[str, str]) -> Iterator[Path]:
    """`tidegate up` and, when all of it is there, the page's metrics; its log. Both are ended by SIGTERM."""
    log, how = folder / "up.log", {"cwd": folder, "env": environment}
    with log.open("w") as written, running(["tidegate", "up"], os.kill, stderr=written, **how) as up:
        while "Ctrl-C stops everything" not in log.read_text():
            assert up.poll() is None, log.read_text()
            time.sleep(0.1)
        with running(["sh", "-c", FEED], os.killpg, **how):
            yield log


def test_the_page_has_all_that_it_speaks_of() -> None:
    """A remediation is these files; whoever takes one off the page finds out here."""
    assert {
        "tidegate.yml",
        "inventory.yml",
        "policy.yml",
        "latency.sh",
        "playbooks/clear_cache.yml",
        "playbooks/clear_cache.meta.yml",
        "playbooks/roles/clear_cache/meta/argument_specs.yml",
        "playbooks/roles/clear_cache/defaults/main.yml",
        "playbooks/roles/clear_cache/tasks/main.yml",
        "playbooks/roles/clear_cache/tasks/preflight.yml",
    } == {name for name, _ in FILE.findall(PAGE)}
    assert FEED in PAGE


def commands() -> list[str]:
    """Every command of the page, in order."""
    return [line.removeprefix("$ ") for block in COMMANDS.findall(PAGE) for line in block.splitlines()]


@pytest.fixture
def accepted(folder: Path, environment: dict[str, str]) -> None:
    """The page followed as far as the engine needs it: what is copied and made, and the playbook accepted."""
    for command in commands():
        if "tidegate " not in command or "accept" in command:
            followed(folder, environment, command)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_new_remediation_is_written_checked_and_tried(folder: Path, environment: dict[str, str]) -> None:
    """Check finds nothing, dry runs change nothing, accepting writes the file that the settings name."""
    said = {command: followed(folder, environment, command) for command in commands()}
    assert "clear_cache: ok\n" == said["tidegate playbooks check clear_cache"]
    tried = said["tidegate playbooks dry-run clear_cache --host web-1"]
    assert "The tasks would go well, but a live run would be stopped:\n  ✕ accepted_playbook: " in tried
    assert 1 == tried.count("✕")
    again = followed(folder, environment, "tidegate playbooks dry-run clear_cache --host web-1")
    assert "nothing speaks against a run" in again
    assert ["page-1", "page-2"] == sorted(file.name for file in (folder / "shop/cache").iterdir())
    assert not (folder / "shop/markers").exists()
    assert "clear_cache: " in (folder / "accepted.yml").read_text()


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.usefixtures("accepted")
def test_the_new_remediation_runs_in_the_loop(folder: Path, environment: dict[str, str], everything: Path) -> None:
    """Published metrics become anomalous, the cache is really emptied, and new metrics close the incident."""
    deadline = time.monotonic() + HEALED_SECONDS
    while "incident.closed" not in (log := everything.read_text()):
        assert time.monotonic() < deadline, log
        time.sleep(1)

    assert [] == list((folder / "shop/cache").iterdir())
    lines = followed(folder, environment, "tidegate audit tail --json -n 100").splitlines()
    ends = [record for record in map(json.loads, lines) if record["type"] == "run.finished"]
    assert [True] == ["{'files': 2}" in str(end) for end in ends], ends
    assert "clear_cache" in followed(folder, environment, "tidegate runs tail web-1")
    assert "it is over" in followed(folder, environment, "tidegate explain web-1").lower()
