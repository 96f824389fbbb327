"""A dry run drawn for people."""

from rich.console import Group, RenderableType
from rich.text import Text

from console.playbooks.dry_run import DryRun, Stage
from console.rendering import TASKS, plain
from remediations.runs import RunStatus


def draw_dry_run(report: DryRun) -> RenderableType:
    """Arguments, what really ran, the plan, the diffs and the verdict, in this order."""
    through = f" through {', '.join(report.delegates)}" if report.delegates else ""
    parts = [
        Text.assemble("Dry run of ", plain(report.playbook, "bold"), plain(f" on {', '.join(report.hosts)}{through}")),
        plain(f"digest {report.digest}", "dim"),
        *(plain(f"  {name} = {value!r}") for name, value in report.inputs.items()),
    ]
    for stage in report.stages:
        parts.extend(_stage(stage))
    parts.append(Text("plan", style="bold"))
    parts.extend(plain(f"  {step}") for step in report.plan)
    for diff in report.diffs:
        parts.append(plain(f"diff of {diff.task} on {diff.host}", "bold"))
        parts.extend(plain(f"  {line}") for line in diff.text.splitlines())
    return Group(*parts, *_verdict(report))


def _stage(stage: Stage) -> list[Text]:
    good = stage.status is RunStatus.SUCCESSFUL
    parts = [Text.assemble((stage.name, "bold"), ": ", (stage.status.value, "green" if good else "red"))]
    for task in stage.tasks:
        mark, style = TASKS[task.outcome]
        parts.append(Text.assemble("  ", (mark, style), " ", plain(f"{task.host}: {task.task}")))
    if stage.reason:
        parts.append(plain(f"  {stage.reason}", "red"))
    parts.extend(plain(f"  {name}: {value}", "dim") for name, value in stage.result.items())
    return parts


def _verdict(report: DryRun) -> list[Text]:
    stops = [plain(f"  ✕ {words}", "yellow") for words in report.obstacles]
    also = [Text("A live run would be stopped besides:", style="yellow"), *stops] if stops else []
    if report.problem:
        return [plain(f"A run would be refused: {report.problem}", "red"), *also]
    if not report.would_run:
        return [Text("Nothing was changed. A run would fail like this.", style="red"), *also]
    if stops:
        return [Text("Nothing was changed. The tasks would go well, but a live run would be stopped:"), *stops]
    return [
        Text("Nothing was changed, and nothing speaks against a run.", style="green"),
        Text("What only the moment tells (evidence, maintenance, locks, cooldown, rate) is asked then.", style="dim"),
    ]
