"""What a run would do: arguments checked, preflight really run, the rest in check mode, and the plan. Nothing changes.

arguments    values of all inputs, as a decision would give them
preflight    a real run of the tasks tagged `preflight`, which the contract holds to reading
check        a real run in check mode with diff, if the sidecar says that the playbook supports it
plan         the tasks that would run: as check mode told, else as the files tell
"""

import asyncio
import secrets
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from console.errors import DryRunRefusedError, TypedError
from console.playbooks.events import Diff, Event, diffs, failures, read_events
from detectors.signals import SignalKind
from remediations import delegates, inputs
from remediations.catalogue import check_input_name
from remediations.contract import judge
from remediations.delegates import Delegates
from remediations.inventory import Inventory
from remediations.playbooks import InputSpec, Playbook
from remediations.policies import Scalar
from remediations.runner import RunnerSettings
from remediations.runs import RunRequest, RunResult, RunStatus, Target, TaskEvent, TaskOutcome
from remediations.tasks import planned, read_tree
from stream.engine.run_process import AnsibleRunner

SAFETY_RULES = frozenset({"preflight_reads", "check_mode_kept", "exact_hosts", "no_piped_lookups", "plain_parts"})
PREFLIGHT = {"ANSIBLE_RUN_TAGS": "preflight"}
CHECK = {"ANSIBLE_DIFF_ALWAYS": "True"}


class Stage(msgspec.Struct, frozen=True):
    """One part of a dry run that really ran: how it ended, and its tasks."""

    name: str
    status: RunStatus
    reason: str
    tasks: tuple[TaskEvent, ...]
    result: dict[str, object]


class DryRun(msgspec.Struct, frozen=True):
    """The report. `problem` says why a run would be refused before its first task, empty if it would not.

    `obstacles` say what of policy, inventory and acceptance would stop a live run, however well this one went.
    """

    playbook: str
    digest: str
    hosts: tuple[str, ...]
    delegates: tuple[str, ...] = ()
    inputs: dict[str, Scalar] = {}
    problem: str = ""
    stages: tuple[Stage, ...] = ()
    plan: tuple[str, ...] = ()
    diffs: tuple[Diff, ...] = ()
    obstacles: tuple[str, ...] = ()

    @property
    def would_run(self) -> bool:
        """Whether the playbook itself would go well, so far as can be tried."""
        return not self.problem and all(stage.status is RunStatus.SUCCESSFUL for stage in self.stages)


def dry_run(
    playbook: Playbook,
    hosts: tuple[str, ...],
    given: Mapping[str, Scalar],
    inventory: Inventory,
    settings: RunnerSettings,
) -> DryRun:
    """Try a playbook on hosts of the inventory. Raises DryRunRefusedError for what can not be tried safely.

    Raises TypedError for a host that the inventory does not have.
    """
    tree = read_tree(Path(settings.playbooks), Path(playbook.path))
    unsafe = [each for each in judge(tree) if each.rule in SAFETY_RULES]
    if unsafe:
        place = f"{unsafe[0].file}:{unsafe[0].line}"
        raise DryRunRefusedError(f"a dry run could change something, {place}: {unsafe[0].words}")
    request, problem = _request(playbook, hosts, given, inventory)
    report = DryRun(
        playbook=playbook.name,
        digest=playbook.digest,
        hosts=hosts,
        delegates=tuple(host.name for host in request.delegates),
        inputs=request.inputs,
        problem=problem,
        plan=tuple(planned(tree)),
    )
    return report if problem else _tried(report, request, settings, supports_check=playbook.sidecar.supports_check)


def parse_inputs(words: tuple[str, ...], playbook: Playbook) -> dict[str, Scalar]:
    """Turn `name=value` words into values of the types that the roles declare. Raises TypedError."""
    values: dict[str, Scalar] = {}
    for word in words:
        name, equals, text = word.partition("=")
        problem = "is not name=value" if not equals else check_input_name(name, playbook.inputs)
        value = _typed(playbook.inputs[name], text) if not problem else ""
        problem = problem or inputs.misfit(playbook.inputs[name], value)
        if problem:
            raise TypedError(f"input {name} {problem}")
        values[name] = value
    return values


def _typed(spec: InputSpec, text: str) -> Scalar:
    try:
        match spec.type:
            case "int":
                return int(text)
            case "float":
                return float(text)
            case "bool" if text.lower() in {"true", "false"}:
                return text.lower() == "true"
    except ValueError:
        return text
    return text


