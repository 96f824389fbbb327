"""What goes between the engine, the run process and its player: one file of orders in, one JSON line an event out."""

from pathlib import Path

import msgspec

from remediations.runner.errors import RunLineError
from remediations.runner.settings import RunLimits
from remediations.runs import HostCounts, RunResult, TaskEvent


class PreparedRun(msgspec.Struct, frozen=True):
    """A run ready to be started: exactly this command, this environment (nothing inherited) and this working folder.

    Give it a pipe as stdin and keep that open: its end tells the run process that its owner died. SIGTERM cancels.
    """

    argv: tuple[str, ...]
    environment: dict[str, str]
    cwd: str


class Orders(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the run process is told. Values of inputs and variables are not in here but in files of their own."""

    action_id: str
    hosts: tuple[str, ...]
    playbook: str
    folder: str
    timeout_seconds: float
    check: bool
    environment: dict[str, str]
    limits: RunLimits
    pid_namespace: bool


class Summary(msgspec.Struct, frozen=True):
    """What the player saw of the whole run. `counts` is None if Ansible gave no statistics.

    `refused` are the hosts whose marker existed, `touched` the hosts on which a task of the target itself ended well,
    `tasks` counts started tasks, `complaint` tells the failure, `cause` the first one in Ansible's words alone.
    `others` tells of hosts whose machine was first met under another name, and under which.
    """

    rc: int | None
    counts: dict[str, HostCounts] | None
    result: dict[str, object]
    refused: tuple[str, ...]
    touched: tuple[str, ...]
    tasks: int
    complaint: str
    cause: str = ""
    others: dict[str, str] = {}


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line; exactly one field is set. `summary` stays between player and run process."""

    task: TaskEvent | None = None
    result: RunResult | None = None
    summary: Summary | None = None


WARM_READY = b"ready"
"""What a warm parent says when it can take requests."""

BEAT = b"\n"
"""What a player says of an event that has no line: it is not idle."""

ENCODER = msgspec.json.Encoder()
LINES = msgspec.json.Decoder(Line)
ORDERS = msgspec.json.Decoder(Orders)


def encode_line(line: Line) -> bytes:
    """The line with its end."""
    return ENCODER.encode(line) + b"\n"


def read_line(line: bytes) -> Line:
    """Decode one line; raises `RunLineError`."""
    try:
        return LINES.decode(line)
    except msgspec.MsgspecError as error:
        raise RunLineError(f"line of a run process is {line[:120]!r}; wanted one JSON object: {error}") from error


def decode_line(line: bytes) -> TaskEvent | RunResult:
    """What one line of a run process's stdout says; raises `RunLineError`. The `RunResult` is the last one."""
    found = read_line(line)
    said = found.task or found.result
    if said is None:
        raise RunLineError(f"line of a run process is {line[:120]!r}; wanted a task or a result")
    return said


def read_orders(path: Path) -> Orders:
    """Read the file of orders."""
    return ORDERS.decode(path.read_bytes())
