"""A request is checked part by part before anything is started or written.

Ansible takes more for an instruction than one expects: ranges in host names, templates in values, connection settings
in variables, options in user names. What is not plainly a name or a value is refused here; what remains reaches
Ansible as text that is never a template (`unsafe`).
"""

import math
import re
from collections.abc import Callable
from pathlib import Path

from detectors.hostnames import EXACT_HOST
from remediations.documents import VAULTED
from remediations.runner import proving
from remediations.runner.errors import RunRefusedError
from remediations.runner.settings import RunnerSettings
from remediations.runs import RunRequest, Target

HEX_ID = re.compile(r"[0-9a-f]{32,64}")
PLAYBOOK = re.compile(r"[a-z][a-z0-9_-]{0,63}\.ya?ml")
PLAIN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
ADDRESS = re.compile(r"[A-Za-z0-9:]([A-Za-z0-9._:%-]{0,251}[A-Za-z0-9])?")
USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@\\-]{0,127}")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
INPUT = re.compile(r"[a-z][a-z0-9_]{0,63}")
# Not `__ansible_…`: in JSON such keys make vaulted and unsafe values.
NESTED_KEY = re.compile(r"(?!__ansible)[A-Za-z0-9_][A-Za-z0-9_./:@-]{0,252}")
CIPHERTEXT = re.compile(r"\$ANSIBLE_VAULT;1\.[0-9];AES256(;[A-Za-z0-9_.-]{1,64})?\s+[0-9a-f\s]{2,65536}")
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")

GROUP_NAMES = frozenset({"all", "ungrouped", "targets", "delegates"})
ADDRESS_VARIABLES = frozenset({"ansible_host", "ansible_ssh_host"})
USER_VARIABLES = frozenset({"ansible_user", "ansible_ssh_user", "ansible_become_user", "remote_user"})
PORT_VARIABLES = frozenset({"ansible_port", "ansible_ssh_port"})
# Names that mean something to Ansible itself. As inputs, which win over everything else, they could redirect a run.
RESERVED_INPUTS = frozenset(
    {
        "become",
        "environment",
        "finalize",
        "group_names",
        "groups",
        "hosts",
        "hostvars",
        "inventory_dir",
        "inventory_file",
        "inventory_hostname",
        "inventory_hostname_short",
        "item",
        "lookup",
        "name",
        "now",
        "omit",
        "play_hosts",
        "playbook_dir",
        "port",
        "q",
        "query",
        "remote_user",
        "role_name",
        "role_names",
        "role_path",
        "roles",
        "serial",
        "tasks",
        "vars",
    }
)
TEXT_LENGTH_MAXIMUM = 4096
DEPTH_MAXIMUM = 5
PORT_MAXIMUM = 65_535
TARGETS_MAXIMUM = 100
TIMEOUT_SECONDS_MAXIMUM = 86_400.0


def check(request: RunRequest, settings: RunnerSettings) -> None:
    """Raise `RunRefusedError` for the first part of the request that is not as it must be."""
    for part in PARTS:
        part(request, settings)


def check_ids(request: RunRequest, _settings: RunnerSettings) -> None:
    """Ids become file names here and on the target."""
    check_name("action_id", request.action_id, HEX_ID, "32 to 64 lower-case hex digits")
    check_name("incident_id", request.incident_id, PLAIN_ID, "letters, digits, dot, underscore, dash")


def check_playbook(request: RunRequest, settings: RunnerSettings) -> None:
    """The playbook is a file of the playbook folder, also after links are followed, or our own proof."""
    if request.playbook == str(proving.PLAYBOOK):
        return
    folder = Path(settings.playbooks).resolve()
    path = Path(request.playbook)
    if not path.is_absolute() or not path.resolve().is_relative_to(folder):
        raise RunRefusedError("playbook", request.playbook, f"an absolute path below {folder}")
    check_name("playbook", path.name, PLAYBOOK, "a file named like restart.yml")
    if not path.is_file():
        raise RunRefusedError("playbook", request.playbook, "a file that exists")


def check_targets(request: RunRequest, _settings: RunnerSettings) -> None:
    """Targets are exact, distinct host names: no pattern, no range, no group."""
    check_hosts("targets", request.targets, 1)


def check_delegates(request: RunRequest, _settings: RunnerSettings) -> None:
    """What a run acts through is named as exactly as what it acts on."""
    check_hosts("delegates", request.delegates, 0)


