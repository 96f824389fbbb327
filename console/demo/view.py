"""How the demo shows its story: a live picture on a terminal, plain lines everywhere else.

Whatever comes from an event is shown as text, never as markup, and without control characters.
"""

from types import TracebackType
from typing import Protocol, Self

import msgspec
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from console.demo.story import IncidentTold, Line, RunTold, Story, Tone
from console.demo.verdict import Summary
from console.rendering import STATES, TASKS, plain
from console.sentences import ago, because, denial, number, utc
from detectors.signals import HostStatus
from remediations.records import GateResult, Verdict, VerificationOutcome

LINES_SHOWN = 8
EVIDENCE_SHOWN = 4
BAR_WIDTH = 12
BAR_SCORE = 12.0  # a score this high fills the bar
NOTE_SECONDS = 10.0
NARROW_COLUMNS = 110

TONES = {
    Tone.ACT: "bold cyan",
    Tone.QUIET: "dim",
    Tone.GOOD: "green",
    Tone.BAD: "red",
    Tone.DECISION: "bold yellow",
}


class Scene(msgspec.Struct, frozen=True):
    """What is to be seen at one moment: the acts with the number of the current one, what it waits for, the story.

    `pids` are the process ids of the services now; `began` and `now` are epoch seconds.
    """

    acts: tuple[str, ...]
    current: int
    note: str
    began: float
    now: float
    hosts: tuple[str, ...]
    pids: dict[str, int]
    story: Story


class View(Protocol):
    """Shows one scene after another."""

    def show(self, scene: Scene) -> None:
        """Show what is new in `scene`."""

    def __enter__(self) -> Self:
        """Begin to show."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End, leaving the terminal as it was found."""


def view_for(console: Console) -> "LiveView | PlainView":
    """A live picture when `console` is a terminal, else plain lines."""
    return LiveView(console) if console.is_terminal else PlainView(console)


class LiveView:
    """Draws every scene over the last one."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, auto_refresh=False, vertical_overflow="crop")

    def show(self, scene: Scene) -> None:
        """Draw the scene."""
        self._live.update(draw(scene, self._live.console.width), refresh=True)

    def __enter__(self) -> Self:
        """Take the terminal."""
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the terminal back; the last scene stays to be read."""
        self._live.stop()


class PlainView:
    """Prints each new line of the story once, and what is waited for every ten seconds."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._told = 0
        self._noted = 0.0

    def show(self, scene: Scene) -> None:
        """Print what is new."""
        for line in scene.story.lines:
            if line.number > self._told:
                self._print(f"{line.time - scene.began:6.1f} s  {_subject(line)}{line.text}")
                self._told = line.number
        if scene.note and scene.now - self._noted >= NOTE_SECONDS:
            self._print(f"{scene.now - scene.began:6.1f} s  … {scene.note}")
            self._noted = scene.now

    def __enter__(self) -> Self:
        """Begin; there is nothing to take."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End; there is nothing to give back."""

    def _print(self, words: str) -> None:
        self._console.print(plain(words), soft_wrap=True)


def draw(scene: Scene, width: int) -> RenderableType:
    """The whole picture for a terminal of `width` columns."""
    incident = next(reversed(scene.story.incidents.values()), None)
    fleet, story = _fleet(scene), _incident(incident, scene.now)
    if width < NARROW_COLUMNS:
        body: RenderableType = Group(fleet, story)
    else:
        grid = Table.grid(expand=True, padding=(0, 1))
        grid.add_column(ratio=5)
        grid.add_column(ratio=6)
        grid.add_row(fleet, story)
        body = grid
    return Group(_header(scene), body, _lines(scene))


def draw_summary(summary: Summary) -> RenderableType:
    """The closing table: figures, and promises kept or broken."""
    table = Table.grid(padding=(0, 2))
    for label, value in _figures(summary):
        table.add_row(plain(label, "bold"), plain(value))
    parts: list[RenderableType] = [table, Text()]
    parts += [plain(f"✕ {problem}", "red") for problem in summary.problems]
    parts += [plain("✓ exactly the faulty service was repaired, exactly once, and verified", "green")] * summary.passed
    title = "What the demo showed" if summary.passed else "The demo did not show what it should"
    return Panel(Group(*parts), title=title, border_style="green" if summary.passed else "red", expand=False)


def _figures(summary: Summary) -> list[tuple[str, str]]:
    alarms = {host: count for host, count in summary.false_alarms.items() if count}
    others = sum(count for host, count in summary.restarts.items() if host != summary.host)
    return [
        ("faulty service", summary.host),
        ("fault to signal", _seconds(summary.seconds_to_signal)),
        ("fault to decision", _seconds(summary.seconds_to_decision)),
        ("fault to playbook started", _seconds(summary.seconds_to_playbook)),
        ("fault to verified", _seconds(summary.seconds_to_verified)),
        ("process id", f"{summary.pid_before} before, {summary.pid_after} after"),
        ("restarts", f"{summary.restarts.get(summary.host, 0)} of {summary.host}, {others} of all others"),
        ("false alarms", ", ".join(f"{host}: {count}" for host, count in alarms.items()) or "none"),
        ("same fault again", _refusal(summary)),
        ("audit chain", f"{summary.audit_chain}, {summary.audit_records} records"),
        ("whole run", _seconds(summary.seconds)),
    ]


