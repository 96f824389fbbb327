"""What the stream must show for a run to count, and when an engine counts as gone: pure tables."""

import msgspec
import pytest

from detectors.signals import Evidence, HostState, HostStatus, Signal, SignalKind, SignalState
from remediations.incidents import Action, ActionStatus, Claim, Incident, RaisedSignal
from remediations.policies import TargetKind, Verification
from remediations.records import ClaimLimits, VerificationOutcome
from remediations.runs import RunStatus
from stream.engine.recovery import RUN_GRACE_SECONDS, is_abandoned
from stream.engine.runs import CLAIM_SECONDS
from stream.engine.verification import Judgement, judge

END = 1000.0
SETTLED = END + 5
DEADLINE = END + 60

ACTION = Action(
    action_id="a",
    incident_id="i",
    host="h1",
    rule="r",
    playbook="p",
    playbook_digest="",
    inputs={},
    attempt=1,
    decided_time=END - 20,
    status=ActionStatus.FINISHED,
    started_time=END - 10,
    ended_time=END,
    timeout_seconds=30.0,
    verification=Verification(settle_seconds=5, deadline_seconds=60),
    run_status=RunStatus.SUCCESSFUL,
)
SIGNAL = Signal("s", SignalKind.ANOMALY, SignalState.RAISED, "h1", END - 30, 7.0, 3.0, Evidence())
RAISED = Incident("i", "h1", 1, SIGNAL, END - 30, 0, {"s": RaisedSignal("s", SignalKind.ANOMALY, END - 30, 7.0)})

SUCCESS, INEFFECTIVE = VerificationOutcome.SUCCESS, VerificationOutcome.INEFFECTIVE
FAILED, UNKNOWN = VerificationOutcome.FAILED, VerificationOutcome.UNKNOWN


def cleared_at(time: float) -> Incident:
    """The incident with all signals cleared."""
    return msgspec.structs.replace(RAISED, raised={}, cleared_time=time)


def seen(state: HostState, sample_time: float) -> HostStatus:
    """A roster entry."""
    return HostStatus("h1", state, sample_time, sample_time, 1.0, 1000, 5, 0)


@pytest.mark.parametrize(
    ("incident", "status", "now", "expected"),
    [
        pytest.param(cleared_at(SETTLED + 1), None, SETTLED + 2, (SUCCESS, SETTLED + 1), id="cleared after settling"),
        pytest.param(cleared_at(SETTLED), None, SETTLED + 2, None, id="cleared exactly at settling: not newer"),
        pytest.param(cleared_at(END - 1), None, END + 1, None, id="cleared before the end: wait for newer data"),
        pytest.param(
            cleared_at(END - 1),
            seen(HostState.NORMAL, SETTLED + 3),
            SETTLED + 4,
            (SUCCESS, SETTLED + 3),
            id="cleared early, still normal later",
        ),
        pytest.param(cleared_at(END - 1), None, DEADLINE, (UNKNOWN, 0.0), id="cleared early, nothing since"),
        pytest.param(
            cleared_at(END - 1),
            seen(HostState.YOUNG, SETTLED + 3),
            DEADLINE,
            (UNKNOWN, 0.0),
            id="a young model shows nothing",
        ),
        pytest.param(RAISED, seen(HostState.ANOMALOUS, SETTLED + 1), DEADLINE - 1, None, id="still time"),
        pytest.param(
            RAISED, seen(HostState.ANOMALOUS, SETTLED + 1), DEADLINE, (INEFFECTIVE, SETTLED + 1), id="still anomalous"
        ),
        pytest.param(
            RAISED, seen(HostState.NORMAL, SETTLED + 1), DEADLINE, (INEFFECTIVE, SETTLED + 1), id="signal still raised"
        ),
        pytest.param(RAISED, seen(HostState.ANOMALOUS, END), DEADLINE, (UNKNOWN, 0.0), id="no data after the run"),
        pytest.param(RAISED, seen(HostState.SILENT, SETTLED + 1), DEADLINE, (UNKNOWN, 0.0), id="silent"),
        pytest.param(RAISED, None, DEADLINE, (UNKNOWN, 0.0), id="not in the roster"),
    ],
)
def test_a_successful_run_is_judged_by_newer_data(
    incident: Incident, status: HostStatus | None, now: float, expected: tuple[VerificationOutcome, float] | None
) -> None:
    """Clear on newer data: success. Raised on newer data at the deadline: ineffective. No newer data: unknown."""
    judgement = judge(ACTION, incident, status, now)
    assert expected == (None if judgement is None else (judgement.outcome, judgement.observed_time))


def resting_on(*kinds: SignalKind) -> Incident:
    """The incident with one raised signal of each kind."""
    raised = {kind.value: RaisedSignal(kind.value, kind, END - 30, 7.0) for kind in kinds}
    return msgspec.structs.replace(RAISED, raised=raised)


def moved(state: HostState) -> HostStatus:
    """A roster entry of a host with a level that has moved."""
    return msgspec.structs.replace(seen(state, SETTLED + 3), moved=("disk.used",))


ANOMALY, SILENCE, DRIFT = SignalKind.ANOMALY, SignalKind.SILENCE, SignalKind.DRIFT
NORMAL, YOUNG, SILENT, ANOMALOUS = (
    seen(state, SETTLED + 3) for state in (HostState.NORMAL, HostState.YOUNG, HostState.SILENT, HostState.ANOMALOUS)
)
CLEARED, CLEARED_EARLY = cleared_at(SETTLED + 1), cleared_at(END - 1)

