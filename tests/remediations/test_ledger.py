"""The ledger: what each record changes, and which records are valid where they stand in the log."""

import msgspec
import pytest

from detectors.signals import SignalKind, SignalState
from remediations.incidents import ActionStatus, IncidentStatus
from remediations.ledger import UNCLAIMED_KEPT, Ledger, Ruling
from remediations.records import (
    EngineStarted,
)
from remediations.runs import RunStatus
from tests.remediations.steps import FREE, STEPS, VALID, token_of, told, verified
from tests.remediations.stories import (
    HOST,
    LIMITS,
    NOW,
    Log,
    claimed,
    closed,
    decided,
    finished,
    opened,
    signal,
    started,
    updated,
)


@pytest.mark.parametrize(
    ("steps", "status"),
    [
        ("decide", ActionStatus.DECIDED),
        ("decide, claim", ActionStatus.CLAIMED),
        ("decide, claim, revoke", ActionStatus.DECIDED),
        ("decide, claim, revoke, claim", ActionStatus.CLAIMED),
        ("decide, claim, start", ActionStatus.STARTED),
        ("decide, claim, start, progress, finish", ActionStatus.FINISHED),
        ("decide, claim, start, unknown", ActionStatus.UNKNOWN),
        ("decide, claim, start, unknown, finish", ActionStatus.FINISHED),
        ("decide, claim, start, unknown, not executed", ActionStatus.NOT_EXECUTED),
        ("decide, claim, start, unknown, human", ActionStatus.NEEDS_HUMAN),
        ("decide, claim, start, human", ActionStatus.STARTED),
        ("decide, claim, start, finish, verify", ActionStatus.VERIFIED),
        ("decide, claim, start, finish, human", ActionStatus.FINISHED),
    ],
)
def test_valid_steps_move_an_action_on(steps: str, status: ActionStatus) -> None:
    """Each valid record brings the action where the write order says."""
    log, _, rulings = told(*steps.split(", "))
    assert [VALID] * len(rulings) == rulings
    assert status == log.ledger.state.actions["a1"].status


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        ("claim", "not_decided"),
        ("decide, claim, claim", "already_claimed"),
        ("decide, claim, claim by another", "already_claimed"),
        ("decide, claim, start, claim by another", "already_claimed"),
        ("decide, claim, start, finish, claim by another", "already_claimed"),
        ("decide, revoke", "not_claimed"),
        ("decide, claim, revoke another", "not_claimed"),
        ("decide, claim, start, revoke", "not_claimed"),
        ("decide, claim, start by another", "not_claimed"),
        ("decide, claim, start with an old token", "not_claimed"),
        ("decide, claim, revoke, start", "not_claimed"),
        ("decide, claim, start, start", "not_claimed"),
        ("decide, claim, progress", "not_started"),
        ("decide, claim, finish", "not_started"),
        ("decide, claim, start, finish by another", "not_started"),
        ("decide, claim, start, finish, finish", "not_started"),
        ("decide, claim, start, finish, unknown", "not_started"),
        ("decide, claim, start, unknown by another", "not_started"),
        ("decide, claim, start, unknown, unknown", "not_started"),
        ("decide, claim, start, not executed", "not_unknown"),
        ("decide, claim, start, unknown, not executed, finish", "not_started"),
        ("decide, claim, start, unknown, human, finish", "not_started"),
        ("decide, claim, start, verify", "not_finished"),
        ("decide, claim, start, finish, verify, verify", "not_finished"),
        ("decide, claim, close", "run_unfinished"),
        ("decide, claim, start, unknown, close", "run_unfinished"),
        ("close, close", "no_open_incident"),
        ("close, decide", "no_open_incident"),
        ("close, human", "no_open_incident"),
        ("decide, close, claim", "recovered"),
        ("decide, human, claim", "needs_human"),
    ],
)
def test_the_last_of_these_steps_is_ignored(steps: str, reason: str) -> None:
    """A record that is not valid where it stands changes nothing but a counter, and says why."""
    *before, last = steps.split(", ")
    log, incident, rulings = told(*before)
    assert [VALID] * len(rulings) == rulings
    state = msgspec.json.decode(msgspec.json.encode(log.ledger.state))
    assert Ruling(valid=False, reason=reason) == STEPS[last](log, incident)
    after = msgspec.json.decode(msgspec.json.encode(log.ledger.state))
    assert {reason: 1} == after["ignored"]
    moving = ("offset", "time", "ignored")
    assert {k: v for k, v in state.items() if k not in moving} == {k: v for k, v in after.items() if k not in moving}


