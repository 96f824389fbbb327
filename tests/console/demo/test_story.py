"""The story is a pure fold: what the two logs say, and nothing else."""

import pytest

from console.demo.story import LINES_KEPT, Story, Tone, hear, narrate, read
from detectors.signals import HostState, SignalState
from remediations.records import Entry, HumanNeeded, RunUnknown, Seen, Verdict, VerificationOutcome
from remediations.runs import RunStatus
from tests.console.demo import recorded


def told() -> Story:
    """The whole recorded story."""
    story = Story()
    for time, notice in recorded.NOTICES:
        story = hear(story, notice, time)
    for entry in recorded.entries():
        story = read(story, entry)
    return story


def test_the_roster_is_the_newest_entry_of_every_host() -> None:
    """A later entry replaces an earlier one of the same host."""
    story = told()
    assert {"web-1", "web-2", "web-3"} == set(story.hosts)
    assert HostState.ANOMALOUS is story.hosts[recorded.SICK].state


def test_the_first_incident_is_told_from_signal_to_close() -> None:
    """Decision, run, tasks, outcome and close come with the log's times."""
    incident = told().incidents[recorded.FIRST]
    assert incident.decision is not None
    assert incident.run is not None
    assert Verdict.RUN is incident.decision.record.verdict
    assert incident.run.started_time == recorded.FIRST_FAULT + 4.0
    assert tuple(each.task for each in incident.run.tasks) == ("Take the marker", "Restart the service")
    assert RunStatus.SUCCESSFUL is incident.run.status
    assert VerificationOutcome.SUCCESS is incident.run.outcome
    assert (incident.closed_time, incident.closed_reason) == (recorded.FIRST_FAULT + 15.1, "verified")


def test_a_denial_names_reason_value_limit_and_next_time() -> None:
    """The line of a denial carries everything its reader needs."""
    line = next(line for line in told().lines if "do not run" in line.text)
    assert Tone.DECISION is line.tone
    for part in ("cooldown", "18.5", "limit 900", "allowed again at"):
        assert part in line.text


def test_a_repeated_signal_adds_nothing() -> None:
    """The signals topic is written at least once: the same id tells the same thing."""
    once = hear(Story(), recorded.RAISED, 5.0)
    assert once == hear(once, recorded.RAISED, 6.0)


def test_lines_are_numbered_on_and_only_the_newest_are_kept() -> None:
    """A kept demo may run for days: the story is bounded, its numbers are not."""
    story = Story()
    for count in range(LINES_KEPT + 10):
        story = narrate(story, float(count), "line")
    assert len(story.lines) == LINES_KEPT
    assert (story.told, story.lines[0].number) == (LINES_KEPT + 10, 11)


SINCE = [
    ("before the raise", recorded.FIRST_FAULT, recorded.RAISED.id),
    ("between the two", recorded.SECOND_FAULT, recorded.RAISED_AGAIN.id),
    ("after both", recorded.SECOND_FAULT + 100, None),
]


@pytest.mark.parametrize(("since", "expected"), [case[1:] for case in SINCE], ids=[case[0] for case in SINCE])
def test_the_first_raised_signal_since_a_time(since: float, expected: str | None) -> None:
    """Only raised signals of the host that were written at the time or later count."""
    heard = told().raised(recorded.SICK, since)
    assert expected == (heard.signal.id if heard else None)
    assert heard is None or SignalState.RAISED is heard.signal.state


STRANGE = [
    ("unknown type", None),
    ("run of an unknown incident", RunUnknown("inc-x", "web-9", "action-x", "claim-x", "engine died")),
    ("human for an unknown incident", HumanNeeded("inc-x", "web-9", "action-x", "unknown outcome")),
]


@pytest.mark.parametrize("record", [case[1] for case in STRANGE], ids=[case[0] for case in STRANGE])
def test_what_the_story_does_not_know_invents_no_incident(record: RunUnknown | HumanNeeded | None) -> None:
    """Records of unknown type or incident never break the story and never make an incident up."""
    story = read(Story(), Entry(0, 1.0, record, Seen(-1, "00" * 32)))
    assert story.incidents == {}