type Wanted = tuple[TargetKind, ...]
WANTED: dict[str, tuple[Wanted, Incident, HostStatus | None, VerificationOutcome]] = {
    "another kind is raised still": (("silence",), resting_on(ANOMALY), ANOMALOUS, SUCCESS),
    "nothing asked for: every kind counts": ((), resting_on(ANOMALY), ANOMALOUS, INEFFECTIVE),
    "a kind asked for is raised still": (("silence",), resting_on(SILENCE), NORMAL, INEFFECTIVE),
    "one of two is raised still": (("anomaly", "silence"), resting_on(SILENCE), NORMAL, INEFFECTIVE),
    "a young model tells of silence": (("silence",), resting_on(ANOMALY), YOUNG, SUCCESS),
    "a young model tells of nothing else": (("anomaly", "silence"), CLEARED_EARLY, YOUNG, UNKNOWN),
    "a silent host shows no end of an anomaly": (("anomaly",), resting_on(SILENCE), SILENT, UNKNOWN),
    "a host that fell silent since": (("silence",), CLEARED_EARLY, SILENT, UNKNOWN),
    "the log tells that both cleared": (("anomaly", "silence"), CLEARED, None, SUCCESS),
    "anomalous anew": (("anomaly",), CLEARED, ANOMALOUS, INEFFECTIVE),
    "anomalous anew, asked for silence": (("silence",), CLEARED, ANOMALOUS, SUCCESS),
    "a drift beside trouble is not in the log": (("drift",), CLEARED, None, UNKNOWN),
    "a level that has moved": (("drift",), CLEARED, moved(HostState.NORMAL), INEFFECTIVE),
    "no level that has moved": (("drift",), CLEARED, ANOMALOUS, SUCCESS),
    "a level that has moved, asked for an anomaly": (("anomaly",), CLEARED, moved(HostState.NORMAL), SUCCESS),
    "a drift is raised still": (("drift",), resting_on(DRIFT), NORMAL, INEFFECTIVE),
}


@pytest.mark.parametrize(("signals", "incident", "status", "expected"), WANTED.values(), ids=WANTED.keys())
def test_the_kinds_that_are_asked_for_decide(
    signals: Wanted, incident: Incident, status: HostStatus | None, expected: VerificationOutcome
) -> None:
    """At the deadline a run is judged by the kinds that its start wrote down, whatever else is raised on the host."""
    wanted = Verification(settle_seconds=5, deadline_seconds=60, signals=signals)
    judgement = judge(msgspec.structs.replace(ACTION, verification=wanted), incident, status, DEADLINE)
    assert expected == (None if judgement is None else judgement.outcome)


@pytest.mark.parametrize(
    ("run_status", "outcome", "reason"),
    [
        pytest.param(RunStatus.FAILED, FAILED, "run_failed", id="failed"),
        pytest.param(RunStatus.REFUSED, FAILED, "run_refused", id="refused"),
        pytest.param(RunStatus.UNKNOWN, UNKNOWN, "run_unknown", id="unknown"),
        pytest.param(None, UNKNOWN, "run_unknown", id="none"),
    ],
)
def test_a_run_without_success_is_judged_at_once(
    run_status: RunStatus | None, outcome: VerificationOutcome, reason: str
) -> None:
    """A run that did not succeed is never turned into a success by a host that recovered."""
    action = msgspec.structs.replace(ACTION, run_status=run_status)
    assert Judgement(outcome, reason) == judge(action, cleared_at(SETTLED + 1), None, SETTLED + 2)


def held(status: ActionStatus, engine: str) -> Action:
    """An unfinished action, claimed at END - 15 and started at END - 10."""
    limits = ClaimLimits(0, 1, (), 1, 1, 60)
    return msgspec.structs.replace(ACTION, status=status, claim=Claim("c", engine, 3, END - 15, limits))


LEASE_END = END - 15 + 2 * CLAIM_SECONDS
RUN_END = END - 10 + 30 + RUN_GRACE_SECONDS


@pytest.mark.parametrize(
    ("status", "engine", "now", "expected"),
    [
        pytest.param(ActionStatus.CLAIMED, "me", END, True, id="mine of an earlier life, claimed"),
        pytest.param(ActionStatus.STARTED, "me", END, True, id="mine of an earlier life, started"),
        pytest.param(ActionStatus.CLAIMED, "other", LEASE_END, False, id="claimed elsewhere, lease not over"),
        pytest.param(ActionStatus.CLAIMED, "other", LEASE_END + 0.1, True, id="claimed elsewhere, lease over"),
        pytest.param(ActionStatus.STARTED, "other", RUN_END, False, id="started elsewhere, time not over"),
        pytest.param(ActionStatus.STARTED, "other", RUN_END + 0.1, True, id="started elsewhere, time over"),
        pytest.param(ActionStatus.UNKNOWN, "other", RUN_END, False, id="unknown elsewhere, its engine looks itself"),
        pytest.param(ActionStatus.UNKNOWN, "other", RUN_END + 0.1, True, id="unknown elsewhere, time over"),
    ],
)
def test_when_an_engine_counts_as_gone(status: ActionStatus, engine: str, now: float, expected: bool) -> None:  # noqa: FBT001 - a table's column
    """Of my own earlier life at once; of another engine only when its time is over, by the broker's clock."""
    assert expected == is_abandoned(held(status, engine), "me", now)
