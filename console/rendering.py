"""Answers as tables and trees for a terminal. Whatever came from an event is shown as text, never as markup.

State is told by words and marks, with colour on top: it can be read without seeing the colour.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from console.fitting import TABLE_CELLS, Fitted, pooled
from console.queries import (
    SHORT_ID_CHARACTERS,
    AuditLine,
    Explanation,
    IncidentRow,
    Phase,
    RuleRow,
    RulesAnswer,
    Step,
)
from console.sentences import (
    ago,
    because,
    conclusion,
    counted,
    denial,
    matter,
    number,
    results,
    say,
    series_name,
    span,
    utc,
)
from detectors.signals import LineEvidence, SeriesEvidence, Signal, WindowPoint
from remediations.policies import RuleMode
from remediations.records import DecisionMade, GateResult, IncidentOpened, RunProgressed, Verdict, VerificationOutcome
from remediations.runs import TaskOutcome

BARS = "▁▂▃▄▅▆▇█"
SERIES_SHOWN = 8
LINES_SHOWN = 3
INCIDENT_CELLS = 110  # of a table of incidents, in which no cell is broken
ID_CHARACTERS = SHORT_ID_CHARACTERS

PHASES = {
    Phase.NEEDS_HUMAN: ("! needs a human", "bold red"),
    Phase.RUN_UNKNOWN: ("? run unknown", "bold magenta"),
    Phase.RUNNING: ("» running", "bold yellow"),
    Phase.VERIFYING: ("… verifying", "yellow"),
    Phase.OPEN: ("▲ open", "red"),
    Phase.CLOSED: ("✓ closed", "green"),
}
MODES = {RuleMode.OBSERVE: "cyan", RuleMode.APPROVE: "yellow", RuleMode.AUTO: "bold yellow"}
VERDICTS = {Verdict.RUN: "bold yellow", Verdict.OBSERVE: "cyan", Verdict.DENY: "bold red"}
OUTCOMES = {
    VerificationOutcome.SUCCESS: "green",
    VerificationOutcome.INEFFECTIVE: "red",
    VerificationOutcome.FAILED: "red",
    VerificationOutcome.UNKNOWN: "magenta",
    VerificationOutcome.UNREACHABLE: "magenta",
}
TASKS = {
    TaskOutcome.OK: ("✓", "green"),
    TaskOutcome.CHANGED: ("✎", "yellow"),
    TaskOutcome.SKIPPED: ("-", "dim"),
    TaskOutcome.FAILED: ("✕", "red"),
    TaskOutcome.UNREACHABLE: ("✕", "magenta"),
}


def plain(words: str, style: str = "") -> Text:
    """Text from anywhere, made fit for a terminal: markup stays letters, control characters are replaced."""
    return Text("".join(each if each.isprintable() else "\ufffd" for each in words), style=style)


def draw_incidents(rows: Sequence[IncidentRow], now: float) -> RenderableType:
    """Incidents as a table, in the order given."""
    if not rows:
        return Text("No incident: nothing was raised.")
    fleets = {row.fleet.group: row for row in rows if row.fleet is not None}
    lines = [_fleet_event_line(row, now) for row in fleets.values()]
    return Group(
        *lines, Fitted(lambda cells: _incident_table(rows, now) if cells >= INCIDENT_CELLS else _listed(rows, now))
    )


def _incident_table(rows: Sequence[IncidentRow], now: float) -> RenderableType:
    table = borderless("incident", "host", "opened", "state", "runs", "last decision", "outcome")
    for row in rows:
        table.add_row(
            plain(row.incident_id[:ID_CHARACTERS], "bold"),
            plain(row.host),
            Text(f"{utc(row.opened_time)}, {span(row.age_seconds)} ago"),
            _state(row),
            Text(str(row.attempts)),
            _decision_cell(row, now),
            _outcome(row),
        )
    return table


def _listed(rows: Sequence[IncidentRow], now: float) -> RenderableType:
    """Incidents one below the other, for a narrow terminal."""
    parts: list[RenderableType] = []
    for row in rows:
        parts.append(Text.assemble(plain(f"{row.incident_id[:ID_CHARACTERS]} {row.host} ", "bold"), _state(row)))
        opened = f"opened {utc(row.opened_time)}, {span(row.age_seconds)} ago; {counted(row.attempts, 'run')}, outcome "
        parts.append(Padding(Text.assemble(opened, _outcome(row)), (0, 0, 0, 2)))
        parts.append(Padding(Text.assemble("last decision: ", _decision_cell(row, now)), (0, 0, 0, 2)))
    return Group(*parts)


def _state(row: IncidentRow) -> Text:
    """The phase with the code of its reason; `explain` tells the rest."""
    word, style = PHASES[row.phase]
    return plain(word + (f": {row.reason.partition(':')[0]}" if row.reason else ""), style)


def _outcome(row: IncidentRow) -> Text:
    return Text(row.outcome.value, style=OUTCOMES[row.outcome]) if row.outcome else Text("-")


def draw_explanation(explanation: Explanation, now: float) -> RenderableType:
    """The whole story: in a sentence, what was seen, and what was done and why, record by record."""
    row = explanation.incident
    word, style = PHASES[row.phase]
    title = Text.assemble(
        ("Incident ", "bold"), plain(row.incident_id, "bold"), " on ", plain(row.host, "bold"), ": ", (word, style)
    )
    opened = Text(f"opened {utc(row.opened_time)}, {ago(row.opened_time, now)}", style="dim")
    return Group(
        title,
        opened,
        Text(),
        plain(headline(explanation, now), "bold"),
        *([_fleet_event_line(row, now)] if row.fleet else []),
        *(plain(f"Now: {words}", "yellow") for words in explanation.notes),
        Text(),
        draw_evidence(explanation.signal),
        Text(),
        _timeline(explanation.steps, now),
        Text(f"as of {utc(now)}; numbers after # are audit log offsets; --json has every detail", style="dim"),
    )


def draw_audit_line(line: AuditLine) -> Text:
    """One audit record as one line."""
    return Text.assemble(
        (f"#{line.offset:<6} {utc(line.time)}  ", "dim"),
        (f"{line.type:<21} ", "cyan"),
        plain(f"{line.incident_id[:ID_CHARACTERS]:<{ID_CHARACTERS}} {line.host:<16} "),
        plain(line.text),
    )


def _disarmed(rules: Sequence[RuleRow]) -> Iterator[str]:
    """Which rules can never act and why, those of one cause together."""
    for cause in dict.fromkeys(row.not_armed for row in rules if row.not_armed):
        names = [row.rule for row in rules if row.not_armed == cause]
        yield f"rule{'s' * (len(names) > 1)} {', '.join(names)} {'are' if len(names) > 1 else 'is'} not armed: {cause}"


def draw_rules(answer: RulesAnswer) -> RenderableType:
    """Every rule with the hosts it is meant for, below a line that says that all files are sound."""
    table = borderless("rule", "mode", "playbook", "answers", "cooldown", "attempts", "hosts")
    for row in answer.rules:
        table.add_row(
            plain(row.rule),
            plain(row.mode.value, MODES[row.mode]).append_text(Text(", not armed" if row.not_armed else "", "red")),
            plain(row.playbook),
            ", ".join(kind.value for kind in row.kinds),
            span(row.cooldown_seconds),
            str(row.attempts_maximum),
            plain(", ".join(row.hosts) or "none"),
        )
    line = f"sound: {answer.hosts} hosts, playbooks {', '.join(answer.playbooks)}"
    protected = f"; never touched: {', '.join(answer.protected_hosts)}" if answer.protected_hosts else ""
    told = [*_disarmed(answer.rules)]
    told += [each.words for each in answer.breaches] + [each.words for each in answer.shared_addresses]
    warnings = [plain(f"▲ {each}", "yellow") for each in told]
    return Group(Text.assemble(("✓ ", "green"), plain(line + protected)), table, *warnings)


def headline(explanation: Explanation, now: float) -> str:
    """How things stand and why nothing more is done, in a sentence or two."""
    row = explanation.incident
    playbook = _playbook(explanation.steps)
    match row.phase:
        case Phase.CLOSED:
            return f"It is over since {utc(row.closed_time)}: {because(row.reason)}. {_runs(row)}"
        case Phase.NEEDS_HUMAN:
            return f"A human is needed: {because(row.reason)}. Automation keeps off {row.host} until this is closed."
        case Phase.RUN_UNKNOWN:
            return f"Whether {playbook} had its effect is not known. The target is asked; nothing is run again blindly."
        case Phase.RUNNING:
            return f"{playbook} is being run on {row.host}."
        case Phase.VERIFYING:
            return f"{playbook} has ended. Data newer than its end will show whether it helped: waiting for it."
        case Phase.OPEN:
            return _why_not(row, now)


def draw_evidence(signal: Signal) -> RenderableType:
    """What was seen: the series to blame against what was expected, and the score over the recent window."""
    evidence = signal.evidence
    head = f"{signal.kind.value} at {utc(signal.time)}: score {signal.score:.2f}, threshold {signal.threshold:.2f}"
    shown = evidence.series[:SERIES_SHOWN]
    parts: list[RenderableType] = [Text(head, style="bold")]
    parts += [Fitted(lambda cells: (_series_table if cells >= TABLE_CELLS else _series_lines)(shown))] if shown else []
    more = len(evidence.series) - SERIES_SHOWN
    parts += [Text(f"and {more} more series", style="dim")] if more > 0 else []
    parts += [draw_line(each) for each in evidence.lines[:LINES_SHOWN]]
    bars = Fitted(lambda cells: draw_window(evidence.window, signal.threshold, cells))
    parts += [bars] if evidence.window else []
    votes = ", ".join(f"{name} {score:.2f}" for name, score in sorted(evidence.votes.items()))
    parts += [plain(f"votes: {votes}", "dim")] if votes else []
    if evidence.partition >= 0:
        span_text = f"samples partition {evidence.partition}, offsets {evidence.first_offset} to {evidence.last_offset}"
        parts.append(Text(span_text, style="dim"))
    return Group(*parts)


def draw_line(line: LineEvidence) -> Text:
    """A log line, and whether its like was ever seen on this host before."""
    return Text.assemble(
        "line   ", plain(f"{line.level}: {line.line}"), (" never seen before", "bold") if line.is_unseen else ""
    )


def draw_window(window: Sequence[WindowPoint], threshold: float, cells: int = sys.maxsize) -> Text:
    """The scores as bars in one line of so many cells, oldest first; those at or over the threshold in red."""
    highest = max(point.score for point in window)
    words = f"  {span(window[-1].time - window[0].time)}, highest {highest:.2f}"
    top = max(threshold * 2, highest) or 1.0
    bars = Text("score  ")
    for score in pooled(window, cells - len(bars) - len(words)):
        level = round(max(0.0, score) / top * (len(BARS) - 1))
        bars.append(BARS[level], style="red" if score >= threshold else "green")
    return bars.append(words, "dim")


def _series_table(shown: Sequence[SeriesEvidence]) -> RenderableType:
    table = borderless("series", "observed", "expected", "ordinary band", "score")
    for each in shown:
        table.add_row(
            plain(series_name(each)),
            Text(number(each.observed), style="bold red"),
            Text(number(each.expected)),
            Text(f"{number(each.low)} to {number(each.high)}"),
            Text(f"{each.score:.1f}"),
        )
    return table


def _series_lines(shown: Sequence[SeriesEvidence]) -> RenderableType:
    """Series one below the other, for a narrow terminal."""
    parts: list[RenderableType] = []
    for each in shown:
        parts.append(plain(series_name(each), "bold"))
        seen = Text.assemble("observed ", (number(each.observed), "bold red"), f", expected {number(each.expected)}, ")
        seen.append(f"ordinarily {number(each.low)} to {number(each.high)}; score {each.score:.1f}")
        parts.append(Padding(seen, (0, 0, 0, 2)))
    return Group(*parts)


def borderless(*columns: str) -> Table:
    """An empty table with these columns; numbers stand on the right."""
    table = Table(box=None, pad_edge=False, header_style="bold dim")
    for column in columns:
        right = column in {"score", "samples", "runs", "observed", "expected", "partition"}
        table.add_column(column, justify="right" if right else "left", overflow="fold")
    return table


def _fleet_event_line(row: IncidentRow, now: float) -> Text:
    return plain(f"▲ one matter? {matter(row.fleet, row.fleet_now, now) if row.fleet else ''}", "bold red")


def _decision_cell(row: IncidentRow, now: float) -> Text:
    decision = row.decision
    if decision is None:
        return Text("none yet", style="dim")
    words = f"{decision.verdict.value}: {decision.reason}" + (f" ({decision.rule})" if decision.rule else "")
    again = f", possible {ago(decision.next_time, now)}" if decision.next_time > now else ""
    return plain(words + again, VERDICTS[decision.verdict])


def _playbook(steps: Sequence[Step]) -> str:
    """The playbook that was decided last."""
    decisions = [step.record for step in steps if isinstance(step.record, DecisionMade)]
    return next((each.playbook for each in reversed(decisions) if each.verdict is Verdict.RUN), "the playbook")


def _runs(row: IncidentRow) -> str:
    if not row.attempts:
        return "No playbook was run."
    times = "once" if row.attempts == 1 else f"{row.attempts} times"
    return f"A playbook was run {times}" + (f"; the last outcome is {row.outcome.value}." if row.outcome else ".")


def _why_not(row: IncidentRow, now: float) -> str:
    decision = row.decision
    if decision is None:
        return "Nothing is run: no decision has been made yet. Is an engine running?"
    if decision.verdict is Verdict.RUN:
        return f"{decision.playbook} is decided and about to run."
    why = denial(decision.gate) if decision.gate else because(decision.reason)
    rule = f" (rule {decision.rule}, playbook {decision.playbook})" if decision.rule else ""
    return f"Nothing is run{rule}: {why}.{_next_time(decision.gate, now)}"


def _next_time(gate: GateResult | None, now: float) -> str:
    if gate is None:
        return ""
    if gate.reason == "model_young":
        return " Readings will change that, not time: it is looked at again as soon as detect has told of enough."
    if not gate.next_time:
        return " Time alone will not change that."
    when = "since" if gate.next_time <= now else "from"
    return f" Possible {when} {utc(gate.next_time)} on ({ago(gate.next_time, now)})."


def _timeline(steps: Sequence[Step], now: float) -> Tree:
    tree = Tree(Text("What happened", style="bold"), guide_style="dim")
    branch = tree
    for group in _grouped(steps):
        step = group[-1]
        if isinstance(step.record, RunProgressed):
            _add_task(branch, step, step.record)
            continue
        branch = tree.add(_step_line(group))
        if isinstance(step.record, DecisionMade):
            _add_gates(branch, step.record.gates, now)
        for line in results(step.record):
            branch.add(plain(line))
    return tree


def _grouped(steps: Iterable[Step]) -> list[list[Step]]:
    """Steps, with decisions that only repeat the one before taken together: a denial is weighed again and again."""
    groups: list[list[Step]] = []
    for step in steps:
        if groups and _essence(step) is not None and _essence(groups[-1][-1]) == _essence(step):
            groups[-1].append(step)
        else:
            groups.append([step])
    return groups


def _essence(step: Step) -> tuple[object, ...] | None:
    record = step.record
    if not isinstance(record, DecisionMade) or record.verdict is Verdict.RUN:
        return None
    return record.verdict, record.rule, record.reason, step.ignored


def _step_line(group: Sequence[Step]) -> Text:
    step, first = group[-1], group[0]
    record = step.record
    style = VERDICTS[record.verdict] if isinstance(record, DecisionMade) else ""
    words = say(record)
    if isinstance(record, IncidentOpened):
        words = "incident opened, on the evidence above"
    elif isinstance(record, DecisionMade) and record.gates:
        words = conclusion(record)  # the gates, drawn below it, say why
    line = Text.assemble((f"{utc(first.time)} ", "dim"), plain(words, "dim strike" if step.ignored else style))
    if len(group) > 1:
        line.append(f" ({len(group)} times, the last at {utc(step.time)})", style="dim")
    if step.ignored:
        line.append_text(plain(f" ignored: {because(step.ignored)}", "magenta"))
    rests = f", decided on #{step.seen_offset}" if isinstance(record, DecisionMade) and step.seen_offset >= 0 else ""
    return line.append(f" #{step.offset}{rests}", style="dim")


def _add_gates(branch: Tree, gates: Sequence[GateResult], now: float) -> None:
    for gate in gates:
        if gate.passed:
            seen = ", ".join(part for part in (gate.value, gate.limit and f"limit {gate.limit}") if part)
            branch.add(Text.assemble(("✓ ", "green"), plain(gate.gate), plain(f"  {seen}" if seen else "", "dim")))
        else:
            branch.add(
                Text.assemble(("✕ ", "bold red"), plain(denial(gate) + ".", "red"), plain(_next_time(gate, now)))
            )


def _add_task(branch: Tree, step: Step, record: RunProgressed) -> None:
    mark, style = TASKS[record.task.outcome]
    branch.add(Text.assemble((f"{mark} ", style), plain(say(record)), (f" #{step.offset}", "dim")))
