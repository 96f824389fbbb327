"""The ledger under any interleaving of two engines: what is accepted never breaks a limit, judged by a separate count.

The count below knows nothing of the ledger but which records it accepted; it adds them up the slow and obvious way.
"""

from collections import Counter
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.signals import SignalState
from remediations.identities import incident_id
from remediations.ledger import Ledger
from remediations.records import (
    ClaimLimits,
    Entry,
    HumanNeeded,
    IncidentClosed,
    IncidentOpened,
    IncidentUpdated,
    Record,
    RunClaimed,
    RunFinished,
    RunNotExecuted,
    RunRevoked,
    RunStarted,
    RunUnknown,
    RunVerified,
    VerificationOutcome,
)
from tests.remediations.stories import (
    Log,
    claimed,
    closed,
    decided,
    finished,
    opened,
    revoked,
    signal,
    started,
    unknown,
    updated,
)

HOSTS = ("web-1", "web-2", "db-1")
GROUPS = {"web-1": ("web", "fleet"), "web-2": ("web", "fleet"), "db-1": ("fleet",)}

# Each set is tight in one or two ways, so that this is what stories run into.
BOUNDS = {
    "all": ClaimLimits(10.0, 2, (), 2, 2, 60.0),
    "cooldown": ClaimLimits(30.0, 9, (), 9, 99, 60.0),
    "attempts": ClaimLimits(0.0, 1, (), 9, 99, 60.0),
    "group": ClaimLimits(0.0, 9, (), 1, 99, 60.0),
    "rate": ClaimLimits(0.0, 9, (), 9, 2, 300.0),
    "loose": ClaimLimits(0.0, 99, (), 9, 99, 60.0),
}

type Move = tuple[str, str, int, str, float]

# What engines do at a stretch; between any two records of one stretch the other engine may do its own.
STRETCHES: dict[str, tuple[str, ...]] = {
    "try": ("open", "decide", "claim"),
    "begin": ("start",),
    "end": ("finish", "verify"),
    "run": ("open", "decide", "claim", "start", "finish", "verify"),
    "lose": ("unknown", "not_executed"),
    "give up": ("unknown", "human"),
    "recover": ("revoke", "claim"),
    "over": ("clear", "close"),
    "noise": ("alien", "forged_start", "finish", "revoke"),
}

STRETCH = st.tuples(
    st.sampled_from(sorted(STRETCHES)),
    st.sampled_from(HOSTS),
    st.integers(1, 4),
    st.sampled_from(["engine-1", "engine-2", "owner", "owner"]),
    st.sampled_from([0.0, 1.0, 1.0, 5.0, 20.0, -3.0]),
)


@st.composite
def interleavings(draw: st.DrawFn, most: int = 25) -> list[Move]:
    """Stretches of two engines, cut at any record and shuffled into each other."""
    sides: tuple[list[Move], list[Move]] = ([], [])
    for kind, host, which, engine, wait in draw(st.lists(STRETCH, min_size=4, max_size=most)):
        side = sides[draw(st.integers(0, 1))]
        side.extend((step, host, which, engine, wait) for step in STRETCHES[kind])
    mixed: list[Move] = []
    while sides[0] and sides[1]:
        side = sides[draw(st.integers(0, 1))]
        taken = draw(st.integers(1, 6))
        mixed.extend(side[:taken])
        del side[:taken]
    return [*mixed, *sides[0], *sides[1]]


