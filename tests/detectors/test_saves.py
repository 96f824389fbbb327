"""When the state of a host is saved, which saved states are kept, and which of them is found."""

import itertools

import pytest

from detectors.saves import DAY_SECONDS, SAVES_KEPT, SLOTS, SavedState, Upkeep, next_due

START = 1_700_000_000.0


def state_of(day: int) -> SavedState:
    """A state that was saved so many days after the start."""
    return SavedState(START + day * DAY_SECONDS, 100 + day, 1000)


def test_the_first_day_of_a_host_has_no_saved_state() -> None:
    """A host is first saved when its next day begins: what it knows then is worth something."""
    upkeep = Upkeep()
    due = next_due("web-1", START)
    assert [upkeep.is_due("web-1", time) for time in (START, due - 0.001, due)] == [False, False, True]


def test_at_most_one_state_a_day_is_taken() -> None:
    """After one is taken, none is due before the host's next day, however often it is asked."""
    upkeep, taken = Upkeep(), []
    for minute in range(3 * 24 * 60):
        time = START + 60.0 * minute
        if upkeep.is_due("web-1", time):
            taken.append(time)
            upkeep.take("web-1", time)
    assert len(taken) == 3
    assert all(later - earlier >= DAY_SECONDS - 60.0 for earlier, later in itertools.pairwise(taken))


def test_days_of_hosts_begin_at_different_times() -> None:
    """A fleet is not saved at one moment: of 2,400 hosts no hour of the day has more than twice its share."""
    hours = [int((next_due(f"host-{number}", START) - START) // 3600) for number in range(2400)]
    assert max(hours.count(hour) for hour in range(24)) <= 200


def test_a_slot_is_not_used_again_while_its_state_is_listed() -> None:
    """So a saved state that a host still lists is never overwritten."""
    upkeep, slots = Upkeep(), []
    for day in range(30):
        slots.append(upkeep.take("web-1", START + day * DAY_SECONDS))
        upkeep.keep(state_of(day))
    listed = slots[-SAVES_KEPT:]
    following = upkeep.take("web-1", START + 30 * DAY_SECONDS)
    assert (len(set(listed)), following in listed, set(slots)) == (SAVES_KEPT, False, set(range(SLOTS)))


def test_only_the_latest_states_are_listed() -> None:
    """What a host remembers of its saved states is bounded."""
    upkeep = Upkeep()
    for day in range(30):
        upkeep.keep(state_of(day))
    assert upkeep.saves == [state_of(day) for day in range(30 - SAVES_KEPT, 30)]


@pytest.mark.parametrize(
    ("to_time", "day"),
    [
        pytest.param(None, 2, id="the newest"),
        pytest.param(START + 10 * DAY_SECONDS, 2, id="later than all"),
        pytest.param(START + DAY_SECONDS, 1, id="exactly the time of one"),
        pytest.param(START + DAY_SECONDS - 0.0005, 1, id="the time of one, rounded to milliseconds"),
        pytest.param(START + DAY_SECONDS - 1.0, 0, id="between two"),
        pytest.param(START - 1.0, None, id="before all"),
    ],
)
def test_the_newest_state_that_is_old_enough_is_found(to_time: float | None, day: int | None) -> None:
    """An operator names a time, the state is the last one before the trouble."""
    upkeep = Upkeep(saves=[state_of(0), state_of(1), state_of(2)])
    assert upkeep.find(to_time) == (None if day is None else state_of(day))


def test_nothing_is_found_where_nothing_is_saved() -> None:
    """A young host has no state to go back to."""
    assert Upkeep().find(None) is None
