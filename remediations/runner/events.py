"""ansible-runner's events, folded: one `TaskEvent` for each task that ended on a host, and a summary of the run."""

import re
from collections.abc import Collection

import msgspec

from remediations.runner.causes import ERROR, TaskReturn, cause, cleaned, first_line
from remediations.runner.wire import Summary
from remediations.runs import HostCounts, TaskEvent, TaskOutcome

OUTCOMES = {
    "runner_on_ok": TaskOutcome.OK,
    "runner_on_failed": TaskOutcome.FAILED,
    "runner_on_unreachable": TaskOutcome.UNREACHABLE,
    "runner_on_skipped": TaskOutcome.SKIPPED,
}
# These run on the controller and say nothing about the target.
CONTROLLER_ACTIONS = frozenset(
    {
        "ansible.builtin.assert",
        "ansible.builtin.debug",
        "ansible.builtin.fail",
        "ansible.builtin.include_role",
        "ansible.builtin.include_tasks",
        "ansible.builtin.include_vars",
        "ansible.builtin.meta",
        "ansible.builtin.pause",
        "ansible.builtin.set_fact",
        "ansible.builtin.set_stats",
        "ansible.builtin.validate_argument_spec",
    },
)
# Their messages are written by the playbook's author.
AUTHORED = frozenset({"ansible.builtin.assert", "ansible.builtin.fail", "ansible.builtin.validate_argument_spec"})
ANSIBLE_ERROR = "[ERROR]"
TOLD_LENGTH = 60  # of a cause: a complaint that has its beginning tells it, though perhaps not to its end
REFUSED_KEY = "tidegate_refused"
OTHER_TARGET_KEY = "tidegate_other_target"
OWN_PREFIX = "tidegate_"
NAME_LENGTH_MAXIMUM = 200
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


class EventData(msgspec.Struct, frozen=True):
    """Details of an event; each kind of event sets some of them."""

    play: str = ""
    task: str = ""
    task_action: str = ""
    resolved_action: str = ""
    host: str = ""
    duration: float | None = 0.0
    ignore_errors: bool | None = False
    res: TaskReturn | None = None
    processed: dict[str, int] = {}
    ok: dict[str, int] = {}
    changed: dict[str, int] = {}
    failures: dict[str, int] = {}
    dark: dict[str, int] = {}
    skipped: dict[str, int] = {}
    artifact_data: dict[str, object] = {}
    tidegate_step: int = 0
    tidegate_steps: int = 0


class RunnerEvent(msgspec.Struct, frozen=True):
    """One event of ansible-runner."""

    event: str = ""
    stdout: str = ""
    event_data: EventData = EventData()


class EventFold:
    """Takes the events of one run in their order; `secrets` are texts that its complaints must not have."""

    def __init__(self, secrets: Collection[str] = ()) -> None:
        self._secrets = secrets
        self._number = 0
        self._tasks = 0
        self._touched: set[str] = set()
        self._counts: dict[str, HostCounts] | None = None
        self._result: dict[str, object] = {}
        self._refused: tuple[str, ...] = ()
        self._others: dict[str, str] = {}
        self._complaint = ""  # of the first failure that its author put into words, else of the first
        self._authored = False
        self._cause = ""  # of the first failure, in Ansible's words
        self._breakage = ""
        self._printed = ""

    def take(self, event: RunnerEvent) -> TaskEvent | None:
        """The task that ended with this event, if one did."""
        data = event.event_data
        if event.event == "playbook_on_task_start":
            self._tasks += 1
        elif event.event == "playbook_on_stats":
            self._take_statistics(data)
        elif event.event in OUTCOMES:
            return self._take_task(OUTCOMES[event.event], data, event.stdout)
        elif event.stdout.startswith(ANSIBLE_ERROR) and not self._breakage:
            self._breakage = cleaned(event.stdout.removeprefix(ERROR), self._secrets)
        elif not self._printed:
            self._printed = cleaned(first_line(event.stdout), self._secrets)
        return None

    def summary(self, rc: int | None) -> Summary:
        """The whole run, once it ended with this return code."""
        return Summary(
            rc=rc,
            counts=self._counts,
            result={key: value for key, value in self._result.items() if not key.startswith(OWN_PREFIX)},
            refused=self._refused,
            touched=tuple(sorted(self._touched)),
            tasks=self._tasks,
            complaint=self._whole_complaint() if self._tasks else self._breakage or self._printed,
            cause=self._cause,
            others=self._others,
        )

    def _whole_complaint(self) -> str:
        """The author's words, if there are any, and the first cause, if they do not tell it."""
        told = not self._cause or self._cause[:TOLD_LENGTH].rstrip(".") in self._complaint
        return self._complaint if told else f"{self._complaint}; first cause: {self._cause}"

    def _take_task(self, outcome: TaskOutcome, data: EventData, printed: str) -> TaskEvent:
        action = data.resolved_action or data.task_action
        if outcome is TaskOutcome.OK and data.res is not None and data.res.changed is True:
            outcome = TaskOutcome.CHANGED
        if outcome in {TaskOutcome.OK, TaskOutcome.CHANGED} and action not in CONTROLLER_ACTIONS:
            self._touched.add(data.host)
        failed = outcome in {TaskOutcome.FAILED, TaskOutcome.UNREACHABLE} and not data.ignore_errors
        if failed and (not self._complaint or (action in AUTHORED and not self._authored)):
            self._authored = action in AUTHORED
            why = cause(data.res, printed, self._secrets)
            self._cause = self._cause or why
            self._complaint = complaint(outcome, data, why)
        self._number += 1
        return TaskEvent(
            number=self._number,
            play=plain(data.play, NAME_LENGTH_MAXIMUM),
            task=plain(data.task, NAME_LENGTH_MAXIMUM),
            action=plain(action, NAME_LENGTH_MAXIMUM),
            host=data.host,
            outcome=outcome,
            duration_seconds=data.duration or 0.0,
            step=data.tidegate_step,
            steps=data.tidegate_steps,
        )

    def _take_statistics(self, data: EventData) -> None:
        self._counts = {
            host: HostCounts(
                ok=data.ok.get(host, 0),
                changed=data.changed.get(host, 0),
                failed=data.failures.get(host, 0),
                unreachable=data.dark.get(host, 0),
                skipped=data.skipped.get(host, 0),
            )
            for host in sorted(set(data.processed) | set(data.dark))
        }
        self._result = {key: readable(value) for key, value in data.artifact_data.items()}
        refused = data.artifact_data.get(REFUSED_KEY)
        self._refused = tuple(sorted(refused)) if isinstance(refused, dict) else ()
        others = data.artifact_data.get(OTHER_TARGET_KEY)
        if isinstance(others, dict):
            self._others = {str(host): plain(str(met), NAME_LENGTH_MAXIMUM) for host, met in others.items()}


def complaint(outcome: TaskOutcome, data: EventData, why: str) -> str:
    """A failed task in words."""
    end = f": {why}" if why else ""
    return f"task {plain(data.task, NAME_LENGTH_MAXIMUM)!r} {outcome.value} on {data.host}{end}"


def readable(value: object) -> object:
    """The value with text that is no Unicode replaced: output of commands may be any bytes."""
    match value:
        case str():
            return value.encode(errors="replace").decode()
        case list():
            return [readable(item) for item in value]
        case dict():
            return {str(key): readable(item) for key, item in value.items()}
        case _:
            return value


def plain(text: str, length: int) -> str:
    """Text on one line, without control characters, cut."""
    return CONTROL.sub(" ", str(readable(text))).strip()[:length]
