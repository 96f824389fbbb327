"""Trouble that comes back after each repair: runs are counted by host, over incidents, and cooldowns grow."""

import msgspec
import pytest

from remediations.gates import grown_cooldown
from remediations.records import ClaimLimits
from tests.remediations.steps import FREE, not_executed
from tests.remediations.stories import HOST, LIMITS, Log, claimed, closed, decided, revoked, started, unknown

THREE = msgspec.structs.replace(FREE, host_attempts_maximum=3, host_attempts_window_seconds=3600.0)
GROWING = msgspec.structs.replace(LIMITS, cooldown_seconds=120.0, cooldown_maximum_seconds=600.0)


def repaired(log: Log, times: int) -> None:
    """The host is repaired so often, each time in an incident of its own that ends well."""
    for number in range(times):
        incident = log.open(name=f"before-{number}")
        log.run(incident, f"before-{number}", f"claim-{number}", THREE)
        log.append(closed(incident, "verified"))


def test_runs_that_helped_count_for_the_next_incident() -> None:
    """The claim after the last that is allowed is invalid, although each run helped and each incident is over."""
    log = Log()
    repaired(log, 3)
    incident = log.open(name="again")
    log.append(decided(incident, "again"))
    assert log.append(claimed(incident, "again", limits=THREE)).reason == "host_attempts_exhausted"


def test_another_host_has_its_own_count() -> None:
    """What was done to one host is not held against another."""
    log = Log()
    repaired(log, 3)
    log.run(log.open("web-2"), "other", limits=THREE)
    assert len(log.ledger.state.hosts["web-2"].starts) == 1


def test_runs_leave_the_window_with_time() -> None:
    """Once the window has passed over a run it counts no longer."""
    log = Log()
    repaired(log, 3)
    incident = log.open(name="again")
    log.append(decided(incident, "again"))
    assert log.append(claimed(incident, "again", limits=THREE), time=log.time + 3600).valid


def test_what_had_no_effect_is_no_attempt() -> None:
    """Neither a claim that was taken back nor a run that the target denies having seen counts."""
    log = Log()
    incident = log.open()
    log.append(decided(incident, "a1"))
    log.append(claimed(incident, "a1", limits=THREE))
    log.append(revoked(incident, "a1"))
    log.append(claimed(incident, "a1", limits=THREE))
    log.append(started(incident, "a1", token=log.ledger.state.offset))
    assert len(log.ledger.state.hosts[HOST].starts) == 1
    log.append(unknown(incident, "a1"))
    assert log.append(not_executed(incident, "a1")).valid
    assert log.ledger.state.hosts[HOST].starts == ()


def test_starts_beyond_the_longest_window_are_forgotten() -> None:
    """A host that is repaired once a month for years costs no memory."""
    log = Log()
    repaired(log, 2)
    log.time += 604_801
    repaired_later = log.open(name="later")
    log.run(repaired_later, "later", limits=THREE)
    assert len(log.ledger.state.hosts[HOST].starts) == 1


@pytest.mark.parametrize(
    ("limits", "runs", "seconds"),
    [
        pytest.param(GROWING, 0, 120, id="no run yet"),
        pytest.param(GROWING, 1, 120, id="the first run"),
        pytest.param(GROWING, 2, 240, id="doubled"),
        pytest.param(GROWING, 3, 480, id="doubled twice"),
        pytest.param(GROWING, 4, 600, id="at the cap"),
        pytest.param(GROWING, 5000, 600, id="far beyond the cap"),
        pytest.param(msgspec.structs.replace(GROWING, cooldown_seconds=900.0), 4, 900, id="longer than the cap"),
        pytest.param(msgspec.structs.replace(GROWING, cooldown_seconds=0.0), 4, 0, id="none stays none"),
        pytest.param(msgspec.structs.replace(GROWING, cooldown_maximum_seconds=0.0), 4, 120, id="never grows"),
    ],
)
def test_the_cooldown_doubles_up_to_its_cap(limits: ClaimLimits, runs: int, seconds: float) -> None:
    """It is the rule's · 2^(runs - 1), at most the cap, never less than the rule says."""
    assert grown_cooldown(limits, runs) == seconds
