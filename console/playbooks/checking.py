"""Is a playbook fit to run? Ansible's own syntax check, ansible-lint if it is there, and the rules of the contract."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import msgspec
from rich.console import Group, RenderableType
from rich.text import Text

from console.rendering import plain
from console.sentences import counted
from remediations.contract import Finding, judge
from remediations.playbooks import Playbook
from remediations.runner import RunnerSettings
from remediations.syntax import SYNTAX, checking_environment, unreadable
from remediations.tasks import Tree, read_tree

TOOL_SECONDS = 300.0
PROFILE = "production"
NO_LINT = "ansible-lint is not installed: its rules were not checked (pip install ansible-lint)"
NOT_LINTED = "ansible-lint was not asked: it would stop at the syntax error"


class CheckReport(msgspec.Struct, frozen=True):
    """What was found in one playbook; `notes` say what was not checked and why."""

    playbook: str
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()


class _Lines(msgspec.Struct, frozen=True):
    begin: int = 0


class _Place(msgspec.Struct, frozen=True):
    line: int = 0


class _Positions(msgspec.Struct, frozen=True):
    begin: _Place = _Place()


class _Location(msgspec.Struct, frozen=True):
    path: str
    lines: _Lines = _Lines()
    positions: _Positions = _Positions()


class _LintFinding(msgspec.Struct, frozen=True):
    """The part of ansible-lint's JSON that matters here."""

    check_name: str
    description: str
    location: _Location


def check_playbook(playbook: Playbook, settings: RunnerSettings, path: str = "") -> CheckReport:
    """Check one playbook of the catalogue. Raises PlaybookError for files that can not be judged.

    `path` are the folders in which ansible-lint is looked for, by default those that runs see.
    """
    tree = read_tree(Path(settings.playbooks), Path(playbook.path))
    fitness = (*unreadable([playbook], settings).values(), *judge(tree))
    if any(finding.rule == SYNTAX for finding in fitness):
        return CheckReport(playbook.name, fitness, (NOT_LINTED,))
    with checking_environment(settings) as environment:
        lint, notes = _lint(playbook, tree, environment, path or environment["PATH"])
    return CheckReport(playbook.name, (*fitness, *lint), notes)


def check_fitness(playbook: Playbook, settings: RunnerSettings) -> CheckReport:
    """Check what a playbook must have to be accepted: Ansible can read it, modules included; the contract is kept."""
    judged = judge(read_tree(Path(settings.playbooks), Path(playbook.path)))
    return CheckReport(playbook.name, (*unreadable([playbook], settings).values(), *judged))


def draw_checks(reports: Sequence[CheckReport]) -> RenderableType:
    """Findings by file and line, as compilers write them."""
    parts: list[RenderableType] = []
    for report in reports:
        word = ("ok", "green") if not report.findings else (counted(len(report.findings), "finding"), "red")
        parts.append(Text.assemble(plain(report.playbook, "bold"), ": ", word))
        parts.extend(
            plain(f"  {each.file}:{each.line}: {each.words} ({each.rule})", "red" if each.line else "yellow")
            for each in report.findings
        )
        parts.extend(plain(f"  not checked: {note}", "yellow") for note in report.notes)
    return Group(*parts) if parts else Text("No playbook to check.")


def _lint(
    playbook: Playbook, tree: Tree, environment: dict[str, str], path: str
) -> tuple[tuple[Finding, ...], tuple[str, ...]]:
    """Give ansible-lint's findings, and a note if there are none because it could not be asked."""
    program = shutil.which("ansible-lint", path=path)
    if program is None:
        return (), (NO_LINT,)
    own = tree.root / ".ansible-lint"
    configuration = ("-c", str(own)) if own.is_file() else ()
    roles = (f"roles/{role}" for role in tree.role_tasks)
    words = ("--offline", "--profile", PROFILE, "-q", "--nocolor", "-f", "json", *configuration)
    done = _run((program, *words, Path(playbook.path).name, *roles), tree.root, environment)
    try:
        found = msgspec.json.decode(done.stdout or "[]", type=list[_LintFinding])
    except msgspec.MsgspecError as error:
        return (), (f"ansible-lint ended with {done.returncode} and said no JSON: {error}",)
    findings = tuple(
        Finding(
            each.location.path,
            each.location.positions.begin.line or each.location.lines.begin or 1,
            each.check_name,
            each.description,
        )
        for each in found
    )
    if done.returncode not in {0, 2}:
        return findings, (f"ansible-lint ended with {done.returncode}: {done.stderr.strip()[-300:]}",)
    return findings, ()


def _run(words: tuple[str, ...], folder: Path, environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # noqa: S603 - programs of our own environment, words of our own
        words,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=TOOL_SECONDS,
    )