def record_of(log: Log, move: Move, number: int, bounds: ClaimLimits) -> Record | None:
    """What an engine might write next, right or wrong: it knows names, not what is allowed."""
    kind, host, which, engine, _ = move
    incident = log.ledger.incident_of(host)
    if incident is None:
        return opened(host, log.ledger.next_episode(host), signal(f"s{number}", host), number)
    action, claim, token = f"{incident.incident_id[:6]}-{which}", f"{engine}-{which}", -1
    known = log.ledger.state.actions.get(action)
    if known is not None and known.claim is not None:
        token = known.claim.token
        claim = known.claim.claim if engine == "owner" else claim
    names = {"incident_id": incident.incident_id, "host": host, "action_id": action}
    records: dict[str, Record | None] = {
        "open": updated(incident, f"s{number}", SignalState.RAISED, offset=number),
        "clear": updated(
            incident, f"s{number}", SignalState.CLEARED, raised_id=next(iter(incident.raised), ""), offset=number
        ),
        "decide": decided(incident, action, which),
        "claim": claimed(incident, action, claim, msgspec.structs.replace(bounds, groups=GROUPS[host]), engine),
        "revoke": revoked(incident, action, claim),
        "start": started(incident, action, claim, token),
        "forged_start": started(incident, action, claim, number),
        "finish": finished(incident, action, claim),
        "unknown": unknown(incident, action, claim),
        "not_executed": RunNotExecuted(claim=claim, **names),
        "verify": RunVerified(outcome=VerificationOutcome.INEFFECTIVE, reason="", observed_time=0, score=0, **names),
        "human": HumanNeeded(reason="partial", **names),
        "close": closed(incident),
        "alien": None,
    }
    return records[kind]


class Count:
    """Adds up accepted records and checks the limits after each."""

    def __init__(self, bounds: ClaimLimits) -> None:
        self.bounds = bounds
        self.time = 0.0
        self.busy: dict[str, str] = {}
        self.hosts: dict[str, str] = {}
        self.starts: list[float] = []
        self.started: Counter[str] = Counter()
        self.executed: Counter[str] = Counter()
        self.ends: dict[str, float] = {}
        self.lost: set[str] = set()
        self.stuck: set[str] = set()
        self.unjudged: set[str] = set()
        self.raised: dict[str, set[str]] = {}

    def take(self, entry: Entry) -> None:
        """Add one accepted record."""
        record = entry.record
        match record:
            case RunClaimed():
                assert record.action_id not in self.busy, "an action has two winners"
                assert record.host not in self.hosts.values(), "a host is locked twice"
                assert self.time - self.ends.get(record.host, -1e12) >= self.bounds.cooldown_seconds, (
                    "a cooldown was cut short"
                )
                assert self.executed[record.incident_id] < self.bounds.attempts_maximum, "an attempt too many"
                assert record.host not in self.stuck, "a host that waits for a human was claimed"
                assert record.incident_id not in self.unjudged, "a run began before the last one was judged"
                assert self.raised[record.incident_id], "a host that recovered was claimed"
                self.busy[record.action_id] = record.claim
                self.hosts[record.action_id] = record.host
            case RunStarted():
                assert self.busy[record.action_id] == record.claim, "a claim was started by another"
                self.starts.append(self.time)
                self.started[record.action_id] += 1
                self.executed[record.incident_id] += 1
            case RunRevoked():
                self.free(record.action_id)
            case RunNotExecuted():
                self.free(record.action_id)
                self.executed[record.incident_id] -= 1
            case RunFinished():
                self.free(record.action_id)
                self.ends[record.host] = self.time
                self.unjudged.add(record.incident_id)
            case RunVerified():
                self.unjudged.discard(record.incident_id)
            case RunUnknown():
                assert self.busy[record.action_id] == record.claim, "a run was given up by another"
                self.lost.add(record.action_id)
            case HumanNeeded():
                self.stuck.add(record.host)
                if record.action_id in self.lost:
                    self.free(record.action_id)
                    self.ends[record.host] = self.time
            case _:
                self.follow(record)

    def follow(self, record: Record | None) -> None:
        """Add what signals and closings say."""
        match record:
            case IncidentOpened():
                self.raised[record.incident_id] = {record.signal.id}
            case IncidentUpdated(state=SignalState.RAISED):
                self.raised[record.incident_id].add(record.signal_id)
            case IncidentUpdated():
                self.raised[record.incident_id].discard(record.raised_id)
            case IncidentClosed():
                self.stuck.discard(record.host)
                self.raised[record.incident_id] = set()
            case _:
                pass

    def free(self, action: str) -> None:
        """The action holds nothing any more."""
        self.lost.discard(action)
        del self.busy[action]
        del self.hosts[action]

    def check(self) -> None:
        """Compare what was added up with the limits."""
        running = Counter(group for host in self.hosts.values() for group in GROUPS[host])
        assert all(count <= self.bounds.group_concurrency_maximum for count in running.values()), "a group is too busy"
        assert all(count <= 1 for count in self.started.values()), "an action was started twice"
        late = self.starts[self.bounds.starts_maximum :]
        assert all(
            end - begin >= self.bounds.starts_window_seconds for begin, end in zip(self.starts, late, strict=False)
        ), "too many starts"


