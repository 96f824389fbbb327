"""What an operator sees: in words that suffice without colour, at the width of a terminal, whatever the names hold."""

import msgspec
import pytest
from rich.cells import cell_len

from console.hosts import draw_hosts, host_rows
from console.queries import audit_line, explain, incidents
from console.rendering import (
    draw_audit_line,
    draw_evidence,
    draw_explanation,
    draw_incidents,
    draw_window,
    headline,
)
from detectors.signals import Evidence, HostState, LineEvidence, SeriesEvidence, SignalKind, WindowPoint
from remediations.records import GateResult, Record, RunProgressed, Verdict
from tests.console.drawings import drawn
from tests.console.stories import (
    CLEARED,
    COOLDOWN,
    FINISHED,
    FLEET_RAISED,
    HUMAN,
    ONE,
    T0,
    TASK,
    TWO,
    UNKNOWN,
    decided,
    log,
    opened,
    repaired,
    running,
    signal,
    status,
)


def told(*records: Record, now: float = T0 + 60.0) -> str:
    """The drawn story of incident ONE, without line breaks, so that wrapping does not matter."""
    return " ".join(drawn(draw_explanation(explain(log(*records), ONE, now), now)).split())


def test_the_story_of_a_repair_reads_from_top_to_bottom() -> None:
    """State, what was seen, decision with its gates, tasks, outcome, verification, closing: in this order."""
    story = told(*repaired())
    parts = [
        f"Incident {ONE} on web-01: ✓ closed",
        "opened 2026-11-21 02:20:01Z, 59s ago",
        "It is over since 2026-11-21 02:20:10Z: a run helped, shown by new data.",
        "A playbook was run once; the last outcome is success.",
        "anomaly at 2026-11-21 02:20:00Z: score 9.40, threshold 3.00",
        "proc.cpu{service=web} 98.2 21.5 12 to 33.2 9.4",
        "score ▁",
        "votes: level 9.40",
        "samples partition 3, offsets 100 to 129",
        "incident opened, on the evidence above #1",
        "decision: run restart, attempt 1 (rule restart-web; 2 gates passed) #2, decided on #1",
        "✓ rule_mode auto",
        "✓ cooldown limit 900",
        "engine engine-1 claims the run #3",
        "engine engine-2 claims the run ignored: another claim was first #4",
        "playbook restart starts (at most 1m) #5",
        "✎ task 2: Restart the service: changed on web-01 in 1.2 s #6",
        "playbook ended: successful, rc 0 #7",
        "result on web-01: pid: 7",
        "anomaly signal cleared, score 0.40 #8",
        "verification: success, score 0.40 #9",
        "incident closed: a run helped, shown by new data #10",
    ]
    places = [story.find(part) for part in parts]
    assert dict.fromkeys(parts, True) == {part: place >= 0 for part, place in zip(parts, places, strict=True)}
    assert sorted(places) == places


def test_a_denial_says_why_and_when() -> None:
    """The sentence at the top and the gate itself: value, limit, from when on, and how long that is."""
    story = told(opened(), decided(Verdict.DENY, gate=COOLDOWN))
    top = "Nothing is run (rule restart-web, playbook restart): cooldown: too soon after the last run on this host"
    gate = "✕ cooldown: too soon after the last run on this host (41, limit 900). Possible from"
    again = "Possible from 2026-11-21 02:34:19Z on (in 13m 19s)."
    assert [story.count(part) for part in (top, gate, again)] == [1, 1, 2]


def test_repeated_denials_are_told_once() -> None:
    """An incident that is weighed every minute of a night stays readable."""
    story = told(opened(), *[decided(Verdict.DENY, gate=COOLDOWN)] * 300)
    assert "(300 times, the last at 2026-11-21 02:25:00Z) #300" in story
    assert story.count("do not run restart") == 1


