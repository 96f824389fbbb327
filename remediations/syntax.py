"""Ansible's own syntax check: can it read a playbook, with every module and role that is named there?

It costs a second or so. It is asked about many playbooks at once, and once about each as its files are: only where
Ansible refuses is each asked about for itself, which names the place.
"""

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import msgspec

from remediations.contract import Finding
from remediations.playbooks import Playbook
from remediations.runner import RunnerSettings, RunRefusedError
from remediations.runner.causes import cleaned
from remediations.runner.secrets import read_secrets
from remediations.runner.workplace import built_environment, scratch_environment, write_bytes

SYNTAX = "syntax"
READ_SECONDS = 120.0
HOSTS: dict[str, object] = {"all": {"children": {"targets": {"hosts": {"host": {}}}, "delegates": {}}}}
_ORIGIN = re.compile(r"Origin: (?P<file>\S+?):(?P<line>\d+)(?::\d+)?\s")
_NO_MODULE = re.compile(
    r"couldn't resolve module/action '(?P<module>(?!ansible\.builtin\.)[a-z0-9_]+\.[a-z0-9_]+\.\w+)'"
)


def unreadable(playbooks: Sequence[Playbook], settings: RunnerSettings) -> dict[str, Finding]:
    """Give Ansible's complaint about each of these playbooks that it can not read, by name."""
    state = _state(settings)
    read = tuple((playbook.path, playbook.digest) for playbook in playbooks)
    try:
        if not read or (len(read) > 1 and not _complaint(read, state)):
            return {}
    except (RunRefusedError, OSError, subprocess.SubprocessError, _Unplaced):
        pass  # each is asked about for itself, and says it again
    found = {playbook.name: _finding(playbook, state) for playbook in playbooks}
    return {name: finding for name, finding in found.items() if finding is not None}


@contextmanager
def checking_environment(settings: RunnerSettings) -> Iterator[dict[str, str]]:
    """Make the environment that runs see, with an inventory of one host and the vault's password, but no key for hosts.

    Raises RunRefusedError.
    """
    settings = msgspec.structs.replace(settings, private_key_file="")
    with tempfile.TemporaryDirectory(prefix="tidegate-check-") as scratch:
        folder = Path(scratch)
        environment = built_environment(folder, settings) | scratch_environment(scratch)
        (folder / "secrets").mkdir(mode=0o700)
        for name, content in read_secrets(settings).items():
            write_bytes(folder / "secrets" / name, content)
        environment["ANSIBLE_INVENTORY"] = f"{scratch}/hosts.json"
        Path(environment["ANSIBLE_INVENTORY"]).write_bytes(msgspec.json.encode(HOSTS))
        yield environment


class _Unplaced(Exception):  # noqa: N818 - an answer, no fault of ours
    """A complaint of Ansible that names no place: of the machine perhaps, a full disk say, and not of the files."""


class _State(msgspec.Struct, frozen=True):
    """What the answer depends on besides the files of a playbook: settings (JSON), collections that are there."""

    settings: bytes
    collections: tuple[tuple[str, int], ...]


def _state(settings: RunnerSettings) -> _State:
    """Look at the collections: one that was missing may have been installed since."""
    folders = (settings.collections or f"{settings.playbooks}/collections").split(":")
    found = (each for folder in folders for each in Path(folder).glob("ansible_collections/*/*"))
    collections = tuple(sorted((str(each), each.stat().st_mtime_ns) for each in found))
    return _State(msgspec.json.encode(settings, order="sorted"), collections)


def _finding(playbook: Playbook, state: _State) -> Finding | None:
    try:
        said = _complaint(((playbook.path, playbook.digest),), state)
    except _Unplaced as error:
        said = str(error)
    except OSError as error:
        said = f"Ansible could not be asked: {error.strerror}"  # not in which folder: each try has a new one
    except (RunRefusedError, subprocess.SubprocessError) as error:
        said = f"Ansible could not be asked: {error}"
    return _located(said, Path(playbook.path).name, msgspec.json.decode(state.settings)) if said else None


@lru_cache(maxsize=256)
def _complaint(read: tuple[tuple[str, str], ...], state: _State) -> str:
    """Ask Ansible about these files: what it complains of, empty if it can read them.

    Only answers about these files are kept: raises what kept Ansible from giving one.
    """
    settings = msgspec.json.decode(state.settings, type=RunnerSettings)
    with checking_environment(settings) as environment:
        done = subprocess.run(  # noqa: S603 - our own Python, paths of the playbook folder
            (sys.executable, "-m", "ansible", "playbook", "--syntax-check", *(path for path, _ in read)),
            cwd=settings.playbooks,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=READ_SECONDS,
        )
    if done.returncode == 0:
        return ""
    said = " ".join((done.stderr or done.stdout).split()) or f"ansible-playbook ended with {done.returncode}"
    said = said.replace(f"{Path(settings.playbooks)}/", "")
    if _ORIGIN.search(said) is None:
        raise _Unplaced(said)
    return said


def _located(said: str, playbook: str, settings: Mapping[str, str]) -> Finding:
    """Make a finding of Ansible's complaint: at the place that it names, with what helps where a module is missing."""
    origin, module = _ORIGIN.search(said), _NO_MODULE.search(said)
    words = (said[: origin.start()] if origin else said).rpartition("[ERROR]: ")[2]
    if module is not None:
        collection = module["module"].rpartition(".")[0]
        folder = settings["collections"] or f"{settings['playbooks']}/collections"
        words = f"there is no module {module['module']}, wanted the collection {collection} in {folder}"
        words += " (the setting engine.collections)"
    return Finding(origin["file"] if origin else playbook, int(origin["line"]) if origin else 1, SYNTAX, cleaned(words))
