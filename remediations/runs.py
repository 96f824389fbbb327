"""One run of one playbook: what is asked, what happens on the way, what comes out."""

import enum

import msgspec

from remediations.policies import Scalar


class Target(msgspec.Struct, frozen=True):
    """One resolved host: its exact inventory name and its variables, from our own inventory only."""

    name: str
    variables: dict[str, object] = {}


class RunRequest(msgspec.Struct, frozen=True):
    """Everything a run needs, resolved before it starts.

    `action_id` is 32 to 64 hex digits and names the run, its artifacts and its marker on the target. `inputs` are the
    values of the playbook's declared inputs; strings among them reach Ansible as unsafe text. `playbook` is an
    absolute path of a file in the playbook folder; `timeout_seconds` ends the run with everything it started.
    `delegates` are hosts that the run acts through and never on, such as a load balancer: the run's inventory has them
    in the group `delegates`, the targets in the group `targets`.
    """

    action_id: str
    incident_id: str
    attempt: int
    playbook: str
    targets: tuple[Target, ...]
    inputs: dict[str, Scalar]
    timeout_seconds: float
    check: bool = False
    delegates: tuple[Target, ...] = ()


class TaskOutcome(enum.Enum):
    """How one task ended on one host."""

    OK = "ok"
    CHANGED = "changed"
    SKIPPED = "skipped"
    FAILED = "failed"
    UNREACHABLE = "unreachable"


class TaskEvent(msgspec.Struct, frozen=True):
    """One task of a run ended on one host. Carries names and outcomes, never a task's arguments or results.

    `number` counts these events. `step` of `steps` says which task of its play this is, and how many the play is known
    to have by then; zero when that could not be counted. `steps` grows when files are included or a rescue begins, and
    a play may end before it.
    """

    number: int
    play: str
    task: str
    action: str
    host: str
    outcome: TaskOutcome
    duration_seconds: float
    step: int = 0
    steps: int = 0


class RunStatus(enum.Enum):
    """How a run ended. UNKNOWN: it may have had its effect, nothing proves that it had or had not."""

    SUCCESSFUL = "successful"
    FAILED = "failed"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    CANCELED = "canceled"
    UNKNOWN = "unknown"


class HostCounts(msgspec.Struct, frozen=True):
    """Ansible's own count of task outcomes on one host."""

    ok: int = 0
    changed: int = 0
    failed: int = 0
    unreachable: int = 0
    skipped: int = 0


class RunResult(msgspec.Struct, frozen=True):
    """The end of a run. `result` is what the playbook gave to `set_stats`; `reason` says in words why it is no success.

    REFUSED means that the target's marker existed already: this run had no effect. A successful status needs rc 0, a
    stats event, exactly the requested hosts processed, none failed or unreachable. UNREACHABLE means that no task on
    the target ended well: no effect. `artifacts` is the folder with what the run left, on the engine's machine.
    """

    status: RunStatus
    rc: int | None
    hosts: dict[str, HostCounts] = {}
    result: dict[str, object] = {}
    reason: str = ""
    artifacts: str = ""


class MarkerState(enum.Enum):
    """What the marker on the target says of an action, read by a read-only look."""

    ABSENT = "absent"
    BEGUN = "begun"
    DONE = "done"
    CLOSED = "closed"
    UNREACHABLE = "unreachable"