NO_GROUP = GateResult("group_concurrency", passed=False, reason="no_group", limit="1")
YOUNG = GateResult("detector_maturity", passed=False, reason="model_young", value="40", limit="300")
CLOCK = GateResult(
    "event_freshness",
    passed=False,
    reason="clock_off",
    value="clock or time zone of web-01 is 1 h behind",
    limit="300",
)
HEADLINES: dict[str, tuple[tuple[Record, ...], str]] = {
    "no decision": ((opened(),), "Nothing is run: no decision has been made yet. Is an engine running?"),
    "no rule": (
        (opened(), decided(Verdict.DENY, rule="", gates=(), reason="no_rule")),
        "Nothing is run: no rule of the policy answers this signal.",
    ),
    "a gate that time will not open": (
        (opened(), decided(Verdict.DENY, gate=NO_GROUP)),
        (
            "Nothing is run (rule restart-web, playbook restart): group_concurrency: the host is in no inventory "
            "group, so no group limit can hold (limit 1). Time alone will not change that."
        ),
    ),
    "a gate that readings open": (
        (opened(), decided(Verdict.DENY, gate=YOUNG)),
        (
            "Nothing is run (rule restart-web, playbook restart): detector_maturity: the host's model has not seen "
            "enough samples (40, limit 300). Readings will change that, not time: it is looked at again as soon as "
            "detect has told of enough."
        ),
    ),
    "a clock that is off": (
        (opened(), decided(Verdict.DENY, gate=CLOCK)),
        (
            "Nothing is run (rule restart-web, playbook restart): event_freshness: all that the host sends is dated "
            "wrongly by the same time, so this is no backlog: set it right (clock or time zone of web-01 is 1 h "
            "behind, limit 300). Time alone will not change that."
        ),
    ),
    "observing": (
        (opened(), decided(Verdict.OBSERVE, reason="would_run")),
        "Nothing is run (rule restart-web, playbook restart): every gate let it pass, but the rule only observes.",
    ),
    "decided": ((opened(), decided(Verdict.RUN)), "restart is decided and about to run."),
    "running": (running(), "restart is being run on web-01."),
    "unknown": (
        (*running(), UNKNOWN),
        "Whether restart had its effect is not known. The target is asked; nothing is run again blindly.",
    ),
    "verifying": (
        (*running(), FINISHED),
        "restart has ended. Data newer than its end will show whether it helped: waiting for it.",
    ),
    "given up": (
        (*running(), FINISHED, HUMAN),
        "A human is needed: enough was tried for this incident. Automation keeps off web-01 until this is closed.",
    ),
}


@pytest.mark.parametrize(("records", "expected"), HEADLINES.values(), ids=HEADLINES.keys())
def test_the_headline_says_how_it_stands(records: tuple[Record, ...], expected: str) -> None:
    """The first sentence suffices to know whether one has to get up."""
    assert expected == headline(explain(log(*records), ONE, T0), T0)


HOSTILE = "[bold red]\x1b[2J\x1b]0;x\x07\u202e{{x}}\n[/]"


def test_hostile_names_stay_text() -> None:
    """Markup is shown as letters, and nothing reaches the terminal that could steer it."""
    series = msgspec.structs.replace(signal("h").evidence.series[0], series=HOSTILE)
    raised = msgspec.structs.replace(signal(HOSTILE, identity=ONE), evidence=Evidence((series,), votes={HOSTILE: 1.0}))
    start = msgspec.structs.replace(opened(host=HOSTILE), signal=raised)
    task = msgspec.structs.replace(TASK, task=HOSTILE, host=HOSTILE)
    progress = RunProgressed(ONE, HOSTILE, "a", "c", task)
    denied = decided(Verdict.DENY, host=HOSTILE, gate=msgspec.structs.replace(COOLDOWN, value=HOSTILE))
    entries = log(start, progress, denied)
    drawings = [
        draw_explanation(explain(entries, ONE, T0), T0),
        draw_hosts(host_rows([status(HOSTILE, HostState.SILENT)], entries, T0)),
        draw_incidents(incidents(entries, T0), T0),
        *(draw_audit_line(audit_line(entry)) for entry in entries),
    ]
    for drawing in drawings:
        text = drawn(drawing, width=400)
        assert "[bold red]" in text
        assert all(each.isprintable() or each == "\n" for each in text)


