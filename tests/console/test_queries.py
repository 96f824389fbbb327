"""What is answered from the logs, by what happened."""

import io

import msgspec
import pytest
from rich.console import Console

from console.demo.scenery import PLAYBOOKS
from console.errors import IncidentNotFoundError
from console.queries import (
    Explanation,
    IncidentRow,
    Phase,
    audit_line,
    explain,
    incidents,
    refused_rules,
    rules,
)
from console.rendering import draw_rules
from remediations.loading import load_rulebook
from remediations.policies import RuleMode
from remediations.records import (
    Entry,
    FleetCleared,
    FleetRaised,
    Record,
    RulesChanged,
    RulesRefused,
    RunClaimed,
    Seen,
    Verdict,
    VerificationOutcome,
)
from tests.console.stories import (
    CLEARED,
    CLOSED,
    COOLDOWN,
    FINISHED,
    FLEET_CLEARED,
    FLEET_RAISED,
    HUMAN,
    NOT_EXECUTED,
    ONE,
    REVOKED,
    STARTED,
    T0,
    TWO,
    UNKNOWN,
    VIEW,
    decided,
    log,
    opened,
    repaired,
    running,
)

PHASES: dict[str, tuple[tuple[Record, ...], Phase, int]] = {
    "opened": ((opened(),), Phase.OPEN, 0),
    "denied": ((opened(), decided(Verdict.DENY, gate=COOLDOWN)), Phase.OPEN, 0),
    "decided, not claimed": ((opened(), decided(Verdict.RUN)), Phase.OPEN, 0),
    "claimed": (running()[:4], Phase.RUNNING, 0),
    "claim taken back": ((*running()[:4], REVOKED), Phase.OPEN, 0),
    "started": (running(), Phase.RUNNING, 1),
    "outcome unknown": ((*running(), UNKNOWN), Phase.RUN_UNKNOWN, 1),
    "not executed": ((*running(), UNKNOWN, NOT_EXECUTED), Phase.OPEN, 0),
    "finished": ((*running(), FINISHED), Phase.VERIFYING, 1),
    "given up": ((*running(), FINISHED, HUMAN), Phase.NEEDS_HUMAN, 1),
    "closed": (repaired(), Phase.CLOSED, 1),
}


@pytest.mark.parametrize(("records", "phase", "attempts"), PHASES.values(), ids=PHASES.keys())
def test_phase_of_an_incident(records: tuple[Record, ...], phase: Phase, attempts: int) -> None:
    """Each state of an incident has its own word; only runs that may have had an effect count as attempts."""
    (row,) = incidents(log(*records), T0 + 60.0)
    assert (phase, attempts) == (row.phase, row.attempts)


def test_every_phase_has_a_case() -> None:
    """A phase that nothing leads to is no phase."""
    assert set(Phase) == {phase for _, phase, _ in PHASES.values()}


def test_a_repaired_incident() -> None:
    """The row of a closed incident says why it closed, how the run turned out, and its age by the log's clock."""
    (row,) = incidents(log(*repaired()), T0 + 61.0)
    expected = ("web-01", "anomaly", 9.4, T0 + 1.0, 60.0, "verified", VerificationOutcome.SUCCESS, T0 + 10.0)
    found = (row.host, row.kind, row.score, row.opened_time, row.age_seconds, row.reason, row.outcome, row.closed_time)
    assert expected == found


def test_the_denying_gate_is_in_the_row() -> None:
    """A list alone tells which gate denied and when it may pass."""
    (row,) = incidents(log(opened(), decided(Verdict.DENY, gate=COOLDOWN)), T0)
    assert row.decision is not None
    assert (row.decision.verdict, row.decision.gate, row.decision.next_time) == (Verdict.DENY, COOLDOWN, T0 + 859.0)


def test_incidents_are_sorted_by_who_must_look() -> None:
    """Those that wait for a human come first, then the other open ones, then closed ones, newest first, cut."""
    records: list[Record] = [
        opened("a" * 32, "web-02"),
        opened("b" * 32, "web-03"),
        msgspec.structs.replace(HUMAN, incident_id="b" * 32, host="web-03", action_id=""),
        opened("c" * 32, "web-04"),
        msgspec.structs.replace(CLOSED, incident_id="c" * 32, host="web-04"),
        opened("d" * 32, "web-05"),
        msgspec.structs.replace(CLOSED, incident_id="d" * 32, host="web-05"),
    ]
    expected = ["b", "a", "d", "c"]
    assert expected == [row.incident_id[0] for row in incidents(log(*records), T0)]
    assert expected[:3] == [row.incident_id[0] for row in incidents(log(*records), T0, closed_maximum=1)]