def test_the_first_valid_claim_wins() -> None:
    """Of two claims the one that is first in the log holds the action, whoever wrote it."""
    log, _, _ = told("decide", "claim by another", "claim")
    assert log.ledger.holds("a1", "c2")
    assert not log.ledger.holds("a1", "c1")


def test_a_late_owner_is_stopped_by_the_revocation_before_its_start() -> None:
    """An engine that slept between claim and start finds its claim gone, and the new claim's token is higher."""
    log, incident, _ = told("decide", "claim", "revoke", "claim by another")
    assert Ruling(valid=False, reason="not_claimed") == log.append(started(incident, token=2))
    assert VALID == log.append(started(incident, claim="c2", token=token_of(log)))
    assert 4 == token_of(log)


@pytest.mark.parametrize(
    ("steps", "lock", "end"),
    [
        ("decide", "", None),
        ("decide, claim", "a1", None),
        ("decide, claim, revoke", "", None),
        ("decide, claim, start", "a1", None),
        ("decide, claim, start, unknown", "a1", None),
        ("decide, claim, start, finish", "", NOW + 5),
        ("decide, claim, start, unknown, finish", "", NOW + 6),
        ("decide, claim, start, unknown, not executed", "", None),
        ("decide, claim, start, unknown, human", "", NOW + 6),
        ("decide, claim, start, human", "a1", None),
    ],
)
def test_the_lock_is_held_until_the_outcome_is_known(steps: str, lock: str, end: float | None) -> None:
    """A host is locked from claim to known outcome; its cooldown counts from the end of a run that took place."""
    log, _, _ = told(*steps.split(", "))
    standing = log.ledger.state.hosts[HOST]
    assert (lock, end) == (standing.lock, standing.last_run_end)
    assert bool(lock) == bool(log.ledger.unfinished())


def test_a_failed_run_starts_the_cooldown_too() -> None:
    """Cooldown counts from the end of a run, whatever its outcome."""
    log, incident, _ = told("decide", "claim", "start")
    log.append(finished(incident, run_status=RunStatus.FAILED))
    assert log.time == log.ledger.state.hosts[HOST].last_run_end


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        pytest.param({}, "incident_open", id="while one is open"),
        pytest.param({"episode": 3}, "wrong_episode", id="a number left out"),
        pytest.param({"episode": 1}, "wrong_episode", id="a number again"),
        pytest.param({"name": "web-1-1"}, "signal_handled", id="a signal again"),
        pytest.param({"host": "web-2"}, "wrong_signal", id="a signal of another host"),
        pytest.param({"state": SignalState.CLEARED}, "wrong_signal", id="a signal that clears"),
    ],
)
def test_an_incident_opens_once_for_each_trouble(first: dict[str, object], reason: str) -> None:
    """Replayed, repeated and raced openings are ignored: there is one incident of a host at a time, numbered."""
    log, incident, _ = told()
    if reason != "incident_open":
        log.append(closed(incident))
    changes = {"name": "s2"} | first
    episode = int(str(changes.pop("episode", 2)))
    assert Ruling(valid=False, reason=reason) == log.append(opened(HOST, episode, signal(**changes)))


def test_signals_gather_in_the_open_incident_until_all_have_cleared() -> None:
    """Raised signals add up, cleared ones take away exactly the one they name; the last one marks the time."""
    log, incident, _ = told()
    steps = [
        (updated(incident, "s2", SignalState.RAISED), {"web-1-1", "s2"}),
        (updated(incident, "s3", SignalState.CLEARED, raised_id="web-1-1"), {"s2"}),
        (updated(incident, "s4", SignalState.CLEARED, raised_id="never-seen"), {"s2"}),
        (updated(incident, "s5", SignalState.CLEARED, raised_id="s2"), set()),
    ]
    for record, expected in steps:
        assert VALID == log.append(record)
        assert expected == set(log.ledger.state.incidents[incident.incident_id].raised)
    assert NOW == log.ledger.state.incidents[incident.incident_id].cleared_time
    assert Ruling(valid=False, reason="signal_handled") == log.append(updated(incident, "s2", SignalState.RAISED))
    log.append(updated(incident, "s6", SignalState.RAISED))
    assert log.ledger.state.incidents[incident.incident_id].cleared_time is None


def test_trouble_takes_the_place_of_a_drift() -> None:
    """From then on the incident is about the trouble, and ends with it; a drift alone is no trouble."""
    log = Log()
    log.append(opened(HOST, 1, signal("d1", kind=SignalKind.DRIFT)))
    incident = log.ledger.incident_of(HOST)
    assert incident is not None
    assert not incident.is_trouble
    worse = signal("s2")
    log.append(msgspec.structs.replace(updated(incident, "s2", SignalState.RAISED), signal=worse))
    incident = log.ledger.incident_of(HOST)
    assert incident is not None
    assert (worse, ["s2"], True) == (incident.signal, list(incident.raised), incident.is_trouble)
    log.append(updated(incident, "c2", SignalState.CLEARED, raised_id="s2"))
    incident = log.ledger.incident_of(HOST)
    assert incident is not None
    assert NOW == incident.cleared_time


