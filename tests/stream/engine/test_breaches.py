"""Playbooks that an engine accepts by itself were judged by nobody: what they break is told where operators look."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from stream.engine.flow import read_rulebook, read_rulebook_again, warn_of_breaches
from stream.settings import EngineSettings, Settings
from tests.engines import FakeRunner, fleet
from tests.kafka import Kafka

SIDECAR = "{description: Look., action: look, timeout_seconds: 5}\n"
FLAWED = "- {name: Look, hosts: all, tasks: [{ansible.builtin.command: uptime}]}\n"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of an engine with one playbook that breaks the contract."""
    files = {
        "policy.yml": "{version: 1, rules: [{name: look, playbook: look}]}\n",
        "inventory.yml": "web: {hosts: {h1: {}}}\n",
        "playbooks/look.yml": FLAWED,
        "playbooks/look.meta.yml": SIDECAR,
    }
    (tmp_path / "playbooks").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    paths = {name: str(tmp_path / name) for name in ("policy.yml", "inventory.yml", "playbooks")}
    engine = EngineSettings(policy=paths["policy.yml"], inventory=paths["inventory.yml"], playbooks=paths["playbooks"])
    return Settings(engine=engine, state_folder=str(tmp_path / "state"))


def test_a_start_names_every_place(settings: Settings) -> None:
    """Playbook, file, line and rule: what an operator needs to mend it."""
    with capture_logs() as said:
        warn_of_breaches(settings, read_rulebook(settings).playbooks)
    assert {
        "log_level": "warning",
        "event": "playbook.breaks_contract",
        "playbook": "look",
        "file": "look.yml",
        "line": 1,
        "rule": "command_by_argv",
        "problem": "command without argv, wanted argv: [program, word, …]",
    } in said
    assert {"look"} == {each["playbook"] for each in said}


def test_only_what_may_run_is_told(settings: Settings) -> None:
    """A playbook that changed since it was accepted is denied, and judged when somebody accepts it."""
    read_rulebook(settings)
    (Path(settings.engine.playbooks) / "look.yml").write_text(FLAWED.replace("uptime", "date"))
    with capture_logs() as said:
        warn_of_breaches(settings, read_rulebook(settings).playbooks)
    assert [] == said


def test_while_the_engine_works_new_playbooks_are_told_once(settings: Settings) -> None:
    """Rules are read every few seconds: what was told before is not told again."""
    read_rulebook(settings)
    folder = Path(settings.engine.playbooks)
    (folder / "wipe.yml").write_text(FLAWED)
    (folder / "wipe.meta.yml").write_text(SIDECAR)
    with capture_logs() as first:
        read_rulebook_again(settings)
    with capture_logs() as second:
        read_rulebook_again(settings)
    assert ({"wipe"}, []) == ({each["playbook"] for each in first}, second)


async def test_an_engine_says_so_when_it_starts(kafka: Kafka, tmp_path: Path) -> None:
    """It works all the same: refusing would leave a fleet without its playbooks after an upgrade."""
    with capture_logs() as said:
        async with fleet(kafka, tmp_path) as one, one.engine(runner=FakeRunner()):
            await one.wait_for("engine.started")
    told = [each for each in said if each["event"] == "playbook.breaks_contract"]
    assert ("append", "append.yml", 1, "bounded_failure") in [
        (each["playbook"], each["file"], each["line"], each["rule"]) for each in told
    ]
