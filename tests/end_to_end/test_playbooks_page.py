"""docs/playbooks.md is followed word by word: its files are written, its commands run, its remediation heals a host."""

import asyncio
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from remediations.records import RunFinished
from remediations.runs import RunStatus
from tests.engines import Rules, fleet
from tests.kafka import Kafka

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/playbooks.md").read_text(encoding="utf-8")
SHOP = "/srv/shop"
FILE = re.compile(r"^`([a-z_./]+)`:\n\n```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMANDS = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def written(folder: Path) -> Path:
    """Every file of the page, with the shop in a folder of the test's own; the folder in which they are."""
    for name, text in FILE.findall(PAGE):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text.replace(SHOP, f"{folder}/shop"))
    return folder


def commands() -> list[str]:
    """Every command of the page, in order."""
    return [line.removeprefix("$ ") for block in COMMANDS.findall(PAGE) for line in block.splitlines()]


def followed(folder: Path, command: str) -> str:
    """Output of a command that must succeed."""
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.defpath}",
        "HOME": str(folder),
        "TIDEGATE": str(ROOT),
        "LC_ALL": "C.UTF-8",
        "COLUMNS": "200",
    }
    words = ("sh", "-c", command.replace(SHOP, f"{folder}/shop"))
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert 0 == done.returncode, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def test_the_page_has_all_that_it_speaks_of() -> None:
    """A remediation is these files; whoever takes one off the page finds out here."""
    assert {
        "tidegate.yml",
        "inventory.yml",
        "policy.yml",
        "playbooks/clear_cache.yml",
        "playbooks/clear_cache.meta.yml",
        "playbooks/roles/clear_cache/meta/argument_specs.yml",
        "playbooks/roles/clear_cache/defaults/main.yml",
        "playbooks/roles/clear_cache/tasks/main.yml",
        "playbooks/roles/clear_cache/tasks/preflight.yml",
    } == {name for name, _ in FILE.findall(PAGE)}


@pytest.mark.slow
async def test_a_new_remediation_is_written_checked_tried_and_runs_in_the_loop(kafka: Kafka, tmp_path: Path) -> None:
    """Check finds nothing, dry runs change nothing, and an engine with the page's policy really empties the cache."""
    async with fleet(kafka, tmp_path, Rules()) as one:
        shutil.rmtree(tmp_path / "playbooks")
        written(tmp_path)
        said = {command: await asyncio.to_thread(followed, tmp_path, command) for command in commands()}
        assert "clear_cache: ok\n" == said["tidegate playbooks check clear_cache"]
        assert "nothing speaks against a run" in said["tidegate playbooks dry-run clear_cache --host web-1"]
        cache = tmp_path / "shop/cache"
        assert ["page-1", "page-2"] == sorted(file.name for file in cache.iterdir())
        assert not (tmp_path / "shop/markers").exists()
        engine = msgspec.structs.replace(one.settings.engine, accepted=str(tmp_path / "accepted.yml"))
        one.settings = msgspec.structs.replace(one.settings, engine=engine)
        async with one.engine():
            await one.fail("web-1")
            records = await one.wait_for("run.finished", seconds=60)
        (end,) = (record for record in records if isinstance(record, RunFinished))
        assert (RunStatus.SUCCESSFUL, {"clear_cache": {"web-1": {"files": 2}}}) == (end.status, end.result), end.reason
        assert [] == list(cache.iterdir())