def test_explain_gives_every_record_in_order() -> None:
    """The story is complete and in the log's order; records of others are not in it."""
    other = opened(TWO, "web-02")
    records = (*repaired()[:5], other, *repaired()[5:])
    steps = explain(log(*records), ONE, T0).steps
    expected = [offset for offset, record in enumerate(records) if record not in (STARTED, other)]
    assert expected == [step.offset for step in steps]
    assert [step.seen_offset for step in steps] == [offset - 1 for offset in expected]


def test_explain_shows_what_was_ignored() -> None:
    """The claim of the slower engine is in the story with the reason why it counted for nothing."""
    steps = explain(log(*running()), ONE, T0).steps
    claims = [(step.record.claim, step.ignored) for step in steps if isinstance(step.record, RunClaimed)]
    expected = [("c1", ""), ("c2", "already_claimed")]
    assert expected == claims


WANTED = {
    "the id": (ONE, ONE),
    "a unique beginning": ("2", TWO),
    "a beginning in capitals": ("2E", TWO),
    "a host with one incident": ("web-02", TWO),
    "a host in capitals": ("WEB-02", TWO),
}


@pytest.mark.parametrize(("wanted", "expected"), WANTED.values(), ids=WANTED.keys())
def test_an_incident_is_found(wanted: str, expected: str) -> None:
    """By id, by a unique beginning of it, or by its host; the story is complete however it was named."""
    explanation = explain(log(opened(), opened(TWO, "web-02")), wanted, T0)
    assert (explanation.incident.incident_id, len(explanation.steps)) == (expected, 1)


def test_a_host_means_its_open_incident() -> None:
    """After a second failure the host's name means the incident of now; both are found by id."""
    second = opened("1a" * 16, episode=2)
    entries = log(*repaired(), second)
    assert explain(entries, "web-01", T0).incident.incident_id == second.incident_id
    assert explain(entries, ONE, T0).incident.phase is Phase.CLOSED


MISTAKES = {
    "ambiguous": ("1", r"incident '1' is not unique, it may be: 1f1f1f1f \(web-01\), 1a1a1a1a \(web-03\)"),
    "a mistyped id": ("2d2e2e2e", r"no incident '2d2e2e2e'; open are: 2e2e2e2e \(web-02\), 1f1f1f1f \(web-01\), "),
    "a mistyped host": ("wev-03", r"no incident 'wev-03'; open are: 1a1a1a1a \(web-03\), "),
    "empty": ("", r"no incident ''; open are: "),
    "hostile": ("\x1b[2J", r"no incident '\\x1b\[2J'; open are: "),
}


