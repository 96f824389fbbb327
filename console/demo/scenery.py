"""The files of the demo: its own state folder, settings, policy and inventory, such as a user would write them."""

import fcntl
import os
import shutil
import sys
import sysconfig
from pathlib import Path
from typing import IO

import msgspec

import remediations
from console.demo.errors import FolderError
from console.demo.fleet import Plan
from stream.broker.embedded import free_ports
from stream.settings import Settings

PLAYBOOKS = Path(remediations.__file__).parent.parent / "playbooks"
OWNER_FILE = ".tidegate-demo"
SETTINGS = "settings.yml"
SAMPLES_MINIMUM = 700  # readings and log lines of a host: about fifty seconds
COOLDOWN_SECONDS = 900

POLICY = f"""\
# One rule: a web or api host that behaves badly gets its service restarted, within limits.
version: 1
rules:
  - name: restart-sick-service
    mode: auto
    match: {{kinds: [anomaly], groups: [web, api]}}
    playbook: restart
    cooldown_seconds: {COOLDOWN_SECONDS}
    attempts_maximum: 1
    verification: {{settle_seconds: 2, deadline_seconds: 60}}
limits:
  event_age_maximum_seconds: 60
  samples_minimum: {SAMPLES_MINIMUM}
  group_concurrency_maximum: 1
  starts_maximum: 3
  starts_window_seconds: 3600
  protected_hosts: []
"""


def claim_folder(folder: Path) -> IO[str]:
    """Make `folder` ours and empty, and return the file whose lock keeps it so; closing the file gives the folder back.

    Raises FolderError when it holds what no demo made, or when another demo runs in it.
    """
    owner = folder / OWNER_FILE
    if folder.exists() and not folder.is_dir():
        raise FolderError(f"{folder} is no folder")
    if folder.exists() and any(folder.iterdir()) and not owner.exists():
        raise FolderError(f"{folder} holds files that no demo made: name a new or an empty folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = owner.open("a+")
    except OSError as error:
        raise FolderError(f"{folder} can not be written: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.seek(0)
        process = lock.read().strip()
        lock.close()
        raise FolderError(f"{folder} is in use by another demo, process {process}: stop it or name another") from error
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    _empty(folder)
    return lock


def write_scenery(folder: Path, plan: Plan) -> Settings:
    """Write settings.yml, policy.yml and inventory.yml into `folder` and return the settings.

    They name no Kafka: it is the embedded one of the folder, for the demo and for a later `tidegate up`.
    """
    detect_port, engine_port = free_ports(2)
    settings = {
        "kafka": {"partitions": 4},
        "detect": {"health_port": detect_port, "roster_seconds": 2.0, "silence_seconds": 20.0},
        "engine": {
            "policy": str(folder / "policy.yml"),
            "inventory": str(folder / "inventory.yml"),
            "playbooks": str(PLAYBOOKS),
            "health_port": engine_port,
        },
        "state_folder": str(folder),
        "log_format": "json",
    }
    heading = b"# Settings of this demo, made anew at every start.\n"
    (folder / SETTINGS).write_bytes(heading + msgspec.yaml.encode(settings))
    (folder / "policy.yml").write_text(POLICY)
    (folder / "inventory.yml").write_bytes(msgspec.yaml.encode(inventory(folder, plan)))
    return msgspec.convert(settings, Settings)


def inventory(folder: Path, plan: Plan) -> dict[str, object]:
    """The Ansible inventory of the fleet: every host is this machine, and restarts its own service only."""
    groups: dict[str, dict[str, dict[str, dict[str, object]]]] = {}
    for each in plan.services:
        variables = {"service_name": each.host, "restart_health_url": f"{each.url}/health"}
        groups.setdefault(each.group, {"hosts": {}})["hosts"][each.host] = dict(variables)
    everywhere = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "restart_supervisorctl": str(Path(sysconfig.get_path("scripts")) / "supervisorctl"),
        "restart_supervisor_config": plan.configuration,
        "tidegate_marker_folder": str(folder / "markers"),
    }
    return {"all": {"vars": everywhere, "children": groups}}


def _empty(folder: Path) -> None:
    for each in folder.iterdir():
        if each.name == OWNER_FILE:
            continue
        if each.is_dir() and not each.is_symlink():
            shutil.rmtree(each)
        else:
            each.unlink()
