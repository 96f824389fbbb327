"""Passwords in the inventory: encrypted by Ansible's vault they are read and reach runs; else it is told how."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from remediations.errors import InventoryError
from remediations.inventory import read_inventory
from remediations.runs import RunStatus
from tests.playbooks.runs import LOCAL, Stage

CONTENT = "vault-password-71"
WORD = "login-word-3305"
USE = """\
    - name: Use it
      ansible.builtin.copy:
        content: "{{{{ shop_login }}}}"
        dest: "{target}"
        mode: "0600"
      no_log: true
"""
PROGRAM = str(Path(sys.executable).parent / "ansible-vault")


@pytest.fixture
def password(tmp_path: Path) -> Path:
    """The file with the vault's password."""
    file = tmp_path / "password"
    file.write_text(CONTENT)
    file.chmod(0o600)
    return file


def encrypted(password: Path, text: str) -> str:
    """The text as ansible-vault encrypts it, as a value of YAML."""
    words = [PROGRAM, "encrypt_string", "--vault-password-file", str(password), text]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


def written(folder: Path, form: str, password: Path) -> Path:
    """An inventory of one host whose login is encrypted."""
    host = "web: {hosts: {web-1: {}}}\n"
    value = f"shop_login: {encrypted(password, WORD)}\n"
    (folder / "inventory").mkdir()
    match form:
        case "one file":
            indented = value.replace("\n", "\n    ").rstrip()
            file = folder / "inventory" / "hosts.yml"
            file.write_text(f"web:\n  hosts: {{web-1: {{}}}}\n  vars:\n    {indented}\n")
            return file
        case "a value in group_vars":
            (folder / "inventory" / "group_vars").mkdir()
            (folder / "inventory" / "group_vars" / "web.yml").write_text(value)
        case _:
            file = folder / "inventory" / "group_vars" / "web" / "logins.yml"
            file.parent.mkdir(parents=True)
            file.write_text(f"shop_login: {WORD}\n")
            words = [PROGRAM, "encrypt", "--vault-password-file", str(password), str(file)]
            subprocess.run(words, check=True, capture_output=True)
    (folder / "inventory" / "hosts.yml").write_text(host)
    return folder / "inventory"


FORMS = ("one file", "a value in group_vars", "a file of group_vars")


@pytest.mark.parametrize("form", FORMS)
def test_an_encrypted_login_reaches_the_run(form: str, tmp_path: Path, password: Path) -> None:
    """Whole files and single values that the vault has encrypted are read, and a run of the host can use them."""
    target = read_inventory(written(tmp_path, form, password), password).resolve("web-1")
    assert target is not None
    assert form == "a file of group_vars" or WORD not in str(target)
    stage = Stage(tmp_path, tmp_path / "playbooks")
    stage.settings = msgspec.structs.replace(stage.settings, vault_password_file=str(password))
    playbook = stage.write_playbook("use.yml", USE.format(target=tmp_path / "used"))
    played = stage.play(stage.request(playbook=playbook, inputs={}, variables=LOCAL | target.variables))
    assert played.result.status is RunStatus.SUCCESSFUL, played.result
    assert (tmp_path / "used").read_text() == WORD


def test_an_encrypted_file_without_the_password(tmp_path: Path, password: Path) -> None:
    """The error names the setting that is missing."""
    inventory = written(tmp_path, "a file of group_vars", password)
    with pytest.raises(InventoryError, match=r"vault.*wanted its password in engine\.vault_password_file"):
        read_inventory(inventory)


def test_a_wrong_password(tmp_path: Path, password: Path) -> None:
    """It is told as Ansible tells it."""
    inventory = written(tmp_path, "a file of group_vars", password)
    password.write_text("another")
    with pytest.raises(InventoryError, match=r"is not read by Ansible: .*[Dd]ecrypt"):
        read_inventory(inventory, password)


@pytest.mark.parametrize("name", ["ansible_become_password", "ansible_ssh_pass", "api_token"])
def test_a_template_in_a_password(name: str, tmp_path: Path) -> None:
    """Nobody is told to write a password out: the error says how else to give it."""
    file = tmp_path / "hosts.yml"
    file.write_text(f'web: {{vars: {{{name}: "{{{{ login_of_shop }}}}"}}, hosts: {{web-1: {{}}}}}}\n')
    with pytest.raises(InventoryError) as caught:
        read_inventory(file)
    assert "write the value out" not in str(caught.value)
    for word in (name, "templates are not read here", "ansible-vault encrypt", "engine.vault_password_file"):
        assert word in str(caught.value)
