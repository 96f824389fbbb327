"""A vault password and a private key reach Ansible as private files, do their work, and are gone with the run."""

import subprocess
import sys
import uuid
from pathlib import Path

import msgspec
import pytest

from remediations import runner
from remediations.runs import RunStatus
from tests.playbooks.runs import Stage
from tests.playbooks.sshd import Sshd
from tests.playbooks.warm import WAYS, parent_for
from tests.playbooks.watching import MEET, ProcessTable

CANARY = f"canary-{uuid.uuid4().hex}"
PASSWORD = f"{CANARY}-password"
PLAYBOOK = """\
- name: Test
  hosts: all
  gather_facts: false
  vars_files:
    - vaulted.yml
  tasks:
    - name: Use what was vaulted
      ansible.builtin.command:
        argv: [sh, -c, 'cat > {target}; echo $SSH_CONNECTION > {target}.connection; {meet}']
        stdin: "{{{{ secret_of_vault }}}}"
      no_log: true
"""


def vault(stage: Stage, *, is_seen: bool = False) -> str:
    """A playbook that needs a vaulted file of variables, and waits to be seen; its name."""
    meet = MEET.format(met=stage.folder / "met") if is_seen else ":"
    stage.playbooks.mkdir()
    (stage.playbooks / "use.yml").write_text(PLAYBOOK.format(target=stage.folder / "target", meet=meet))
    plain, password = stage.playbooks / "vaulted.yml", stage.folder / "password"
    plain.write_text(f"secret_of_vault: {CANARY}-vaulted\n")
    password.write_text(PASSWORD)
    password.chmod(0o600)
    program = str(Path(sys.executable).parent / "ansible-vault")
    subprocess.run([program, "encrypt", "--vault-password-file", str(password), str(plain)], check=True)
    return "use.yml"


def change(stage: Stage, **settings: object) -> None:
    """Other settings from here on."""
    stage.settings = msgspec.structs.replace(stage.settings, **settings)


@pytest.mark.parametrize("way", WAYS)
def test_vault_password_and_key(way: str, tmp_path: Path, sshd: Sshd) -> None:
    """A vaulted variable reaches a target that only the key opens; no content is in an argument, variable or file."""
    stage = Stage(tmp_path, tmp_path / "playbooks")
    playbook = vault(stage, is_seen=True)
    change(stage, vault_password_file=str(tmp_path / "password"), private_key_file=str(sshd.key))
    with parent_for(way, stage.settings) as stage.parent, ProcessTable(tmp_path / "met") as table:
        played = stage.play(stage.request(playbook=playbook, variables=sshd.variables))
    assert played.result.status is RunStatus.SUCCESSFUL, played.result
    assert f"{CANARY}-vaulted\n" == (tmp_path / "target").read_text()
    assert str(sshd.port) in (tmp_path / "target.connection").read_text()
    key = sshd.key.read_text().splitlines()[1]
    assert table.holding("private-key")
    assert (way == "new") == any("ansible-playbook " in line for line in table.holding(f"{stage.playbooks}/use.yml"))
    assert [] == table.holding(CANARY) + table.holding(key)
    files = [path for path in Path(stage.settings.folder).rglob("*") if path.is_file()]
    assert {"stdout", "result.json"} <= {path.name for path in files}
    assert [] == [file for file in files if any(word.encode() in file.read_bytes() for word in (CANARY, key))]


def test_other_key_is_not_let_in(tmp_path: Path, sshd: Sshd) -> None:
    """The key that is named is the one that is used, and no other."""
    stage = Stage(tmp_path, tmp_path / "playbooks")
    playbook = stage.write_playbook("true.yml", '    - name: T\n      ansible.builtin.command: "true"\n')
    request = stage.request(playbook=playbook, variables=sshd.variables)
    change(stage, private_key_file=str(sshd.folder / "other"))
    assert RunStatus.UNREACHABLE is stage.play(request).result.status
    change(stage, private_key_file=str(sshd.key))
    assert RunStatus.SUCCESSFUL is stage.play(request).result.status


@pytest.mark.parametrize("way", WAYS)
def test_sockets_of_ssh_in_a_long_temporary_folder(way: str, tmp_path: Path, sshd: Sshd) -> None:
    """A temporary folder whose path is too long for ssh's sockets does no harm."""
    stage = Stage(tmp_path, tmp_path / "playbooks")
    long = tmp_path / ("x" * 100)
    long.mkdir()
    change(stage, private_key_file=str(sshd.key), environment={"TMPDIR": str(long)})
    playbook = stage.write_playbook("true.yml", '    - name: T\n      ansible.builtin.command: "true"\n' * 2)
    with parent_for(way, stage.settings) as stage.parent, ProcessTable() as table:
        played = stage.play(stage.request(playbook=playbook, variables=sshd.variables))
    assert played.result.status is RunStatus.SUCCESSFUL, played.result
    assert table.holding("ControlPath=")
    assert [] == list(long.iterdir())


def test_vault_password_from_a_program(tmp_path: Path) -> None:
    """A vault password file that is a program is run, as Ansible does, where it is."""
    stage = Stage(tmp_path, tmp_path / "playbooks")
    playbook = vault(stage)
    program = tmp_path / "ask"
    program.write_text(f"#!/bin/sh\ncat {tmp_path}/password\n")
    program.chmod(0o700)
    change(stage, vault_password_file=str(program))
    assert RunStatus.SUCCESSFUL is stage.play(stage.request(playbook=playbook)).result.status
    assert f"{CANARY}-vaulted\n" == (tmp_path / "target").read_text()


def test_without_the_vault_password(tmp_path: Path) -> None:
    """A vaulted file that can not be opened is a failure before the first task."""
    stage = Stage(tmp_path, tmp_path / "playbooks")
    played = stage.play(stage.request(playbook=vault(stage)))
    assert RunStatus.FAILED is played.result.status
    assert "before any task" in played.result.reason


REFUSED: dict[str, tuple[str, int]] = {
    "others may read it": ("secret", 0o604),
    "the group may write it": ("secret", 0o660),
    "it is not there": ("none", 0o600),
    "it is a folder": (".", 0o700),
}


@pytest.mark.parametrize("field", ["vault_password_file", "private_key_file"])
@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str, field: str, tmp_path: Path) -> None:
    """A secret file that is missing, or open to others, is refused by its field before anything is written."""
    name, mode = REFUSED[case]
    (tmp_path / "secret").write_text(CANARY)
    (tmp_path / "secret").chmod(mode)
    stage = Stage(tmp_path)
    change(stage, **{field: str(tmp_path / name)})
    with pytest.raises(runner.RunRefusedError) as caught:
        runner.prepare(stage.request(), stage.settings)
    assert caught.value.field == field
    assert CANARY not in str(caught.value)
    assert not (tmp_path / "runs").exists()


def test_prepared_secrets_are_private(tmp_path: Path) -> None:
    """Copies are for their owner alone, the key's certificate beside it; a run that is not started leaves none."""
    for name in ("secret", "secret-cert.pub"):
        (tmp_path / name).write_text(CANARY)
        (tmp_path / name).chmod(0o600)
    stage = Stage(tmp_path)
    change(stage, private_key_file=str(tmp_path / "secret"))
    prepared = runner.prepare(stage.request(), stage.settings)
    copies = sorted(Path(prepared.cwd, "secrets").iterdir())
    assert [("private-key", 0o600), ("private-key-cert.pub", 0o600)] == [
        (copy.name, copy.stat().st_mode & 0o777) for copy in copies
    ]
    assert CANARY not in str(prepared)
    runner.discard(prepared)
    assert not any(copy.exists() for copy in copies)
