"""Why a task failed, in Ansible's own words: one line, without what is secret.

A task that hides its output (`no_log`) has no words. In those of all others the values of variables and inputs whose
names say that they are secret are left out, and so is what looks like a secret wherever it stands.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import msgspec

CAUSE_LENGTH_MAXIMUM, END_LENGTH = 800, 200
SECRET_LENGTH_MINIMUM = 4
LOG_BYTES = 65_536
REMOVED = "***"
ERROR = "[ERROR]: "
UNSAFE = "__ansible_unsafe"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_BANNER = re.compile(r"@{5,}|^@ +| +@\s*$", re.MULTILINE)
_WHERE = re.compile(r"^(?:(?:Task|Action|Module) failed: )+")
_FAREWELL = re.compile(r"^Shared connection to .* closed\.?\s*$", re.MULTILINE)  # by ssh, after anything
_SECRET_NAME = re.compile(
    r"pass(?!ive)|pwd|secret|token|credential|_pw$|^pw$"
    r"|(?:api|private|ssh|access|account|encryption|signing|hmac|vault|master|shared)_?key",
    re.IGNORECASE,
)
_SECRET_WORDS = (
    (re.compile(r"-----BEGIN [^-]*PRIVATE KEY-----.*?(?:-----END [^-]*-----|$)", re.DOTALL), REMOVED),
    (re.compile(r"://[^/\s@]+@"), f"://{REMOVED}@"),
    (re.compile(r"((?:^|\s)(?:-u|--user)[ =]*[^\s:]+:)(?!//)[^\s\"']+"), rf"\1{REMOVED}"),
    (
        re.compile(r"((?:^|\s)--?(?:pass(?:word|wd|phrase)?|secret|token|api-?key)\s+)(?!-)[^\s\"']+", re.IGNORECASE),
        rf"\1{REMOVED}",
    ),
    (re.compile(r"\b(?:gh[pousr]_|glpat-|xox[abp]-|AKIA)[A-Za-z0-9_-]{10,}"), REMOVED),
    (re.compile(r"\b(bearer|basic)\s+(?=\S*[\d=])[\w+/=.~-]{8,}", re.IGNORECASE), rf"\1 {REMOVED}"),
    (
        re.compile(
            r"""((?:pass(?:word|wd|phrase)?|secret|token|api_?key|credentials?)["']?\s*[=:]\s*["']?)"""
            r"""(?![^\s]+ is undefined)[^\s"',;&)}]+""",
            re.IGNORECASE,
        ),
        rf"\1{REMOVED}",
    ),
)


class FailedModule(msgspec.Struct, frozen=True):
    """One of the modules that gathered facts."""

    msg: object = ""


class TaskReturn(msgspec.Struct, frozen=True):
    """What of a task's return value is looked at."""

    changed: object = False
    msg: object = ""
    rc: object = None
    module_stderr: object = ""
    module_stdout: object = ""
    failed_modules: dict[str, FailedModule] = {}
    censored: object = ""


def cause(returned: TaskReturn | None, printed: str, secrets: Collection[str] = ()) -> str:
    """The cause as Ansible tells it, from a task's return value and what was printed of its end; may be empty."""
    if returned is None or returned.censored:
        return ""
    nested = next((str(each.msg) for each in returned.failed_modules.values()), "")
    said = _WHERE.sub("", nested or str(returned.msg))
    shown = _WHERE.sub("", printed.removeprefix(ERROR).partition("\n")[0].strip())
    stem = said.rstrip(".")
    if stem and shown.startswith(stem):
        said = shown  # with the causes of the cause
    if "non-zero return code" in said and returned.rc is not None:
        said = f"{said.rstrip('.')} ({returned.rc})"
    detail = last_line(_FAREWELL.sub("", str(returned.module_stderr))) or telling_line(str(returned.module_stdout))
    if detail and "not found" not in said:
        said = f"{said.rstrip('.')}: {detail}"
    return cleaned(said, secrets)


def cleaned(text: str, secrets: Collection[str] = (), length: int = CAUSE_LENGTH_MAXIMUM) -> str:
    """The text on one line, without control characters and without secrets; of a long one its beginning and its end."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, REMOVED)
    for pattern, instead in _SECRET_WORDS:
        text = pattern.sub(instead, text)
    line = " ".join(_CONTROL.sub(" ", _BANNER.sub("", _COLOURS.sub("", readable(text)))).split())
    return line if len(line) <= length else f"{line[: length - END_LENGTH - 3]} … {line[-END_LENGTH:]}"


def telling_line(text: str) -> str:
    """The line of an output that says what went wrong: of a traceback the last one, else the first."""
    return last_line(text) if "Traceback" in text else first_line(text)


def last_line(text: str) -> str:
    """The last line that says something."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")


def first_line(text: str) -> str:
    """The first line that says something."""
    return next((line.strip() for line in text.splitlines() if line.strip()), "")


def first_words(log: Path) -> str:
    """The first line that a log has of what went wrong, of a traceback the last one; empty without such a log."""
    try:
        with log.open("rb") as file:
            text = file.read(LOG_BYTES).decode(errors="replace")
    except OSError:
        return ""
    return cleaned(telling_line(text))


def readable(text: str) -> str:
    """The text with what is no Unicode replaced: output of commands may be any bytes."""
    return text.encode(errors="replace").decode()


def is_secret_name(name: str) -> bool:
    """Whether a variable of this name holds a secret."""
    return _SECRET_NAME.search(name) is not None


def secrets_of(folder: Path) -> frozenset[str]:
    """What must not be told of a run: values with secret names, and the lines of its files of secrets.

    `folder` is the run's own, as it was prepared.
    """
    found: set[str] = set()
    for file in (folder / "inventory" / "hosts.json", folder / "env" / "extravars"):
        if file.is_file():
            found.update(_secret_values(msgspec.json.decode(file.read_bytes()), is_secret=False))
    secrets = folder / "secrets"
    for file in secrets.iterdir() if secrets.is_dir() else ():
        found.update(file.read_text(errors="replace").splitlines())
    return frozenset(text for each in found if len(text := each.strip()) >= SECRET_LENGTH_MINIMUM)


def _secret_values(data: object, *, is_secret: bool) -> Iterator[str]:
    match data:
        case str() if is_secret:
            yield from (data, *data.splitlines())
        case Mapping():
            for key, value in data.items():
                hides = is_secret or (key != UNSAFE and is_secret_name(str(key)) and not _is_path(str(key)))
                yield from _secret_values(value, is_secret=hides)
        case list():
            for value in data:
                yield from _secret_values(value, is_secret=is_secret)


def _is_path(name: str) -> bool:
    return name.endswith(("_file", "_path", "_folder"))