@pytest.mark.parametrize(("wanted", "expected"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_answered_with_what_may_be_meant(wanted: str, expected: str) -> None:
    """The error names what was typed and the nearest open incidents."""
    entries = log(opened(), opened(TWO, "web-02"), opened("1a" * 16, "web-03"))
    with pytest.raises(IncidentNotFoundError, match=expected):
        explain(entries, wanted, T0)


def test_nothing_is_open() -> None:
    """Then the error says where closed ones are."""
    with pytest.raises(IncidentNotFoundError, match="no incident is open"):
        explain(log(), "web-01", T0)


def test_answers_are_json() -> None:
    """`--json` loses nothing: what is written reads back as the same answer."""
    answer = explain(log(*repaired()), ONE, T0 + 60.0)
    assert msgspec.json.decode(msgspec.json.encode(answer), type=Explanation) == answer
    rows = incidents(log(*repaired(), opened(TWO, "web-02")), T0)
    assert msgspec.json.decode(msgspec.json.encode(rows), type=tuple[IncidentRow, ...]) == rows


LINES = [
    (STARTED, "engine.started", "", "engine engine-1 0.1.0 started with policy dddddddddddd and 1 playbook"),
    (
        RulesChanged("engine-1", "e" * 64, {}, ""),
        "rules.changed",
        "",
        "engine engine-1 goes on with policy eeeeeeeeeeee",
    ),
    (
        RulesRefused("engine-1", "policy.yml: is gone", "d" * 64),
        "rules.refused",
        "",
        "engine engine-1 refuses the rules as they are now and keeps policy dddddddddddd: policy.yml: is gone",
    ),
    (
        opened(),
        "incident.opened",
        "web-01",
        "incident opened: anomaly, score 9.40 (threshold 3.00); proc.cpu{service=web} is 98.2, expected 12 to 33.2",
    ),
    (
        decided(Verdict.RUN),
        "decision.made",
        "web-01",
        "decision: run restart, attempt 1 (rule restart-web; 2 gates passed)",
    ),
    (
        decided(Verdict.DENY, gate=COOLDOWN),
        "decision.made",
        "web-01",
        (
            "decision: do not run restart (rule restart-web): cooldown: too soon after the last run on this host "
            "(41, limit 900)"
        ),
    ),
    (
        decided(Verdict.OBSERVE, reason="would_run", mode=RuleMode.OBSERVE),
        "decision.made",
        "web-01",
        (
            "decision: only observe, do not run restart (rule restart-web): every gate let it pass, "
            "but the rule only observes"
        ),
    ),
    (
        decided(Verdict.DENY, rule="", gates=(), reason="no_rule"),
        "decision.made",
        "web-01",
        "decision: nothing to run: no rule of the policy answers this signal",
    ),
    (CLEARED, "incident.updated", "web-01", "anomaly signal cleared, score 0.40"),
    (running()[3], "run.claimed", "web-01", "engine engine-1 claims the run"),
    (REVOKED, "run.revoked", "web-01", "claim taken back: the host has recovered by itself"),
    (running()[5], "run.started", "web-01", "playbook restart starts (at most 1m)"),
    (running()[6], "run.progressed", "web-01", "task 2: Restart the service: changed on web-01 in 1.2 s"),
    (FINISHED, "run.finished", "web-01", "playbook ended: successful, rc 0"),
    (UNKNOWN, "run.unknown", "web-01", "the run's outcome is not known: engine_lost"),
    (
        NOT_EXECUTED,
        "run.not_executed",
        "web-01",
        "the run had no effect, and its marker on the target is closed: it can have none any more",
    ),
    (repaired()[9], "run.verified", "web-01", "verification: success, score 0.40"),
    (HUMAN, "incident.needs_human", "web-01", "a human is needed: enough was tried for this incident"),
    (CLOSED, "incident.closed", "web-01", "incident closed: a run helped, shown by new data"),
    (
        FLEET_RAISED,
        "fleet.raised",
        "",
        (
            "fleet event raised: 4 of 8 hosts of web in trouble together (50%), 1 of them silent; in common: "
            "disk.wait (3 hosts), cpu.iowait (2 hosts); first web-01, web-02, web-03, web-04"
        ),
    ),
    (FLEET_CLEARED, "fleet.cleared", "", "fleet event cleared: 1 of 8 hosts of web lately in trouble"),
    (None, "unknown", "", "a record of a type that this version does not know"),
]


@pytest.mark.parametrize(("record", "kind", "host", "text"), LINES, ids=[text[:40] for *_, text in LINES])
def test_each_record_is_one_sentence(record: Record | None, kind: str, host: str, text: str) -> None:
    """`audit tail` tells every type of record in words."""
    line = audit_line(Entry(7, T0, record, Seen(6, "0" * 64)))
    assert (7, T0, kind, host, text) == (line.offset, line.time, line.type, line.host, line.text)
    assert line.record == record


def test_a_fleet_event_is_told_with_the_incidents_that_it_names() -> None:
    """While it is raised, incidents of its hosts show it; afterwards only their story does."""
    others = opened(TWO, "db-01")
    during = {row.host: row.fleet for row in incidents(log(opened(), others, FLEET_RAISED), T0)}
    after = {row.host: row.fleet for row in incidents(log(opened(), others, FLEET_RAISED, FLEET_CLEARED), T0)}
    assert ({"web-01": VIEW, "db-01": None}, {"web-01": None, "db-01": None}) == (during, after)


@pytest.mark.parametrize(
    ("name", "records", "expected"),
    [
        ("named, while it was open", (opened(), FLEET_RAISED, FLEET_CLEARED), 2),
        ("raised before it began", (FLEET_RAISED, FLEET_CLEARED, opened()), 0),
        ("raised after its end", (*repaired(), FLEET_RAISED), 0),
        ("another host's", (opened(ONE, "db-01"), FLEET_RAISED), 0),
    ],
)
def test_the_story_of_an_incident_has_the_fleet_events_that_name_its_host(
    name: str, records: tuple[Record, ...], expected: int
) -> None:
    """Raised and cleared stand in the story, where they happened."""
    steps = explain(log(*records), ONE, T0).steps
    assert expected == sum(isinstance(step.record, FleetRaised | FleetCleared) for step in steps), name


def test_every_type_of_record_has_a_sentence() -> None:
    """A new type of record can not be forgotten here."""
    assert set(Record.__value__.__args__) == {type(record) for record, *_ in LINES if record}


def test_an_empty_log_has_an_empty_answer() -> None:
    """A fresh installation is no error."""
    assert incidents([], T0) == ()


def test_rules_name_the_hosts_they_are_meant_for() -> None:
    """Each rule with exactly the hosts of its groups; no variable of a host is in the answer."""
    examples = PLAYBOOKS / "examples"
    book = load_rulebook(examples / "policy.yml", examples / "inventory.yml", PLAYBOOKS)

    answer = rules(book)

    assert [("restart-web", ("web-1", "web-2"))] == [(row.rule, row.hosts) for row in answer.rules]
    assert (3, ("db-1",)) == (answer.hosts, answer.protected_hosts)
    assert b"192.0.2" not in msgspec.json.encode(answer)


@pytest.mark.parametrize("name", ["web-01", "WEB-01", "Web-01."])
def test_an_incident_is_found_by_any_spelling_of_its_host(name: str) -> None:
    """Whoever types the inventory's spelling gets the same answer as with that of the records."""
    assert explain(log(*repaired()), name, T0 + 60.0) == explain(log(*repaired()), ONE, T0 + 60.0)


REFUSED = RulesRefused("engine-1", "policy.yml: is gone", "d" * 64)
OTHER = RulesRefused("engine-2", "policy.yml: is gone", "d" * 64)


@pytest.mark.parametrize(
    ("records", "told"),
    [
        pytest.param((), (), id="nothing"),
        pytest.param((REFUSED,), (REFUSED,), id="refused"),
        pytest.param((REFUSED, OTHER), (REFUSED, OTHER), id="by two engines"),
        pytest.param((REFUSED, RulesChanged("engine-1", "e" * 64, {}, "")), (), id="right again"),
        pytest.param((REFUSED, OTHER, RulesChanged("engine-2", "e" * 64, {}, "")), (REFUSED,), id="right for another"),
        pytest.param((REFUSED, STARTED), (), id="started with others"),
    ],
)
def test_refused_rules_are_told_until_they_are_right(records: tuple[Record, ...], told: tuple[Record, ...]) -> None:
    """What stands above the incidents: each engine's refusal, until it goes on with other rules."""
    assert refused_rules(log(*records)) == told


def test_rules_tell_of_two_hosts_that_are_one_machine() -> None:
    """An address that two hosts have is told below the rules, with their names."""
    examples = PLAYBOOKS / "examples"
    book = load_rulebook(examples / "policy.yml", examples / "inventory.yml", PLAYBOOKS)
    hosts = book.inventory.hosts
    twice = {name: variables | {"ansible_host": "192.0.2.9"} for name, variables in hosts.items() if name != "db-1"}
    inventory = msgspec.structs.replace(book.inventory, hosts=hosts | twice)
    answer = rules(msgspec.structs.replace(book, inventory=inventory))
    assert [("192.0.2.9:22", ("web-1", "web-2"))] == [(each.address, each.hosts) for each in answer.shared_addresses]
    out = io.StringIO()
    Console(file=out, width=200).print(draw_rules(answer))
    assert "web-1, web-2 have one address, 192.0.2.9:22" in out.getvalue()