def test_a_drift_is_told_from_where_to_where() -> None:
    """Its evidence reads like any other: observed beside expected, and what was normal."""
    series = SeriesEvidence("cpu.load", 61.0, 20.5, 14.0, 27.0, 6.2)
    found = msgspec.structs.replace(
        signal("web-01"), kind=SignalKind.DRIFT, score=6.2, threshold=1.0, evidence=Evidence(series=(series,))
    )
    text = " ".join(drawn(draw_evidence(found)).split())
    assert text.startswith("drift at 2026-11-21 02:20:00Z: score 6.2")
    assert "cpu.load 61 20.5 14 to 27" in text


def test_a_row_of_an_incident() -> None:
    """Id, host, when, state, runs, decision with the time it may pass, outcome."""
    rows = incidents(log(opened(), decided(Verdict.DENY, gate=COOLDOWN)), T0 + 60.0)
    line = drawn(draw_incidents(rows, T0 + 60.0), width=160).splitlines()[1]
    assert line.startswith(f"{ONE[:8]}  web-01  2026-11-21 02:20:00Z, 1m ago  ▲ open")
    assert "deny: cooldown (restart-web), possible in 13m 19s" in line


def test_a_fleet_event_is_seen_first() -> None:
    """Above the table, once however many incidents it names; and in the story of each, below the state."""
    records = (opened(), opened(TWO, "web-02"), FLEET_RAISED)
    lines = drawn(draw_incidents(incidents(log(*records), T0 + 60.0), T0 + 60.0), width=200).splitlines()
    assert lines[0].startswith(
        "▲ one matter? 4 of 8 hosts of web were in trouble together (50%), 1 of them silent; in common:"
    )
    assert ["▲ one matter?" in line for line in lines].count(True) == 1
    story = told(*records)
    assert story.index("Nothing is run") < story.index("▲ one matter?") < story.index("fleet event raised")


def test_a_line_of_the_tail() -> None:
    """Offset, time, type, incident, host, sentence."""
    line = drawn(draw_audit_line(audit_line(log(opened())[0])), width=300).rstrip()
    start = f"#0      2026-11-21 02:20:00Z  incident.opened       {ONE[:8]} web-01           incident opened: anomaly"
    assert start == line[: len(start)]


def test_empty_answers_say_what_to_look_for() -> None:
    """Nothing to show is said in words."""
    assert "is detect running?" in drawn(draw_hosts([]))
    assert "nothing was raised" in drawn(draw_incidents([], T0))


@pytest.mark.parametrize("width", [40, 80, 200])
def test_every_width_shows_the_whole_story(width: int) -> None:
    """A narrow terminal wraps; it loses no number."""
    text = drawn(draw_explanation(explain(log(*repaired()), ONE, T0), T0), width=width)
    assert max(map(len, text.splitlines())) <= width
    assert all(offset in text for offset in ("#1", "#5", "#10"))


def test_the_window_marks_what_is_over_the_threshold() -> None:
    """Low scores are low bars; those from the threshold on are red."""
    window = [WindowPoint(T0 + place, score) for place, score in enumerate((0.0, 2.9, 3.0, 6.0))]
    bars = draw_window(window, 3.0)
    assert bars.plain == "score  ▁▄▅█  3s, highest 6.00"
    assert [str(each.style) for each in bars.spans[:4]] == ["green", "green", "red", "red"]


def test_evidence_may_be_missing() -> None:
    """A silence has no series and perhaps no window; it is still a story."""
    bare = msgspec.structs.replace(signal("h"), evidence=Evidence())
    assert drawn(draw_evidence(bare)).splitlines() == ["anomaly at 2026-11-21 02:20:00Z: score 9.40, threshold 3.00"]


def test_a_series_that_only_grows_is_told_by_its_growth() -> None:
    """The unit is in the name: a bare number would be taken for the total."""
    raised = signal("web-01")
    grown = msgspec.structs.replace(raised.evidence.series[0], series="net.bytes_sent", per_second=True)
    evidence = msgspec.structs.replace(raised.evidence, series=(grown,))

    words = drawn(draw_evidence(msgspec.structs.replace(raised, evidence=evidence)))

    assert "net.bytes_sent a second 98.2" in " ".join(words.split())