def test_a_human_is_needed_until_the_incident_closes() -> None:
    """Giving up blocks the host; closing the incident frees it and the next one starts afresh."""
    log, incident, _ = told("decide", "claim", "start", "unknown", "human")
    assert IncidentStatus.NEEDS_HUMAN == log.ledger.state.incidents[incident.incident_id].status
    assert incident.incident_id == log.ledger.state.hosts[HOST].needs_human
    assert VALID == log.append(closed(incident, "by_operator"))
    assert not log.ledger.state.hosts[HOST].needs_human
    assert 2 == log.ledger.next_episode(HOST)


@pytest.mark.parametrize(
    ("steps", "attempt"),
    [
        ("decide", 1),
        ("decide, claim", 2),
        ("decide, claim, revoke", 1),
        ("decide, claim, start, finish", 2),
        ("decide, claim, start, unknown, not executed", 2),
    ],
)
def test_an_attempt_is_counted_when_it_is_taken(steps: str, attempt: int) -> None:
    """A decision alone uses up no number; an attempt that was closed on the target never gets its own again."""
    log, incident, _ = told(*steps.split(", "))
    assert attempt == log.ledger.next_attempt(incident.incident_id)


def test_an_attempt_that_did_not_take_place_is_no_executed_one() -> None:
    """With one attempt allowed, a run that was never executed may be tried again, one that was may not."""
    log, incident, _ = told("decide", "claim", "start", "unknown", "not executed")
    log.append(decided(incident, "a2", 2))
    assert VALID == log.append(claimed(incident, "a2"))

    log, incident, _ = told("decide", "claim", "start", "finish", "verify")
    log.append(decided(incident, "a2", 2))
    limits = msgspec.structs.replace(LIMITS, cooldown_seconds=0.0)
    assert Ruling(valid=False, reason="attempts_exhausted") == log.append(claimed(incident, "a2", limits=limits))


def test_a_decision_of_another_incident_is_not_claimed_for_this_one() -> None:
    """An action belongs to the incident and host it was decided for."""
    log, incident, _ = told("decide")
    other = log.open("web-2")
    assert Ruling(valid=False, reason="not_decided") == log.append(claimed(other, "a1"))
    assert Ruling(valid=False, reason="other_incident") == log.append(decided(other, "a1"))
    assert VALID == log.append(claimed(incident, "a1"))


def test_an_entry_is_folded_once() -> None:
    """Reading a part of the log again changes nothing."""
    log, _, _ = told("decide", "claim")
    before = msgspec.json.encode(log.ledger.state)
    for entry in log.entries:
        assert Ruling(valid=False, reason="already_folded") == log.ledger.apply(entry)
    assert before == msgspec.json.encode(log.ledger.state)


def test_an_unknown_type_counts_and_does_nothing_else() -> None:
    """A newer version's records are no obstacle: the log goes on."""
    log, _, _ = told()
    assert Ruling(valid=False, reason="unknown_type") == log.append(None)
    assert (1, {"unknown_type": 1}) == (log.ledger.state.offset, log.ledger.state.ignored)
    assert VALID == log.append(EngineStarted(engine="e", version="1", policy_digest="", playbook_digests={}))


def test_the_time_of_the_log_never_goes_back() -> None:
    """A broker's clock that steps back shortens no cooldown: the latest time seen counts."""
    log = Log()
    incident = log.open()
    log.run(incident)
    log.append(verified(incident))
    end = log.ledger.state.hosts[HOST].last_run_end
    log.append(decided(incident, "a2", 2), time=NOW - 10_000)
    assert end == log.ledger.state.hosts[HOST].last_run_end
    assert log.ledger.state.time > NOW


@pytest.mark.parametrize(
    ("wait", "ruling"),
    [
        pytest.param(899.0, Ruling(valid=False, reason="cooldown"), id="a second early"),
        pytest.param(900.0, VALID, id="at its end"),
    ],
)
def test_cooldown_spans_incidents(wait: float, ruling: Ruling) -> None:
    """The second trouble of a host inside its cooldown waits for its end, by the broker's clock."""
    log = Log()
    log.run(log.open())
    end = log.time
    log.append(closed(log.ledger.open_incidents()[0]))
    incident = log.open()
    log.append(decided(incident, "a2"))
    assert ruling == log.append(claimed(incident, "a2"), time=end + wait)


