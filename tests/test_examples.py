"""What stands in the documents works: commands exist with their options, YAML is read by what it is for."""

import re
import sys
from pathlib import Path

import pytest

from console.playbooks.checking import check_playbook
from docs.generate import FOLDER
from remediations.catalogue import read_playbooks
from remediations.documents import decode, read_yaml
from remediations.errors import PlaybookError, PolicyError
from remediations.loading import load_rulebook
from remediations.playbooks import Sidecar
from remediations.policies import Rule
from remediations.runner import RunnerSettings
from tests.console.walk import reached
from tests.end_to_end.test_playbooks_page import FILE, PAGE
from tests.playbooks.runs import PLAYBOOKS

ROOT = FOLDER.parent
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *(file for file in sorted(FOLDER.glob("*.md")) if file.name != "commands.md"),
]
FENCED = re.compile(r"^```(?:sh|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SPOKEN = re.compile(r"(?<!`)`(tidegate [^`]+)`(?!`)")
TYPED = re.compile(r"(?:^|\| |\$ )(tidegate(?: [^|#\n]+)?)")
UNSAID = ("MissingParameter", "NoArgsIsHelpError")


def lines() -> list[tuple[str, str]]:
    """Every command of ours in the documents, with its document: those in blocks, and those in the text."""
    found = []
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        typed = [line for block in FENCED.findall(text) for line in block.splitlines()]
        found += [(document.name, each) for line in typed for each in TYPED.findall(line)]
        found += [(document.name, " ".join(each.split())) for each in SPOKEN.findall(FENCED.sub("", text))]
    return list(dict.fromkeys((name, line.strip()) for name, line in found))


def test_the_documents_speak_of_commands() -> None:
    """The patterns find them."""
    assert {("README.md", "tidegate hosts"), ("playbooks.md", "tidegate playbooks check clear_cache")} <= set(lines())


@pytest.mark.parametrize(("document", "line"), lines())
def test_a_command_of_the_documents_exists(document: str, line: str) -> None:
    """Name, options and number of words; what is named without its arguments may be."""
    try:
        reached(line.removeprefix("tidegate").split())
    except Exception as error:  # noqa: BLE001 - typer's own class of errors is private
        assert type(error).__name__ in UNSAID, f"{document}: {line}: {error}"  # noqa: PT017 - not every line raises


def block(text: str, begin: str) -> str:
    """The YAML block of a document that begins so."""
    (found,) = [
        each for each in re.findall(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL) if each.startswith(begin)
    ]
    return str(found)


def test_the_policy_of_the_readme_is_sound(tmp_path: Path) -> None:
    """It names what the examples have."""
    (tmp_path / "policy.yml").write_text(block((ROOT / "README.md").read_text(), "version: 1"))
    book = load_rulebook(tmp_path / "policy.yml", PLAYBOOKS / "examples/inventory.yml", PLAYBOOKS)
    assert ["restart-sick-service"] == [rule.name for rule in book.policy.rules]


@pytest.mark.parametrize("begin", ["inputs:", "targets:"])
def test_the_parts_of_a_sidecar_are_read(tmp_path: Path, begin: str) -> None:
    """Each part that the page shows alone fits into a sidecar."""
    file = tmp_path / "x.meta.yml"
    file.write_text(block(PAGE, begin) + "description: d\naction: a\ntimeout_seconds: 60\n")
    sidecar = decode(read_yaml(file, PlaybookError), Sidecar, file, PlaybookError)
    assert sidecar.inputs or sidecar.targets.delegates


def test_the_rule_of_the_shipped_playbooks_is_read(tmp_path: Path) -> None:
    """As it would stand in a policy."""
    file = tmp_path / "rules.yml"
    file.write_text(block((FOLDER / "shipped-playbooks.md").read_text(), "# in the policy"))
    (rule,) = decode(read_yaml(file, PolicyError), list[Rule], file, PolicyError)
    assert "more-workers" == rule.name


@pytest.fixture
def page(tmp_path: Path) -> RunnerSettings:
    """The page's files with the example of a rollback in its role, as the page says."""
    for name, text in FILE.findall(PAGE):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    for file in [*PLAYBOOKS.glob("marker_*.yml"), *PLAYBOOKS.glob("roles/marker/**/*.yml")]:
        copy = tmp_path / "playbooks" / file.relative_to(PLAYBOOKS)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(file.read_text())
    role = tmp_path / "playbooks/roles/clear_cache/tasks/rollback.yml"
    role.write_text(block(PAGE, "---\n# playbooks/roles/<role>/tasks/rollback.yml").replace("switch_", "clear_cache_"))
    return RunnerSettings(folder=str(tmp_path / "runs"), playbooks=str(tmp_path / "playbooks"), home=str(tmp_path))


def test_the_rollback_of_the_page_is_as_sound_as_the_rest(page: RunnerSettings) -> None:
    """Who copies it is not told by our own check that it is wrong."""
    path = str(Path(sys.executable).parent)
    report = check_playbook(read_playbooks(Path(page.playbooks))["clear_cache"], page, path=path)
    assert ((), ()) == (report.findings, report.notes)


def test_what_lint_finds_has_its_line(page: RunnerSettings) -> None:
    """Also where ansible-lint tells a position and no line."""
    role = Path(page.playbooks) / "roles/clear_cache/tasks/rollback.yml"
    role.write_text(role.read_text().replace("clear_cache_flag_written is defined and ", ""))
    path = str(Path(sys.executable).parent)
    report = check_playbook(read_playbooks(Path(page.playbooks))["clear_cache"], page, path=path)
    wanted = role.read_text().splitlines().index("  when: clear_cache_flag_written is changed") + 1
    assert [("no-handler", wanted)] == [(each.rule, each.line) for each in report.findings]