def check_hosts(part: str, hosts: tuple[Target, ...], least: int) -> None:
    """At least so many exact, distinct host names with plain variables."""
    names = [host.name for host in hosts]
    if not least <= len(names) <= TARGETS_MAXIMUM or len(set(names)) != len(names):
        raise RunRefusedError(part, names, f"{least} to {TARGETS_MAXIMUM} distinct hosts")
    for name in names:
        check_name(part, name, EXACT_HOST, "an exact host name (letters, digits, dot, dash, underscore)")
        if name in GROUP_NAMES:
            raise RunRefusedError(part, name, "a host; this is a group")
    for host in hosts:
        check_variables(part, host)


def check_variables(part: str, target: Target) -> None:
    """Inventory variables have plain names; the few that become words of an ssh command line are names themselves."""
    for key, value in target.variables.items():
        field = f"{part}.{target.name}.{shown(key)}"
        check_name(field, key, VARIABLE, "a variable name")
        check_value(field, value, 0)
        if key in ADDRESS_VARIABLES:
            check_name(field, value, ADDRESS, "a host name or address")
        elif key in USER_VARIABLES:
            check_name(field, value, USER, "a user name")
        elif key in PORT_VARIABLES and (not str(value).isdecimal() or not 0 < int(str(value)) <= PORT_MAXIMUM):
            raise RunRefusedError(field, value, f"a port from 1 to {PORT_MAXIMUM}")


def check_inputs(request: RunRequest, _settings: RunnerSettings) -> None:
    """Inputs have plain names that mean nothing to Ansible itself."""
    for key, value in request.inputs.items():
        field = f"inputs.{shown(key)}"
        check_name(field, key, INPUT, "a name of lower-case letters, digits, underscores")
        if key in RESERVED_INPUTS or key.startswith(("ansible_", "tidegate_")):
            raise RunRefusedError(field, value, "a name that is not Ansible's or Tidegate's own")
        check_value(field, value, 0)


def check_timeout(request: RunRequest, _settings: RunnerSettings) -> None:
    """Every run ends."""
    if not 0 < request.timeout_seconds <= TIMEOUT_SECONDS_MAXIMUM:
        raise RunRefusedError("timeout_seconds", request.timeout_seconds, f"over 0, up to {TIMEOUT_SECONDS_MAXIMUM}")


PARTS: tuple[Callable[[RunRequest, RunnerSettings], None], ...] = (
    check_ids,
    check_playbook,
    check_targets,
    check_delegates,
    check_inputs,
    check_timeout,
)


def check_value(field: str, value: object, depth: int) -> None:
    """A value is bounded text without control characters, a finite number, or a shallow collection of such."""
    if depth > DEPTH_MAXIMUM:
        raise RunRefusedError(field, value, f"at most {DEPTH_MAXIMUM} levels of nesting")
    match value:
        case str():
            check_text(field, value)
        case bool() | int() | None:
            return
        case float():
            if not math.isfinite(value):
                raise RunRefusedError(field, value, "a finite number")
        case list() | tuple():
            for item in value:
                check_value(field, item, depth + 1)
        case dict():
            check_mapping(field, value, depth)
        case _:
            raise RunRefusedError(field, value, "text, a number, true or false, a list or a mapping")


def check_mapping(field: str, value: dict[object, object], depth: int) -> None:
    """A mapping has plain keys, or is one value that Ansible's vault has encrypted."""
    if value.keys() == {VAULTED}:
        check_name(field, value[VAULTED], CIPHERTEXT, "what ansible-vault has made")
        return
    for key, item in value.items():
        check_name(field, key, NESTED_KEY, "a plain key")
        check_value(f"{field}.{key}", item, depth + 1)


def check_text(field: str, value: str) -> None:
    """Text is short, valid Unicode and free of control characters."""
    if len(value) > TEXT_LENGTH_MAXIMUM:
        raise RunRefusedError(field, value, f"at most {TEXT_LENGTH_MAXIMUM} characters")
    if CONTROL.search(value) or any("\ud800" <= letter <= "\udfff" for letter in value):
        raise RunRefusedError(field, value, "text without control characters")


def check_name(field: str, value: object, pattern: re.Pattern[str], wanted: str) -> None:
    """The whole of the value matches the pattern."""
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise RunRefusedError(field, value, wanted)


def shown(key: object) -> str:
    """A key as part of a field's name."""
    return ascii(key)[1:65] if isinstance(key, str) else ascii(key)


def unsafe(value: object) -> object:
    """The value with all its text marked as text: Ansible then never takes it for a template."""
    match value:
        case str():
            return {"__ansible_unsafe": value}
        case list() | tuple():
            return [unsafe(item) for item in value]
        case dict() if value.keys() == {VAULTED}:
            return value  # Ansible decrypts it, in the run and nowhere else
        case dict():
            return {key: unsafe(item) for key, item in value.items()}
        case _:
            return value
