"""What playbooks break of the contract is told, and nothing that breaks it is accepted by itself."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from remediations.acceptance import accept
from remediations.loading import load_rulebook
from remediations.records import DecisionMade, Verdict
from stream.engine.flow import accepted_file, read_rulebook, rule_files, warn_of_breaches
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


def test_a_changed_playbook_is_not_told(settings: Settings) -> None:
    """A playbook that changed since it was accepted is denied, and judged when somebody accepts it."""
    accept(accepted_file(settings), load_rulebook(*map(Path, rule_files(settings))).playbook_digests)
    (Path(settings.engine.playbooks) / "look.yml").write_text(FLAWED.replace("uptime", "date"))
    with capture_logs() as said:
        warn_of_breaches(settings, read_rulebook(settings).playbooks)
    assert [] == said


UNFIT = {
    "what breaks the contract": ("  serial: 1\n", "", "append breaks the contract, append.yml:1: "),
    "a module that is not there": (
        "ansible.builtin.command:",
        "no_such_module:",
        "append can not be read by Ansible, append.yml:13: couldn't resolve module/action 'no_such_module'",
    ),
}


@pytest.mark.parametrize(("right", "wrong", "words"), UNFIT.values(), ids=UNFIT.keys())
async def test_a_new_playbook_that_is_unfit_is_not_run(
    kafka: Kafka, tmp_path: Path, right: str, wrong: str, words: str
) -> None:
    """Never by itself: its rule is told as not armed, the decision says why, no attempt is used up; mended, it runs."""
    async with fleet(kafka, tmp_path) as one:
        file = tmp_path / "playbooks" / "append.yml"
        sound = file.read_text()
        file.write_text(sound.replace(right, wrong))
        runner = FakeRunner()
        with capture_logs() as said:
            async with one.engine(runner=runner):
                await one.fail()
                (decision,) = [each for each in await one.wait_for("decision.made") if isinstance(each, DecisionMade)]
                assert runner.played == []
                file.write_text(sound)
                await one.wait_for("run.finished")
        assert (decision.verdict, decision.reason) == (Verdict.DENY, "playbook_unfit")
        assert decision.gates[-1].value.startswith(words)
        (told,) = [each for each in said if each["event"] == "rule.not_armed"]
        assert told["rule"] == "append-on-anomaly"
        assert words in told["reason"]


async def test_an_accepted_playbook_that_breaks_it_is_told_and_works(kafka: Kafka, tmp_path: Path) -> None:
    """Refusing would leave a fleet without its playbooks after an upgrade: somebody has accepted it once."""
    async with fleet(kafka, tmp_path) as one:
        file = tmp_path / "playbooks" / "append.yml"
        file.write_text(file.read_text().replace("  serial: 1\n", ""))
        accept(accepted_file(one.settings), load_rulebook(*map(Path, rule_files(one.settings))).playbook_digests)
        runner = FakeRunner()
        with capture_logs() as said:
            async with one.engine(runner=runner):
                await one.fail()
                await one.wait_for("run.finished")
    told = [each for each in said if each["event"] == "playbook.breaks_contract"]
    assert ("append", "append.yml", 1, "bounded_failure") in [
        (each["playbook"], each["file"], each["line"], each["rule"]) for each in told
    ]
