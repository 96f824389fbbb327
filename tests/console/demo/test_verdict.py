"""The verdict: passed only if every promise was kept, and each broken one is named."""

import msgspec
import pytest

from console.demo.story import Story, hear, read
from console.demo.verdict import Facts, Fault, judge
from detectors.signals import SignalState
from remediations.records import IncidentClosed, Record, RunVerified, VerificationOutcome
from tests.console.demo import recorded
from tests.console.demo.test_story import told

FACTS = Facts(
    faults=(
        Fault(recorded.SICK, 100, recorded.FIRST_FAULT),
        Fault(recorded.SICK, 200, recorded.SECOND_FAULT),
    ),
    spawned={"web-1": (99,), recorded.SICK: (100, 200), "web-3": (101,)},
    audit_records=13,
    chain_fault="",
    seconds=110.0,
)


def test_a_demo_that_went_as_it_should_passes_with_its_figures() -> None:
    """Times count from the fault, by the logs' clocks."""
    summary = judge(told(), FACTS)
    assert summary.passed
    assert (
        summary.seconds_to_signal,
        summary.seconds_to_decision,
        summary.seconds_to_playbook,
        summary.seconds_to_verified,
    ) == (3.5, 3.8, 4.0, 15.0)
    assert (summary.pid_before, summary.pid_after) == (100, 200)
    assert summary.restarts == {"web-1": 0, recorded.SICK: 1, "web-3": 0}
    assert (summary.refusal, summary.refusal_next_time) == ("cooldown", recorded.NEXT_TIME)
    assert sum(summary.false_alarms.values()) == 0


BROKEN = [
    ("healthy restarted", {"spawned": FACTS.spawned | {"web-1": (99, 300)}}, "a healthy service was restarted"),
    ("restarted twice", {"spawned": FACTS.spawned | {recorded.SICK: (100, 200, 300)}}, "exactly once"),
    ("never restarted", {"spawned": FACTS.spawned | {recorded.SICK: (100,)}}, "exactly once"),
    ("chain broken", {"chain_fault": "offset 4 differs"}, "audit chain"),
    ("one fault only", {"faults": FACTS.faults[:1]}, "second act"),
]


@pytest.mark.parametrize(("change", "words"), [case[1:] for case in BROKEN], ids=[case[0] for case in BROKEN])
def test_each_measured_fact_that_breaks_a_promise_is_named(change: dict[str, object], words: str) -> None:
    """One wrong fact fails the demo and says which promise it broke."""
    summary = judge(told(), msgspec.structs.replace(FACTS, **change))
    assert not summary.passed
    assert any(words in problem for problem in summary.problems)


def story_of(records: tuple[tuple[float, Record], ...]) -> Story:
    """The recorded notices with other audit records."""
    story = Story()
    for time, notice in recorded.NOTICES:
        story = hear(story, notice, time)
    for entry in recorded.entries(records):
        story = read(story, entry)
    return story


def test_a_run_that_did_not_help_fails_the_demo() -> None:
    """A verification other than success is no repair, whatever the playbook said."""
    records = tuple(
        (time, msgspec.structs.replace(record, outcome=VerificationOutcome.INEFFECTIVE))
        if isinstance(record, RunVerified)
        else (time, record)
        for time, record in recorded.RECORDS
        if not isinstance(record, IncidentClosed)
    )
    summary = judge(story_of(records), FACTS)
    assert summary.seconds_to_verified is None
    assert "the repair was not verified as a success" in summary.problems


def test_nothing_noticed_names_every_missing_step() -> None:
    """An empty story breaks the promise of every step."""
    summary = judge(Story(), FACTS)
    assert None is summary.seconds_to_signal
    assert len(summary.problems) == 5


def test_signals_of_other_hosts_are_false_alarms() -> None:
    """Every raised signal that the fault does not explain is counted by host."""
    wrong = recorded.signal("dd", SignalState.RAISED, recorded.BEGIN + 20, host="web-3")
    early = recorded.signal("ee", SignalState.RAISED, recorded.BEGIN + 20)
    story = hear(hear(told(), wrong, recorded.BEGIN + 20), early, recorded.BEGIN + 20)
    assert judge(story, FACTS).false_alarms == {"web-1": 0, recorded.SICK: 1, "web-3": 1}
