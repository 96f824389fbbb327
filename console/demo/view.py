"""How the demo shows its story: a live picture on a terminal, plain lines everywhere else.

Whatever comes from an event is shown as text, never as markup, and without control characters.
"""

from types import TracebackType
from typing import Protocol, Self

import msgspec
from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from console.demo.story import IncidentTold, Line, RunTold, Story, Tone
from console.demo.verdict import Summary
from console.hosts import STATES
from console.rendering import TASKS, plain
from console.sentences import ago, because, denial, number, series_name, utc
from console.tasks import is_worth_telling
from detectors.signals import HostStatus
from remediations.records import GateResult, Verdict, VerificationOutcome

LINES_LEAST, LINES_MOST = 3, 8
TASKS_LEAST = 3
EVIDENCE_SHOWN = 4
BAR_WIDTH = 6
BAR_SCORE = 4.0  # a score this high fills the bar
NOTE_SECONDS = 10.0
WIDE_COLUMNS, TALL_ROWS = 118, 48

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


def view_for(console: Console, *, is_verbose: bool = False) -> "LiveView | PlainView":
    """A live picture when `console` is a terminal, else plain lines; with every small task of runs if asked for."""
    if console.is_terminal:
        return LiveView(console, is_verbose=is_verbose)
    return PlainView(console, is_verbose=is_verbose)


class LiveView:
    """Draws every scene over the last one."""

    def __init__(self, console: Console, *, is_verbose: bool = False) -> None:
        self._is_verbose = is_verbose
        self._live = Live(console=console, auto_refresh=False, vertical_overflow="crop")

    def show(self, scene: Scene) -> None:
        """Draw the scene."""
        size = self._live.console.size
        picture = draw(scene, Space(size.width, size.height), is_verbose=self._is_verbose)
        self._live.update(picture, refresh=True)

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
    """Prints each new line of the story once, from the one after `told`, and what is waited for every ten seconds."""

    def __init__(self, console: Console, told: int = 0, *, is_verbose: bool = False) -> None:
        self._console = console
        self._is_verbose = is_verbose
        self._told = told
        self._noted = 0.0

    def show(self, scene: Scene) -> None:
        """Print what is new."""
        for line in _lines_of(scene.story, is_verbose=self._is_verbose):
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


class Space(msgspec.Struct, frozen=True):
    """A terminal's size in columns and rows, and what of the picture fits into it.

    The picture needs 6 rows for the acts, about 15 for an incident without its tasks, 12 for the fleet.
    """

    width: int
    height: int

    @property
    def is_wide(self) -> bool:
        """Whether fleet and incident fit side by side."""
        return self.width >= WIDE_COLUMNS

    @property
    def is_tall(self) -> bool:
        """Whether the whole fleet fits above an incident."""
        return self.height >= TALL_ROWS

    @property
    def lines(self) -> int:
        """How many lines of the story fit."""
        return max(LINES_LEAST, min(LINES_MOST, self.height - 32 - (0 if self.is_wide or not self.is_tall else 12)))

    @property
    def tasks(self) -> int:
        """How many tasks of a run fit, the newest."""
        return max(TASKS_LEAST, self.height - 24 - self.lines - (0 if self.is_wide or not self.is_tall else 12))


def draw(scene: Scene, space: Space, *, is_verbose: bool = False) -> RenderableType:
    """The whole picture."""
    incident = next(reversed(scene.story.incidents.values()), None)
    told = _incident(incident, scene.now, space.tasks, is_verbose=is_verbose)
    lines = _lines(scene, space.lines, is_verbose=is_verbose)
    if not space.is_wide:
        fleet = _fleet(scene) if space.is_tall or incident is None else _fleet_line(scene)
        return Group(_header(scene), fleet, told, lines)
    grid = Table.grid(expand=True, padding=(0, 1))
    grid.add_column(ratio=1)
    grid.add_column(ratio=1)
    grid.add_row(_fleet(scene), told)
    return Group(_header(scene), grid, lines)


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
    shown = scene.acts[: scene.current + 1]
    acts = Columns([_act(act, done=place < scene.current) for place, act in enumerate(shown)], padding=(0, 2))
    left = Text.assemble(("Tidegate demo  ", "bold"), (f"{scene.now - scene.began:5.0f} s", "cyan"))
    note = plain(scene.note, "italic")
    return Panel(Group(acts, note), title=left, title_align="left", border_style="blue")


def _act(title: str, *, done: bool) -> Text:
    return Text(f"{'✓' if done else '▶'} {title}", style="green" if done else "bold cyan")


def _fleet_line(scene: Scene) -> RenderableType:
    """The fleet where there is no room for a table: each host with the mark of its state."""
    states = [(host, scene.story.hosts.get(host)) for host in scene.hosts]
    words = [
        plain(f"{STATES[it.state if it else None][0][0]} {host}", STATES[it.state if it else None][1])
        for host, it in states
    ]
    return Panel(Text("  ").join(words), title="Fleet", border_style="blue")


def _fleet(scene: Scene) -> RenderableType:
    table = Table(expand=True, box=None, padding=(0, 1), pad_edge=False)
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
    return Text.assemble(("█" * filled, style), ("·" * (BAR_WIDTH - filled), "dim"), f" {status.score:5.2f}")


def _incident(incident: IncidentTold | None, now: float, tasks: int, *, is_verbose: bool) -> RenderableType:
    if incident is None:
        return Panel(Text("no incident", style="dim"), title="Incident", border_style="blue")
    parts: list[RenderableType] = [
        plain(f"{incident.signal.kind.value} on {incident.host} at {utc(incident.opened_time)}", "bold red"),
        _evidence(incident),
    ]
    parts += _decision(incident, now)
    if incident.run is not None:
        parts += _run(incident.run, tasks, is_verbose=is_verbose)
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
        table.add_row(plain(series_name(each)), number(each.observed), number(each.expected), f"{each.score:.1f}")
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


def _run(run: RunTold, tasks: int, *, is_verbose: bool) -> list[RenderableType]:
    parts: list[RenderableType] = [plain(f"playbook {run.playbook} started at {utc(run.started_time)}", "yellow")]
    for task in [task for task in run.tasks if is_verbose or is_worth_telling(task)][-tasks:]:
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


def _lines_of(story: Story, *, is_verbose: bool) -> list[Line]:
    """The lines of the story that are shown."""
    return [line for line in story.lines if is_verbose or not line.is_small]


def _lines(scene: Scene, count: int, *, is_verbose: bool) -> RenderableType:
    table = Table.grid(padding=(0, 1))
    for line in _lines_of(scene.story, is_verbose=is_verbose)[-count:]:
        table.add_row(
            Text(f"{line.time - scene.began:6.1f} s", style="dim"),
            plain(line.host, "bold"),
            plain(line.text, TONES[line.tone]),
        )
    return Panel(table, title="Story", border_style="blue")


def _subject(line: Line) -> str:
    return f"{line.host}: " if line.host else ""
