"""An Ansible inventory of any form → plain data, read by Ansible itself in a process of its own.

Only files are read: YAML, INI, and the folders `group_vars` and `host_vars` beside them. Programs and plugins are
refused before Ansible sees them, and it is told to take nothing else; values stay the text that they are.
"""

import hashlib
import os
import re
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

import msgspec

from remediations.documents import read_yaml
from remediations.errors import InventoryError
from remediations.interpreter import needed

YAML_SUFFIXES = (".yml", ".yaml", ".json")
VARIABLE_FOLDERS = ("group_vars", "host_vars")
IGNORED_SUFFIXES = (".pyc", ".pyo", ".swp", ".bak", "~", ".rpm", ".md", ".txt", ".rst", ".orig", ".retry", ".cfg")
READ_SECONDS = 60.0
BYTES_MAXIMUM = 50_000_000
_RANGE = re.compile(r"\[[^\]]*:[^\]]*\]|[*?!&]")


class Group(msgspec.Struct, frozen=True):
    """One group as Ansible tells it: its own hosts and child groups."""

    hosts: tuple[str, ...] = ()
    children: tuple[str, ...] = ()


class Export(msgspec.Struct, frozen=True):
    """The whole inventory: groups by name, and each host's variables as Ansible merges them."""

    groups: dict[str, Group]
    variables: dict[str, dict[str, object]]


def is_plain(path: Path) -> bool:
    """Tell whether an inventory is one YAML file with nothing beside it: that needs no other process."""
    beside = any((path.parent / name).is_dir() for name in VARIABLE_FOLDERS)
    return not path.is_dir() and path.suffix in YAML_SUFFIXES and not beside


def export(path: Path, vault_password_file: Path | None = None) -> Export:
    """Read an inventory file or folder. Raises InventoryError; the same files are read once."""
    sources, variables = tuple(_sources(path)), tuple(_variable_files(path))
    if not sources:
        raise InventoryError(path, "", "holds no inventory, wanted a file or a folder with one")
    for file in (*sources, *variables):
        if file.stat().st_mode & (stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH):
            raise InventoryError(file, "", "is executable: programs are not run here, write their answer into a file")
    for file in sources:
        if file.suffix in YAML_SUFFIXES:
            _check_yaml(file, read_yaml(file, InventoryError, aliases=True), "")
        else:
            _check_ini(file)
    password = vault_password_file if vault_password_file is not None and vault_password_file.is_file() else None
    return _export(path, password, _fingerprint((*sources, *variables, *((password,) if password else ()))))


def _sources(path: Path) -> Iterator[Path]:
    """Give the files that name hosts and groups."""
    if path.is_dir():
        yield from (file for file in _below(path) if file.relative_to(path).parts[0] not in VARIABLE_FOLDERS)
    elif path.is_file():
        yield path
    else:
        raise InventoryError(path, "", "cannot be read: No such file or directory")


def _variable_files(path: Path) -> Iterator[Path]:
    """Give the files with variables of groups and hosts, which lie in the folder or beside the file."""
    for name in VARIABLE_FOLDERS:
        yield from _below((path if path.is_dir() else path.parent) / name)


def _below(folder: Path) -> Iterator[Path]:
    for file in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
        if file.is_file() and not hidden and not file.name.endswith(IGNORED_SUFFIXES):
            yield file


def _check_yaml(file: Path, data: object, path: str) -> None:
    if not isinstance(data, Mapping):
        return
    if not path and "plugin" in data:
        raise InventoryError(file, "plugin", "is a plugin's configuration: plugins are not run here")
    hosts = data.get("hosts")
    for host in hosts if isinstance(hosts, Mapping) else ():
        if _RANGE.search(str(host)):
            raise InventoryError(file, f"{path}hosts.{host}", "is no exact host name: write each host out")
    for name, body in data.items():
        if name not in {"hosts", "vars"}:
            _check_yaml(file, body, f"{path}{name}.")


def _check_ini(file: Path) -> None:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as cause:
        raise InventoryError(file, "", f"cannot be read: {cause}") from cause
    section = ""
    for number, line in enumerate(lines, 1):
        words = line.split("#")[0].split()
        if words and words[0].startswith("["):
            section = line.strip()
        elif words and not section.endswith((":vars]", ":children]")) and _RANGE.search(words[0]):
            raise InventoryError(file, f"line {number}", f"{words[0]} is no exact host name: write each host out")


def _fingerprint(files: tuple[Path, ...]) -> str:
    whole = hashlib.sha256()
    for file in files:
        content = file.read_bytes()
        if len(content) > BYTES_MAXIMUM:
            raise InventoryError(file, "", f"has {len(content)} bytes, wanted at most {BYTES_MAXIMUM}")
        whole.update(f"{file}\0{len(content)}\0".encode(errors="surrogateescape") + content)
    return whole.hexdigest()


@lru_cache(maxsize=4)
def _export(path: Path, password: Path | None, _fingerprint: str) -> Export:
    """Ask Ansible. An answer is kept for as long as the files are the same: the engine looks every few seconds."""
    with tempfile.TemporaryDirectory(prefix="tidegate-inventory-") as scratch:
        (Path(scratch) / "ansible.cfg").touch()
        try:
            done = subprocess.run(  # noqa: S603 - our own Python, a path from the settings
                (sys.executable, "-I", "-m", "ansible", "inventory", "-i", str(path), "--list"),
                cwd=scratch,
                env=_environment(scratch) | ({"ANSIBLE_VAULT_PASSWORD_FILE": str(password)} if password else {}),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
                timeout=READ_SECONDS,
            )
        except subprocess.TimeoutExpired as cause:
            raise InventoryError(path, "", f"was not read within {READ_SECONDS:g} s") from cause
    if done.returncode != 0:
        said = " ".join(done.stderr.decode(errors="replace").split())[:1000]
        advice = "" if password or "vault" not in said else "; wanted its password in engine.vault_password_file"
        raise InventoryError(path, "", f"is not read by Ansible: {said}{advice}")
    return _decoded(path, done.stdout)


def _environment(scratch: str) -> dict[str, str]:
    """Nothing is inherited: of all plugins only those that read files."""
    return needed() | {
        "PATH": os.defpath,
        "HOME": scratch,
        "LC_ALL": "C.UTF-8",
        "TMPDIR": scratch,
        "ANSIBLE_HOME": scratch,
        "ANSIBLE_LOCAL_TEMP": scratch,
        "ANSIBLE_CONFIG": f"{scratch}/ansible.cfg",
        "ANSIBLE_COLLECTIONS_PATH": scratch,
        "ANSIBLE_INVENTORY_ENABLED": "yaml,ini",
        "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "True",
        "ANSIBLE_VARS_ENABLED": "host_group_vars",
        "ANSIBLE_NOCOLOR": "True",
        "ANSIBLE_DEPRECATION_WARNINGS": "False",
    }


def _decoded(path: Path, answer: bytes) -> Export:
    try:
        data = msgspec.json.decode(answer, type=dict[str, msgspec.Raw])
        meta = msgspec.json.decode(data.pop("_meta", b"{}"), type=_Meta)
        groups = {name: msgspec.json.decode(body, type=Group) for name, body in data.items()}
    except msgspec.MsgspecError as cause:
        raise InventoryError(path, "", f"is not read by Ansible: its answer is no inventory: {cause}") from cause
    return Export(groups=groups, variables=meta.hostvars)


class _Meta(msgspec.Struct, frozen=True):
    """What Ansible calls `_meta`."""

    hostvars: dict[str, dict[str, object]] = {}
