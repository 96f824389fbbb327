"""What operators do to models: forget, go back, maintenance; each exactly once, and the same in every replay."""

import itertools
import math
from collections.abc import Callable

import msgspec
import pytest

from detectors.commands import (
    Command,
    MaintenanceEnd,
    Order,
    Refusal,
)
from detectors.host import HostRow
from detectors.samples import Source
from detectors.saves import DAY_SECONDS, SAVES_KEPT
from detectors.signals import HostState, SignalState
from detectors.upkeep import MAINTENANCE_MAXIMUM_SECONDS
from tests.detectors.desks import DAY_ROWS, HOST, SECONDS, Desk, maintenance, reset, rollback, rows, settled
from tests.detectors.streams import START, Service, fleet


def test_a_reset_host_is_young_and_grows_up_again() -> None:
    """Nothing that was learned is left, what is kept stays: the place in the stream, and the saved states."""
    desk, service, next_row = settled()
    before = desk.row()
    signals, (answer,) = desk.give(reset())
    assert (signals, answer.done, desk.state()) == ([], True, HostState.YOUNG)
    after = desk.row()
    assert (after.samples, after.series, after.upkeep.saves) == (0, [], before.upkeep.saves)
    assert (after.time, after.applied) == (before.time, len(desk.log) - 1)
    desk.feed(rows(service, range(next_row, next_row + 100)))
    assert desk.state() is HostState.NORMAL


def test_a_reset_withdraws_the_alarm_that_rests_on_what_is_forgotten() -> None:
    """Or its incident would stay open for ever."""
    desk, service, next_row = settled(1.0)
    (raised,) = desk.feed(rows(service, range(next_row, next_row + 3), fault=True))
    (cleared,), (answer,) = desk.give(reset())
    assert (cleared.state, cleared.raised_id, cleared.time) == (SignalState.CLEARED, raised.id, desk.time())
    assert f"alarm {raised.id} is withdrawn" in answer.words


@pytest.mark.parametrize(
    "command", [reset(), rollback(), maintenance(START, START + 9e5)], ids=lambda one: type(one).__name__
)
def test_a_command_that_comes_again_does_nothing(command: Command) -> None:
    """Neither the same order again, nor the same command under a later offset of the samples topic."""
    desk, service, next_row = settled()
    desk.give(command, offset=7)
    desk.feed(rows(service, range(next_row, next_row + 30)))
    before = desk.shard.row_state(0)
    order = Order(HOST, Source("commands", 0, 7), command)
    assert desk.shard.obey(3 * DAY_ROWS, order, None) == ([], [])  # a replay of the samples topic
    assert desk.take(order) == ([], [])  # written twice by the relay
    assert desk.shard.row_state(0) == before


def test_a_rollback_restores_the_very_state() -> None:
    """What the judges know is what was saved, to the byte; the host goes on at its place in the stream."""
    desk, service, next_row = settled()
    state = desk.row().upkeep.saves[-1]
    saved = msgspec.msgpack.decode(desk.saved[state].row, type=HostRow)
    desk.feed(rows(service, range(next_row, next_row + 40), fault=True))
    before = desk.row()
    _, (answer,) = desk.give(rollback())
    after = desk.row()
    assert answer.done
    assert (after.panel, after.alarm, after.opinion) == (saved.panel, saved.alarm, saved.opinion)
    assert after.templates.miner == saved.templates.miner
    assert (after.samples, after.upkeep.saves) == (saved.samples, before.upkeep.saves)
    assert (after.time, after.applied) == (before.time, len(desk.log) - 1)


def test_a_rollback_takes_back_what_was_wrongly_learned() -> None:
    """A fault of two days became the normal: it raises no more. After the rollback it raises at once."""
    desk, service, next_row = settled()
    healthy_time = desk.time()
    desk.feed(rows(service, range(next_row, next_row + 2 * DAY_ROWS), fault=True))
    next_row += 2 * DAY_ROWS
    assert desk.state() is HostState.NORMAL
    assert desk.feed(rows(service, range(next_row, next_row + 5), fault=True)) == []
    desk.give(rollback(healthy_time))
    (raised,) = desk.feed(rows(service, range(next_row + 5, next_row + 10), fault=True))
    assert raised.state is SignalState.RAISED
    ends = desk.feed(rows(service, range(next_row + 10, next_row + 40)))
    assert (ends[0].state, ends[0].raised_id) == (SignalState.CLEARED, raised.id)


@pytest.mark.parametrize("seed", [5, 6, 7])
def test_a_rollback_alone_raises_nothing(seed: int) -> None:
    """Days between what was learned and what comes are no trouble of the host: not its counters, pace, log windows."""
    desk = Desk()
    slow = [
        msgspec.structs.replace(sample, time=START + (sample.time - START) * SECONDS / 0.5)
        for sample in fleet(seed, int(2.3 * DAY_ROWS), hosts=1)
    ]
    later = next(place for place, sample in enumerate(slow) if sample.time >= START + 2.1 * DAY_SECONDS)
    desk.feed(slow[:later])
    desk.give(rollback(desk.row().upkeep.saves[0].time))
    assert desk.feed(slow[later:]) == []