def _refusal(summary: Summary) -> str:
    if not summary.refusal:
        return "was not refused"
    return f"refused: {summary.refusal}, allowed again at {utc(summary.refusal_next_time)}"


def _seconds(value: float | None) -> str:
    return "did not happen" if value is None else f"{value:.1f} s"


def _header(scene: Scene) -> RenderableType:
    acts = Text(" ").join(
        Text(f"{'✓' if place < scene.current else '▶'} {act} ", style="green" if place < scene.current else "bold cyan")
        for place, act in enumerate(scene.acts)
        if place <= scene.current
    )
    left = Text.assemble(("Tidegate demo  ", "bold"), (f"{scene.now - scene.began:5.0f} s", "cyan"))
    note = plain(scene.note, "italic")
    return Panel(Group(acts, note), title=left, title_align="left", border_style="blue")


def _fleet(scene: Scene) -> RenderableType:
    table = Table(expand=True, box=None, padding=(0, 1))
    for heading in ("host", "state", "score", "samples", "process"):
        table.add_column(heading, justify="right" if heading in {"samples", "process"} else "left", no_wrap=True)
    for host in scene.hosts:
        status = scene.story.hosts.get(host)
        state, style = STATES[status.state if status else None]
        samples = f"{status.samples:,}" if status else ""
        pid = str(scene.pids[host]) if scene.pids.get(host) else "none"
        table.add_row(plain(host), Text(state, style), _bar(status), samples, pid)
    return Panel(table, title="Fleet", border_style="blue")


def _bar(status: HostStatus | None) -> Text:
    if status is None:
        return Text("")
    filled = max(0, min(BAR_WIDTH, round(status.score / BAR_SCORE * BAR_WIDTH)))
    style = STATES[status.state][1]
    return Text.assemble(("█" * filled, style), ("·" * (BAR_WIDTH - filled), "dim"), f" {status.score:4.1f}")


def _incident(incident: IncidentTold | None, now: float) -> RenderableType:
    if incident is None:
        return Panel(Text("no incident", style="dim"), title="Incident", border_style="blue")
    parts: list[RenderableType] = [
        plain(f"{incident.signal.kind.value} on {incident.host} at {utc(incident.opened_time)}", "bold red"),
        _evidence(incident),
    ]
    parts += _decision(incident, now)
    if incident.run is not None:
        parts += _run(incident.run)
    if incident.human_reason:
        parts.append(plain(f"a human is needed: {because(incident.human_reason)}", "bold magenta"))
    if incident.closed_time:
        parts.append(plain(f"closed: {because(incident.closed_reason)}", "bold green"))
    style = "green" if incident.closed_time else "red"
    return Panel(Group(*parts), title=plain(f"Incident {incident.incident_id}"), border_style=style)


def _evidence(incident: IncidentTold) -> RenderableType:
    table = Table(box=None, padding=(0, 1), header_style="dim")
    for heading in ("evidence", "observed", "expected", "score"):
        table.add_column(heading, justify="left" if heading == "evidence" else "right", no_wrap=True)
    for each in incident.signal.evidence.series[:EVIDENCE_SHOWN]:
        table.add_row(plain(each.series), number(each.observed), number(each.expected), f"{each.score:.1f}")
    return table


def _decision(incident: IncidentTold, now: float) -> list[RenderableType]:
    if incident.decision is None:
        return [Text("no decision yet", style="dim")]
    record = incident.decision.record
    denied = record.verdict is Verdict.DENY
    words = f"decision: {record.verdict.value.upper()} {record.playbook}" + (
        f", {record.reason}" if record.reason else ""
    )
    passed = Text(" ").join(plain(f"✓ {gate.gate}", "green") for gate in record.gates if gate.passed)
    refused = [_refused(gate, now) for gate in record.gates if not gate.passed]
    return [plain(words, "bold red" if denied else "bold yellow"), passed, *refused]


def _refused(gate: GateResult, now: float) -> Text:
    again = f"; allowed again at {utc(gate.next_time)}, {ago(gate.next_time, now)}" if gate.next_time else ""
    return plain(f"✕ {denial(gate)}{again}", "bold red")


def _run(run: RunTold) -> list[RenderableType]:
    parts: list[RenderableType] = [plain(f"playbook {run.playbook} started at {utc(run.started_time)}", "yellow")]
    for task in run.tasks:
        mark, style = TASKS[task.outcome]
        parts.append(plain(f"  {mark} {task.task}  {task.duration_seconds:.1f} s", style))
    if run.status is not None:
        parts.append(
            plain(
                f"  {run.status.value} after {run.ended_time - run.started_time:.1f} s {because(run.reason)}", "yellow"
            )
        )
    if run.outcome is not None:
        good = run.outcome is VerificationOutcome.SUCCESS
        parts.append(
            plain(f"verification: {run.outcome.value} {because(run.outcome_reason)}", "green" if good else "red")
        )
    elif run.status is not None:
        parts.append(Text("verification: waiting for new data", style="dim"))
    return parts


def _lines(scene: Scene) -> RenderableType:
    table = Table.grid(padding=(0, 1))
    for line in scene.story.lines[-LINES_SHOWN:]:
        table.add_row(Text(utc(line.time), style="dim"), plain(line.host, "bold"), plain(line.text, TONES[line.tone]))
    return Panel(table, title="Story", border_style="blue")


def _subject(line: Line) -> str:
    return f"{line.host}: " if line.host else ""
