"""The private folder of one run, and the environment it gets.

<folder>/<action id>/<playbook>-1/     0700, made for this run alone
    orders.json                        what the run process is told
    ansible.cfg                        empty; used when the playbook folder has none of its own
    inventory/hosts.json, env/         inputs and variables, removed when the run has ended
    secrets/                           vault password, private key, removed when the run has ended
    scratch                            where its temporary files are, until it has ended
    artifacts/<action id>/             stdout, job_events/, rc, status
    result.json                        the end of the run, as it was reported

Temporary files are in a folder of the system's temporary files, made by the run process and removed at its end. Where
`TMPDIR` is too long a path for the sockets in it, runs use one that is not.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from remediations.interpreter import needed
from remediations.runner import callbacks
from remediations.runner.errors import RunRefusedError
from remediations.runner.requests import check, unsafe
from remediations.runner.secrets import read_secrets, secret_environment
from remediations.runner.settings import RunnerSettings
from remediations.runner.wire import ENCODER, Orders, PreparedRun
from remediations.runs import RunRequest, RunResult

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SECRETS = ("env", "inventory", "secrets")
SCRATCH_PREFIX = "tidegate-"
SCRATCH_NOTE = "scratch"
# Ansible and ssh make unix sockets in the scratch folder, with names of up to 32 bytes; their paths end at 107 bytes.
TEMPORARY_LENGTH_MAXIMUM = 107 - 32 - len(f"/{SCRATCH_PREFIX}12345678")
TEMPORARY_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 - the folders made there are private
RUNNER_SETTINGS = {"suppress_output_file": True, "suppress_ansible_output": True, "pexpect_timeout": 1}


def prepare(request: RunRequest, settings: RunnerSettings) -> PreparedRun:
    """Check a request and write all that its run needs. Raises `RunRefusedError`, before anything is written."""
    check(request, settings)
    secrets = read_secrets(settings)
    Path(settings.folder).mkdir(mode=0o700, parents=True, exist_ok=True)
    check_room(settings)
    folder = new_folder(Path(settings.folder) / request.action_id, Path(request.playbook).stem)
    environment = built_environment(folder, settings)
    orders = Orders(
        action_id=request.action_id,
        hosts=tuple(target.name for target in request.targets),
        playbook=str(Path(request.playbook).resolve()),
        folder=str(folder),
        timeout_seconds=request.timeout_seconds,
        check=request.check,
        environment=environment,
        limits=settings.limits,
        pid_namespace=settings.pid_namespace,
    )
    for name, content in secrets.items():
        write_bytes(folder / "secrets" / name, content)
    write(folder / "inventory" / "hosts.json", inventory(request, settings))
    write(folder / "env" / "extravars", extra_variables(request))
    write(folder / "env" / "settings", RUNNER_SETTINGS)
    write(folder / "orders.json", orders)
    (folder / "ansible.cfg").touch(mode=0o600)
    argv = (sys.executable, "-I", "-m", "remediations.runner.process", str(folder / "orders.json"))
    return PreparedRun(argv=argv, environment=environment, cwd=str(folder))


def check_room(settings: RunnerSettings) -> None:
    """A run that can not write down what it does is not begun."""
    free = shutil.disk_usage(settings.folder).free
    if free < settings.free_bytes_minimum:
        raise RunRefusedError("free space of the run folder", free, f"at least {settings.free_bytes_minimum} bytes")


def new_folder(action: Path, playbook: str) -> Path:
    """A folder that no run had before: files of an earlier run would be read by this one."""
    action.mkdir(mode=0o700, exist_ok=True)
    number = 1
    while True:
        folder = action / f"{playbook}-{number}"
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            number += 1
            continue
        for name in SECRETS:
            (folder / name).mkdir(mode=0o700)
        return folder


def inventory(request: RunRequest, settings: RunnerSettings) -> dict[str, object]:
    """Exactly the resolved hosts with their variables, all text plain, in the groups `targets` and `delegates`."""
    hosts = {
        host.name: unsafe({"tidegate_marker_folder": settings.marker_folder} | host.variables)
        for host in (*request.delegates, *request.targets)
    }
    groups = {"targets": request.targets, "delegates": request.delegates}
    children: dict[str, object] = {
        name: {"hosts": {host.name: {} for host in members}} for name, members in groups.items()
    }
    return {"all": {"hosts": hosts, "children": children}}


def extra_variables(request: RunRequest) -> object:
    """The inputs, and what the marker role needs."""
    own = {
        "tidegate_action_id": request.action_id,
        "tidegate_incident_id": request.incident_id,
        "tidegate_attempt": request.attempt,
    }
    return unsafe(dict(request.inputs) | own)


def built_environment(folder: Path, settings: RunnerSettings) -> dict[str, str]:
    """Everything that a run sees of the environment. Fixed values win over `ansible.cfg` of the playbook folder."""
    playbooks = Path(settings.playbooks)
    own_configuration = playbooks / "ansible.cfg"
    return {
        **needed(),
        **settings.environment,
        **secret_environment(folder, settings),
        "TMPDIR": temporary_folder(settings),
        "PATH": f"{Path(sys.executable).parent}:{SYSTEM_PATH}",
        "HOME": settings.home,
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "ANSIBLE_CONFIG": str(own_configuration if own_configuration.is_file() else folder / "ansible.cfg"),
        "ANSIBLE_ROLES_PATH": str(playbooks / "roles"),
        "ANSIBLE_COLLECTIONS_PATH": settings.collections or str(playbooks / "collections"),
        "ANSIBLE_CALLBACK_PLUGINS": callbacks.FOLDER,
        "ANSIBLE_HOST_KEY_CHECKING": "True",
        "ANSIBLE_SSH_RETRIES": "0",  # a retried ssh command may run twice
        "ANSIBLE_INVENTORY_ENABLED": "yaml",  # of all inventory plugins the only one without programs and patterns
        "ANSIBLE_INVENTORY_UNPARSED_FAILED": "True",
        "ANSIBLE_PYTHON_INTERPRETER": "auto_silent",
        "ANSIBLE_INJECT_FACT_VARS": "False",
        "ANSIBLE_GATHERING": "explicit",
        "ANSIBLE_NOCOWS": "True",
        "ANSIBLE_NOCOLOR": "True",
        "ANSIBLE_DEPRECATION_WARNINGS": "False",
        "MAX_EVENT_RES": "65536",  # of ansible-runner: characters of one task's result in its event
    }


def temporary_folder(settings: RunnerSettings) -> str:
    """Where runs make their temporary folders: where they are told to, if that is short enough for sockets.

    Raises `RunRefusedError` if this machine has no such place.
    """
    places = filter(None, (settings.environment.get("TMPDIR"), *TEMPORARY_FOLDERS))
    for place in places:
        is_short = len(os.fsencode(place)) <= TEMPORARY_LENGTH_MAXIMUM
        if is_short and Path(place).is_dir() and os.access(place, os.W_OK | os.X_OK):
            return place
    wanted = f"a folder that can be written, with a path of at most {TEMPORARY_LENGTH_MAXIMUM} bytes"
    raise RunRefusedError("folder for temporary files", ", ".join(TEMPORARY_FOLDERS), wanted)


def scratch_of(orders: Orders) -> str:
    """Make a run's folder for temporary files; the run process does so when it starts, and `clear` removes it."""
    scratch = new_scratch(orders.environment["TMPDIR"])
    write_bytes(Path(orders.folder, SCRATCH_NOTE), os.fsencode(scratch))
    return scratch