def play(moves: list[Move], bounds: ClaimLimits = BOUNDS["all"]) -> tuple[Log, list[bool]]:
    """Write what the engines do, and tell which records were valid."""
    log, rulings = Log(), []
    for number, move in enumerate(moves):
        rulings.append(log.append(record_of(log, move, number, bounds), time=log.time + move[4]).valid)
    return log, rulings


@settings(max_examples=100, deadline=None)
@pytest.mark.parametrize("tight", BOUNDS)
@given(moves=interleavings())
def test_no_interleaving_breaks_a_limit(tight: str, moves: list[Move]) -> None:
    """At most one winner an action, one run a host, and no limit ever exceeded, whoever writes what and when."""
    log, rulings = play(moves, BOUNDS[tight])
    count = Count(BOUNDS[tight])
    for entry, valid in zip(log.entries, rulings, strict=True):
        count.time = max(count.time, entry.time)
        if valid:
            count.take(entry)
            count.check()


@settings(max_examples=100, deadline=None)
@given(interleavings(12))
def test_the_same_log_gives_the_same_state(moves: list[Move]) -> None:
    """Folding is deterministic, in one go or over a restart in the middle, with records read twice."""
    log, _ = play(moves)
    again = Ledger()
    for before, after in pairwise([*log.entries, log.entries[-1]]):
        again.apply(before)
        again.apply(after)
        again.apply(before)
    assert log.ledger.state == again.state


@settings(max_examples=100, deadline=None)
@given(interleavings(12))
def test_records_of_unknown_type_change_nothing(moves: list[Move]) -> None:
    """A log with a newer version's records between all others folds to the same incidents, actions and hosts."""
    log, _ = play([move for move in moves if move[0] != "alien"])
    mixed, shift = Ledger(), {}
    for entry in log.entries:
        mixed.apply(msgspec.structs.replace(entry, offset=2 * entry.offset, record=None))
        shift[entry.offset] = 2 * entry.offset + 1
        record = entry.record
        if isinstance(record, RunStarted):
            record = msgspec.structs.replace(record, token=shift.get(record.token, -2))
        mixed.apply(msgspec.structs.replace(entry, offset=shift[entry.offset], record=record))
    assert log.ledger.state.hosts == mixed.state.hosts
    assert {name: action.status for name, action in log.ledger.state.actions.items()} == {
        name: action.status for name, action in mixed.state.actions.items()
    }


@given(interleavings(12))
def test_state_survives_being_saved(moves: list[Move]) -> None:
    """The whole state is plain data: what is written down is what is read back."""
    log, _ = play(moves)
    saved = msgspec.json.encode(log.ledger.state)
    assert log.ledger.state == msgspec.json.decode(saved, type=type(log.ledger.state))


def test_the_moves_reach_every_state() -> None:
    """The random stories are no empty ones: such moves claim, revoke, start, lose and close."""
    story = ["open", "decide", "claim", "revoke", "claim", "start", "unknown", "not_executed", "close"]
    log, rulings = play([(kind, "web-1", 1, "engine-1", 1.0) for kind in story])
    assert [True] * len(story) == rulings
    assert incident_id("web-1", 1) in log.ledger.state.incidents