def test_a_rollback_can_be_undone_by_another() -> None:
    """Saved states stay where they are: who went too far back goes forward again."""
    desk, _, _ = settled()
    oldest, newest = desk.row().upkeep.saves[0], desk.row().upkeep.saves[-1]
    desk.give(rollback(oldest.time))
    desk.give(rollback())
    saved = msgspec.msgpack.decode(desk.saved[newest].row, type=HostRow)
    assert desk.row().panel == saved.panel


def test_a_reset_can_be_taken_back() -> None:
    """It is not the end of what was learned over weeks."""
    desk, _, _ = settled()
    saved = msgspec.msgpack.decode(desk.saved[desk.row().upkeep.saves[-1]].row, type=HostRow)
    desk.give(reset())
    desk.give(rollback())
    assert (desk.row().panel, desk.state()) == (saved.panel, HostState.NORMAL)


def lose(desk: Desk) -> None:
    """The models topic has lost the newest state."""
    desk.lost = set(desk.saved)


def damage(desk: Desk) -> None:
    """The newest state is cut."""
    state = desk.row().upkeep.saves[-1]
    desk.saved[state] = msgspec.structs.replace(desk.saved[state], row=desk.saved[state].row[:-10])


def age(desk: Desk) -> None:
    """The newest state is of a version that was before."""
    state = desk.row().upkeep.saves[-1]
    row = msgspec.msgpack.decode(desk.saved[state].row, type=HostRow)
    older = msgspec.msgpack.encode(msgspec.structs.replace(row, version=1))
    desk.saved[state] = msgspec.structs.replace(desk.saved[state], row=older)


def nothing(desk: Desk) -> None:
    """All is as it was."""


REFUSED: dict[str, tuple[Command, Callable[[Desk], None], Refusal, str]] = {
    "a host that nobody knows": (rollback(host="web-9"), nothing, Refusal.UNKNOWN_HOST, "model.rollback of web-9"),
    "a time before all states": (
        rollback(START),
        nothing,
        Refusal.NO_SAVED_STATE,
        "2023-11-14T22:13:20.000Z or before",
    ),
    "a state that is gone": (rollback(), lose, Refusal.SAVED_STATE_GONE, "no longer in the models topic"),
    "a state that is damaged": (rollback(), damage, Refusal.SAVED_STATE_UNUSABLE, "can not be used"),
    "a state of another version": (rollback(), age, Refusal.SAVED_STATE_UNUSABLE, "has version 1, wanted"),
    "maintenance that ends before it begins": (
        maintenance(START, START),
        nothing,
        Refusal.ENDS_IN_THE_PAST,
        "wanted an end after 2023-11-14T22:13:20.000Z",
    ),
    "maintenance that is too long": (
        maintenance(START, START + MAINTENANCE_MAXIMUM_SECONDS + 1.0),
        nothing,
        Refusal.TOO_LONG,
        "2.592e+06 s, wanted at most",
    ),
    "the end of no maintenance": (
        MaintenanceEnd(id="e", host=HOST, time=START, by="ann"),
        nothing,
        Refusal.NOT_IN_MAINTENANCE,
        "not in maintenance at 2023",
    ),
}


@pytest.mark.parametrize(("command", "happens", "refusal", "words"), REFUSED.values(), ids=REFUSED)
def test_what_can_not_be_done_is_refused_by_name(
    command: Command, happens: Callable[[Desk], None], refusal: Refusal, words: str
) -> None:
    """The answer names host, value and what was wanted; the model is as it was."""
    desk, _, _ = settled()
    happens(desk)
    before = desk.row()
    signals, (answer,) = desk.give(command)
    assert (signals, answer.done, answer.refusal) == ([], False, refusal)
    assert words in answer.words
    after = desk.row()
    assert msgspec.structs.replace(after, applied=before.applied, sources=before.sources) == before


def test_a_young_host_has_nothing_to_go_back_to() -> None:
    """The answer says when there will be something."""
    desk = Desk()
    desk.feed(rows(Service(3), range(10)))
    _, (answer,) = desk.give(rollback())
    assert (answer.refusal, "one is saved each day" in answer.words) == (Refusal.NO_SAVED_STATE, True)


def cleared_row(desk: Desk, service: Service, first: int, count: int) -> int:
    """Feed a fault without end; the number of the row at which it is taken for normal."""
    for number in range(first, first + count):
        if any(signal.state is SignalState.CLEARED for signal in desk.feed(rows(service, [number], fault=True))):
            return number
    raise AssertionError(f"still an alarm after {count} rows")


def test_nothing_is_learned_in_maintenance_however_long_it_takes() -> None:
    """A fault becomes the normal an hour after it began; in maintenance not before an hour after the end of that."""
    desk, service, next_row = settled(1.0)
    usual = cleared_row(desk, service, next_row, 200) - next_row
    desk, service, next_row = settled(1.0)
    until_row = next_row + usual + 100
    _, (answer,) = desk.give(maintenance(desk.time(), START + until_row * SECONDS))
    assert answer.done
    assert cleared_row(desk, service, next_row, 400) >= until_row + 3600.0 / SECONDS