def test_closed_incidents_are_forgotten_but_not_what_limits_need() -> None:
    """Memory is bounded by the number of closed incidents; cooldown, starts and episode survive."""
    log = Log(Ledger(closed_kept=2, signals_kept=3))
    for number in range(5):
        incident = log.open()
        log.run(incident, f"a{number}", limits=FREE)
        log.append(closed(incident))
    state = log.ledger.state
    assert (2, 2, 3) == (len(state.incidents), len(state.actions), len(state.handled))
    assert (5, 5) == (len(state.starts), state.hosts[HOST].episode)
    assert state.hosts[HOST].last_run_end is not None


def test_decided_actions_that_nobody_claims_are_bounded() -> None:
    """A policy that is reloaded all day makes no endless list of actions; the newest stay claimable."""
    log, incident, _ = told()
    for number in range(UNCLAIMED_KEPT + 5):
        log.append(decided(incident, f"a{number}"))
    assert UNCLAIMED_KEPT == len(log.ledger.state.actions)
    assert VALID == log.append(claimed(incident, f"a{UNCLAIMED_KEPT + 4}"))


def test_what_recovery_needs_is_told() -> None:
    """After a restart the engine asks for unfinished and unverified actions and for the place in the signals."""
    log = Log()
    one, other = log.open(offset=7), log.open("web-2", offset=9)
    log.start(one, "a1", "c1", FREE)
    log.run(other, "a2", "c2", FREE)
    assert ["a1"] == [action.action_id for action in log.ledger.unfinished()]
    assert ["a2"] == [action.action_id for action in log.ledger.unverified()]
    assert [one.host, other.host] == [incident.host for incident in log.ledger.open_incidents()]
    assert 9 == log.ledger.state.signal_offset
    assert log.ledger.is_handled("web-1-1")
    assert not log.ledger.is_handled("web-1-2")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({}, "", id="within all limits"),
        pytest.param({"starts_maximum": 2}, "", id="one start under the rate"),
        pytest.param({"starts_maximum": 1}, "rate_exceeded", id="at the rate"),
        pytest.param({"starts_maximum": 0}, "rate_exceeded", id="rate 0"),
        pytest.param({"group_concurrency_maximum": 2}, "", id="one run under the group's bound"),
        pytest.param({"group_concurrency_maximum": 1}, "group_busy", id="at the group's bound"),
        pytest.param({"group_concurrency_maximum": 1, "groups": ("db",)}, "", id="another group"),
        pytest.param({"groups": ()}, "no_group", id="no group at all"),
        pytest.param({"attempts_maximum": 0}, "attempts_exhausted", id="no attempt allowed"),
        pytest.param({"starts_window_seconds": 604_801.0}, "window_too_long", id="a window longer than memory"),
    ],
)
def test_a_claim_is_held_to_the_limits_it_carries(changes: dict[str, object], reason: str) -> None:
    """While another host of the group is being repaired, the claim's own limits say whether this one may be."""
    log = Log()
    log.start(log.open("web-2"), "a0", "c0", FREE)
    incident = log.open()
    log.append(decided(incident))
    limits = msgspec.structs.replace(FREE, **changes)
    assert Ruling(valid=reason == "", reason=reason) == log.append(claimed(incident, limits=limits))


def test_a_claim_for_a_host_that_recovered_meanwhile_is_ignored() -> None:
    """Between decision and claim the signal cleared: there is nothing to repair any more."""
    log, incident, _ = told("decide")
    log.append(updated(incident, "s2", SignalState.CLEARED, raised_id="web-1-1"))
    assert Ruling(valid=False, reason="recovered") == log.append(claimed(incident))


def test_a_run_that_is_not_judged_yet_blocks_the_next_claim() -> None:
    """Whether a further attempt is wanted is known only when the last one was judged."""
    log, incident, _ = told("decide", "claim", "start", "finish")
    log.append(decided(incident, "a2", 2))
    assert Ruling(valid=False, reason="verification_pending") == log.append(claimed(incident, "a2", limits=FREE))


def test_the_first_identity_that_is_written_is_the_logs() -> None:
    """A log of an earlier version gets one when a newer engine starts; of two that make one the first counts."""
    log = Log()
    for identity, known in (("", ""), ("0a0a0a0a", "0a0a0a0a"), ("0b0b0b0b", "0a0a0a0a"), ("", "0a0a0a0a")):
        log.append(
            EngineStarted(engine="e", version="1", policy_digest="", playbook_digests={}, log_id=identity),
        )
        assert log.ledger.state.log_id == known