def _request(
    playbook: Playbook, hosts: tuple[str, ...], given: Mapping[str, Scalar], inventory: Inventory
) -> tuple[RunRequest, str]:
    """Give the request as far as it can be made, and why it would be refused."""
    action = secrets.token_hex(16)
    targets = [target for target in map(inventory.resolve, hosts) if target is not None]
    if len(targets) != len(hosts):
        unknown = next(host for host in hosts if not inventory.spelling(host))
        near = inventory.nearest(unknown)
        raise TypedError(f"the inventory has no host {unknown}" + (f"; the nearest is {near}" if near else ""))
    found = [_resolved(playbook, target, given, inventory, action) for target in targets]
    problem = next((problem for _, _, problem in found if problem), "")
    if len(targets) > playbook.sidecar.hosts_maximum:
        problem = f"{len(targets)} hosts, its sidecar allows {playbook.sidecar.hosts_maximum} a run"
    elif any(values != found[0][0] for values, _, _ in found):
        problem = "the inputs of these hosts differ: try them one at a time"
    through = {host.name: host for _, each, _ in found for host in each.hosts}
    request = RunRequest(
        action_id=action,
        incident_id="dry-run",
        attempt=1,
        playbook=playbook.path,
        targets=tuple(targets),
        inputs=found[0][0],
        timeout_seconds=playbook.sidecar.timeout_seconds,
        delegates=tuple(through.values()),
    )
    return request, problem


def _resolved(
    playbook: Playbook, target: Target, given: Mapping[str, Scalar], inventory: Inventory, action: str
) -> tuple[dict[str, Scalar], Delegates, str]:
    """Give inputs and delegates of one host as a decision would, and why it would be denied."""
    incident: dict[str, str | float] = {
        "incident_id": "dry-run",
        "host": target.name,
        "kind": SignalKind.ANOMALY.value,
        "score": 0.0,
    }
    answer = inputs.resolve(playbook, given, target, incident)
    values = answer.values | dict.fromkeys(inputs.names_action(playbook), action)
    through = delegates.find(playbook, target, inventory)
    groups = playbook.sidecar.targets.groups
    lacking = [name for name, spec in playbook.inputs.items() if spec.required and name not in values]
    problem = answer.problem or (f"{through.reason}: {through.value}" if through.reason else "")
    if groups and set(groups).isdisjoint(inventory.groups_of(target.name)):
        problem = f"{target.name} is in none of the groups {', '.join(groups)}"
    elif not problem and lacking:
        problem = f"no value for {', '.join(lacking)}: give it with --input"
    return values, through, problem


def _tried(report: DryRun, request: RunRequest, settings: RunnerSettings, *, supports_check: bool) -> DryRun:
    with tempfile.TemporaryDirectory(prefix="tidegate-dry-") as folder:
        preflight, _ = _played("preflight", request, _with(settings, folder, PREFLIGHT))
        report = msgspec.structs.replace(report, stages=(preflight,))
        if preflight.status is not RunStatus.SUCCESSFUL or not supports_check:
            return report
        in_check_mode = msgspec.structs.replace(request, check=True)
        check, events = _played("check", in_check_mode, _with(settings, folder, CHECK))
        plan = tuple(_predicted(check.tasks)) if check.status is RunStatus.SUCCESSFUL else report.plan
        return msgspec.structs.replace(report, stages=(preflight, check), plan=plan, diffs=tuple(diffs(events)))


def _with(settings: RunnerSettings, folder: str, environment: dict[str, str]) -> RunnerSettings:
    return msgspec.structs.replace(settings, folder=folder, environment=settings.environment | environment)


def _played(name: str, request: RunRequest, settings: RunnerSettings) -> tuple[Stage, tuple[Event, ...]]:
    """Run to the end; give what came of it, and its events.

    With nothing but preflight to run, a rescue has no tasks and takes a failure for handled: the events tell it.
    """
    runner, tasks = AnsibleRunner(settings), list[TaskEvent]()
    prepared = runner.prepare(request)
    result: RunResult = asyncio.run(runner.play(prepared, tasks.append))
    events = read_events(Path(prepared.cwd) / "artifacts" / request.action_id / "job_events")
    complaint = next(failures(events), "")
    if result.status is RunStatus.SUCCESSFUL and complaint:
        result = msgspec.structs.replace(result, status=RunStatus.FAILED, reason=complaint)
    return Stage(name, result.status, result.reason, tuple(tasks), result.result), events


def _predicted(tasks: tuple[TaskEvent, ...]) -> Iterator[str]:
    words = {TaskOutcome.CHANGED: "would change", TaskOutcome.SKIPPED: "not told by check mode, or not needed"}
    for task in tasks:
        yield f"{task.host}: {task.task}: {words.get(task.outcome, 'would change nothing')}"