def new_scratch(temporary: str) -> str:
    """Make a private folder for temporary files."""
    return tempfile.mkdtemp(prefix=SCRATCH_PREFIX, dir=temporary)


def scratch_environment(scratch: str) -> dict[str, str]:
    """What makes a process put its temporary files into this folder."""
    return {
        "TMPDIR": scratch,
        "ANSIBLE_HOME": f"{scratch}/ansible",
        "ANSIBLE_LOCAL_TEMP": scratch,
        "ANSIBLE_SSH_CONTROL_PATH_DIR": scratch,
    }


def write(path: Path, value: object) -> None:
    """Write JSON that only its owner can read."""
    write_bytes(path, ENCODER.encode(value))


def write_bytes(path: Path, content: bytes) -> None:
    """Write what only its owner can read."""
    path.touch(mode=0o600)
    path.write_bytes(content)


def discard(prepared: PreparedRun) -> None:
    """Remove all that was written for a run that will not be started."""
    shutil.rmtree(prepared.cwd, ignore_errors=True)


def clear(folder: Path) -> None:
    """Remove what may hold secrets; what the run said and how it ended stays."""
    for path in (*scratches(folder), *(folder / name for name in SECRETS)):
        shutil.rmtree(path, ignore_errors=True)
    (folder / SCRATCH_NOTE).unlink(missing_ok=True)


def scratches(folder: Path) -> Iterator[Path]:
    """The run's folder of temporary files, if it has made one."""
    with suppress(FileNotFoundError):
        yield Path(os.fsdecode((folder / SCRATCH_NOTE).read_bytes()))


def clear_leftovers(action_id: str, settings: RunnerSettings) -> None:
    """Remove what may hold secrets of an action's runs that were killed at once; none of them may run any more."""
    for folder in (Path(settings.folder) / action_id).glob("*/"):
        clear(folder)


def record(folder: Path, result: RunResult) -> None:
    """Keep the result next to the artifacts, whole or not at all."""
    part = folder / "result.json.part"
    write(part, result)
    part.rename(folder / "result.json")


def recorded_results(request: RunRequest, settings: RunnerSettings) -> tuple[RunResult, ...]:
    """Results of earlier runs of this request on this machine, oldest first; a run that was cut off has left none."""
    playbook = Path(request.playbook).stem
    folders = (Path(settings.folder) / request.action_id).glob(f"{playbook}-*/result.json")
    files = sorted(folders, key=lambda file: int(file.parent.name.removeprefix(f"{playbook}-")))
    return tuple(msgspec.json.decode(file.read_bytes(), type=RunResult) for file in files)
