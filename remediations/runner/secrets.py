"""Secrets that all runs are given: copied into the run's private folder, named to Ansible by path, removed at the end.

No content is ever an argument, a variable or part of the environment.
"""

import os
import stat
from pathlib import Path

from remediations.runner.errors import RunRefusedError
from remediations.runner.settings import RunnerSettings

VAULT_PASSWORD, PRIVATE_KEY = "vault-password", "private-key"
CERTIFICATE = "-cert.pub"
OTHERS = stat.S_IWGRP | stat.S_IRWXO


def read_secrets(settings: RunnerSettings) -> dict[str, bytes]:
    """The files that a run's folder of secrets gets, by name. Raises `RunRefusedError` for one that can not be used."""
    found: dict[str, bytes] = {}
    if settings.vault_password_file:
        content = read("vault_password_file", settings.vault_password_file)
        if not is_program(settings.vault_password_file):
            found[VAULT_PASSWORD] = content
    if settings.private_key_file:
        found[PRIVATE_KEY] = read("private_key_file", settings.private_key_file)
        certificate = Path(settings.private_key_file + CERTIFICATE)  # ssh looks for it there
        if certificate.is_file():
            found[PRIVATE_KEY + CERTIFICATE] = certificate.read_bytes()
    return found


def secret_environment(folder: Path, settings: RunnerSettings) -> dict[str, str]:
    """What tells Ansible where the secrets of the run in this folder are."""
    found: dict[str, str] = {}
    if settings.vault_password_file:
        own = str(folder / "secrets" / VAULT_PASSWORD)
        program = is_program(settings.vault_password_file)
        found["ANSIBLE_VAULT_PASSWORD_FILE"] = settings.vault_password_file if program else own
    if settings.private_key_file:
        found["ANSIBLE_PRIVATE_KEY_FILE"] = str(folder / "secrets" / PRIVATE_KEY)
    return found


def is_program(path: str) -> bool:
    """Whether Ansible would run a vault password file instead of reading it."""
    return os.access(path, os.X_OK)


def read(field: str, path: str) -> bytes:
    """A secret file's content, if only we and our group can read it."""
    file = Path(path)
    try:
        mode = file.stat().st_mode
        if not file.is_absolute() or not stat.S_ISREG(mode) or mode & OTHERS:
            raise RunRefusedError(field, path, "absolute path of a file that others can not read, nor the group write")
        return file.read_bytes()
    except OSError as error:
        raise RunRefusedError(field, path, f"a file that can be read: {error.strerror}") from error