def test_log_lines_are_shown_as_text_and_what_is_new_is_marked() -> None:
    """A line's own markup and control characters are not obeyed."""
    line = LineEvidence("aa", "disk <*> full", "error", "disk [bold]sda[/bold] full\x1b[31m", T0, is_unseen=True)
    raised = signal("web-01")
    evidence = msgspec.structs.replace(raised.evidence, lines=(line,))

    words = drawn(draw_evidence(msgspec.structs.replace(raised, evidence=evidence)))

    assert "line error: disk [bold]sda[/bold] full" in " ".join(words.split())
    assert "never seen before" in words
    assert "\x1b[31m" not in words


NOWS = {
    "all": (("web-01", "web-02", "web-03", "web-04"), "of them all are now"),
    "some": (("web-01", "web-03"), "of them 2 are now"),
    "one": (("web-02",), "of them 1 is now"),
}


@pytest.mark.parametrize(("hosts", "words"), NOWS.values(), ids=NOWS.keys())
def test_a_fleet_event_says_how_many_hosts_are_in_trouble_still(hosts: tuple[str, ...], words: str) -> None:
    """What was seen when it was raised is the past; now is counted anew."""
    records = [opened(f"{number:x}" * 32, host) for number, host in enumerate(hosts, 1)]
    rows = incidents(log(*records, FLEET_RAISED), T0 + 1083.0)
    text = " ".join(drawn(draw_incidents(rows, T0 + 1083.0), width=400).split())
    assert "4 of 8 hosts of web were in trouble together" in text
    assert "at 2026-11-21 02:20:01Z, 18m 2s ago, the first since 2026-11-21 02:20:00Z" in text
    assert words in text


def test_a_host_whose_signals_have_cleared_is_not_in_trouble_now() -> None:
    """Its incident is open until it is verified, but its trouble is over."""
    rows = incidents(log(opened(), opened(TWO, "web-02"), FLEET_RAISED, CLEARED), T0 + 60.0)
    assert [1, 1] == [row.fleet_now for row in rows]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_story_fits_its_terminal(width: int) -> None:
    """No line is longer than the terminal, no name is cut, no column is too narrow to be read."""
    window = tuple(WindowPoint(T0 + place, place / 60) for place in range(500))
    names = ("disk.io_time{device=/dev/mapper/vg-data,mount=/srv/some/long/path}", "計測値" * 20, "q" * 150)
    series = tuple(SeriesEvidence(name, -1.234567e15, 123456789012345.0, -9e14, 9e14, 12345.6) for name in names)
    lines = (LineEvidence("t", "x", "error", "/no/blank/in/this/line" * 8, T0, is_unseen=True),)
    evidence = Evidence(series, window, {"level": 9.4, "v" * 90: 2.0}, 3, 100, 129, lines)
    story = opened()
    story = msgspec.structs.replace(story, signal=msgspec.structs.replace(story.signal, evidence=evidence))
    finished = msgspec.structs.replace(FINISHED, reason="task failed: " + "No_such_file" * 12)
    digest = GateResult("accepted_playbook", passed=False, reason="playbook_not_accepted", value="a" * 64, limit="none")
    records = (story, FLEET_RAISED, decided(Verdict.DENY, gate=digest), *running()[2:], finished)
    text = drawn(draw_explanation(explain(log(*records), ONE, T0 + 900.0), T0 + 900.0), width=width)
    assert [] == [line for line in text.splitlines() if cell_len(line.rstrip()) > width]
    assert 1 == sum("▃" in line for line in text.splitlines())
    joined = "".join(text.split())
    assert "123,456,789,012,345" in joined
    assert all(name in joined for name in names) or width >= 80
    table = drawn(draw_incidents(incidents(log(*records), T0 + 900.0), T0 + 900.0), width=width)
    assert [] == [line for line in table.splitlines() if cell_len(line.rstrip()) > width]
    assert "restart-web" in table


def test_a_narrow_terminal_gets_lines_instead_of_columns() -> None:
    """Below 80 columns five numbers beside a name can not be read."""
    narrow = [line.strip() for line in drawn(draw_evidence(opened().signal), width=60).splitlines()]
    assert "proc.cpu{service=web}" in narrow
    assert "observed 98.2, expected 21.5, ordinarily 12 to 33.2; score" in narrow
