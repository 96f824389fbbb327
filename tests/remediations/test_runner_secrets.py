"""Secrets of every kind go into a run, and come out nowhere but on the target."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from remediations.runs import RunStatus
from tests.playbooks.runs import Stage
from tests.playbooks.warm import WAYS, parent_for
from tests.playbooks.watching import MEET, ProcessTable

CANARY = "canary-8842"
TASKS = """\
    - name: Use all secrets
      ansible.builtin.command:
        argv: [sh, -c, 'cat > "{target}"; {meet}']
        stdin: "{{{{ token }}}} {{{{ ansible_become_password }}}} {{{{ vault_password }}}} {{{{ ssh_key }}}}"
      no_log: true
    - name: Use them again and fail
      ansible.builtin.command:
        argv: [sh, -c, "cat > /dev/null; exit 3"]
        stdin: "{{{{ token }}}} {{{{ vault_password }}}} {{{{ ssh_key }}}}"
      no_log: true
"""


@pytest.fixture(params=WAYS)
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    """Playbooks of a test's own, run in new processes or by forks of a warm parent."""
    stage = Stage(tmp_path, tmp_path / "playbooks")
    with parent_for(request.param, stage.settings) as stage.parent:
        yield stage


def test_secrets_reach_the_target_alone(stage: Stage) -> None:
    """Canaries in inputs, inventory passwords, keys and vault: on the target, in no file, argument, line or result."""
    target, met = stage.folder / "target", stage.folder / "met"
    playbook = stage.write_playbook("use.yml", TASKS.format(target=target, meet=MEET.format(met=met)))
    request = stage.request(
        playbook=playbook,
        inputs={"token": f"{CANARY}-token"},
        variables={
            "ansible_become_password": f"{CANARY}-become",
            "vault_password": f"{CANARY}-vault",
            "ssh_key": f"-----BEGIN OPENSSH PRIVATE KEY----- {CANARY}-key",
        },
    )
    with ProcessTable(met) as table:
        played = stage.play(request, {"KAFKA_SASL_PASSWORD": f"{CANARY}-environment"})
    assert RunStatus.FAILED is played.result.status
    assert target.read_text().count(CANARY) == 4
    assert table.holding(str(met))
    assert [line for line in table.arguments if CANARY in line] == []
    said = msgspec.json.encode(played)
    assert CANARY.encode() not in said
    files = [path for path in Path(stage.settings.folder).rglob("*") if path.is_file()]
    assert {"stdout", "command", "runner.log", "result.json"} <= {path.name for path in files}
    assert [path for path in files if CANARY.encode() in path.read_bytes()] == []