def test_nobody_grows_up_in_maintenance() -> None:
    """A host that is reset before it is built anew is young until it has been seen at its usual work."""
    desk, service, next_row = settled(1.0)
    desk.give(maintenance(desk.time(), desk.time() + 100 * SECONDS))
    desk.give(reset())
    desk.feed(rows(service, range(next_row, next_row + 150)))
    assert desk.state() is HostState.YOUNG
    desk.feed(rows(service, range(next_row + 150, next_row + 165)))
    assert desk.state() is HostState.NORMAL


def test_alarms_are_raised_in_maintenance_all_the_same() -> None:
    """What is seen is told; the roster says that somebody works on the host, so that nobody else acts."""
    desk, service, next_row = settled(1.0)
    until = desk.time() + DAY_SECONDS
    desk.give(maintenance(desk.time(), until))
    signals = desk.feed(rows(service, range(next_row, next_row + 5), fault=True))
    assert [signal.state for signal in signals] == [SignalState.RAISED]
    assert desk.shard.roster(0.0)[0].maintenance_until == until


def test_maintenance_can_be_ended_before_its_time() -> None:
    """Learning goes on with the next row."""
    desk, service, next_row = settled(1.0)
    desk.give(maintenance(desk.time(), desk.time() + DAY_SECONDS))
    desk.feed(rows(service, range(next_row, next_row + 5)))
    _, (answer,) = desk.give(MaintenanceEnd(id="e", host=HOST, time=desk.time(), by="ann"))
    assert answer.done
    assert desk.row().frozen_since == desk.time()
    desk.feed(rows(service, range(next_row + 5, next_row + 7)))
    assert desk.row().frozen_since is None


def test_a_state_is_saved_each_day_and_the_latest_are_listed() -> None:
    """Of ten days seven are left, each a day after the one before."""
    desk, _, _ = settled(10.0)
    saves = desk.row().upkeep.saves
    assert (len(desk.saved), len(saves)) == (10, SAVES_KEPT)
    assert {later.time - earlier.time for earlier, later in itertools.pairwise(saves)} == {DAY_SECONDS}
    assert list(desk.shard.roster(0.0)[0].saves) == saves


def freeze(desk: Desk) -> None:
    """An incident is open."""
    desk.shard.pause(HOST)


def maintain(desk: Desk) -> None:
    """Somebody works on the host."""
    desk.give(maintenance(desk.time(), desk.time() + DAY_SECONDS))


@pytest.mark.parametrize(
    ("happens", "fault"),
    [(freeze, False), (maintain, False), (nothing, True)],
    ids=["incident", "maintenance", "alarm"],
)
def test_no_state_is_saved_while_something_is_wrong(happens: Callable[[Desk], None], fault: bool) -> None:  # noqa: FBT001 - a case of the table
    """What would be restored later must be worth it; it is saved when all is well again."""
    desk, service, next_row = settled(1.0)
    due_row = math.ceil((desk.row().upkeep.due - START) / SECONDS)
    desk.feed(rows(service, range(next_row, due_row - 4)))
    happens(desk)
    saved = len(desk.saved)
    desk.feed(rows(service, range(due_row - 4, due_row + 10), fault=fault))
    assert len(desk.saved) == saved
    desk.shard.resume(HOST)
    desk.give(MaintenanceEnd(id="e", host=HOST, time=desk.time(), by="ann"))
    desk.feed(rows(service, range(due_row + 10, due_row + 40)))
    assert len(desk.saved) == saved + 1


def test_a_replay_from_any_saved_page_leads_to_the_same() -> None:
    """Samples, commands and saved states: the same rows to the byte, the same signals, the same answers."""
    first, service, next_row = settled()
    pages = {len(first.log): (first.shard.row_state(0), len(first.told))}
    for command, fault in ((rollback(), True), (maintenance(START, START + 1e6), False), (reset(), False)):
        first.give(command)
        first.feed(rows(service, range(next_row, next_row + 150), fault=fault))
        next_row += 150
        pages[len(first.log)] = first.shard.row_state(0), len(first.told)
    for at, (page, told) in pages.items():
        second = Desk()
        second.saved = dict(first.saved)
        second.shard.load_row(page)
        for record in first.log[: at // 2]:  # an older part of the topic, which the page holds already
            assert second.take(record) == ([], []) if isinstance(record, Order) else second.feed([record]) == []
        second.log = first.log[:at]
        for record in first.log[at:]:
            second.take(record) if isinstance(record, Order) else second.feed([record])
        assert second.told == first.told[told:]
        assert second.shard.row_state(0) == first.shard.row_state(0)


def test_what_is_kept_for_this_costs_a_host_little() -> None:
    """The list of saved states is part of every page: a quarter of a kibibyte at most."""
    desk, _, _ = settled(10.0)
    row = desk.row()
    bare = msgspec.structs.replace(row, upkeep=msgspec.structs.replace(row.upkeep, saves=[]))
    encode = msgspec.msgpack.encode
    assert len(encode(row)) - len(encode(bare)) <= 256
