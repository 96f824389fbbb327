"""The shipped playbooks and examples keep their own contracts, without being run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from remediations.loading import load_rulebook
from tests.playbooks.runs import PLAYBOOKS

SHIPPED = sorted(path.name for path in PLAYBOOKS.glob("*.yml") if not path.name.endswith(".meta.yml"))


def test_lint(tmp_path: Path) -> None:
    """ansible-lint's strictest profile finds nothing, offline."""
    programs = Path(sys.executable).parent
    answer = subprocess.run(
        [programs / "ansible-lint", "--offline", "--nocolor", "-q", "-c", PLAYBOOKS / ".ansible-lint", PLAYBOOKS],
        capture_output=True,
        text=True,
        check=False,
        cwd=PLAYBOOKS.parent,
        env={"PATH": f"{programs}:{os.defpath}", "HOME": str(tmp_path), "LANG": "C.UTF-8"},
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr


@pytest.mark.parametrize("name", SHIPPED)
def test_play_is_guarded(name: str) -> None:
    """A play takes the hosts it is given, no facts, stops at the first failure, and begins with the marker role."""
    (play,) = yaml.safe_load((PLAYBOOKS / name).read_text())
    found = {key: play.get(key) for key in ("hosts", "gather_facts", "any_errors_fatal", "max_fail_percentage")}
    assert found.pop("hosts") in {"all", "targets"}
    assert found == {"gather_facts": False, "any_errors_fatal": True, "max_fail_percentage": 0}
    assert play["tasks"][0]["ansible.builtin.import_role"]["name"] == "marker"


def test_examples_fit_together() -> None:
    """The example policy and inventory load with the shipped playbooks; the policy starts by only observing."""
    examples = PLAYBOOKS / "examples"
    book = load_rulebook(examples / "policy.yml", examples / "inventory.yml", PLAYBOOKS)
    assert {"restart"} <= set(book.playbooks)
    assert {rule.mode.value for rule in book.policy.rules} == {"observe"}
    target = book.inventory.resolve("web-1")
    assert target is not None
    assert target.variables["service_name"] == "shop"
