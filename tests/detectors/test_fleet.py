"""One host or many: when a group's signal is raised and cleared, and what its evidence says."""

import pytest

from detectors.fleet import CommonMetric, Fleet, FleetSettings, FleetTurn, Spell, turn, view

SETTINGS = FleetSettings()
BEGIN = 1_700_000_000.0


def group(known: int, affected: int, last: float = BEGIN) -> Fleet:
    """A group, some hosts of which are anomalous."""
    spells = {f"web-{i:03}": Spell(last + i, last + i, ("disk.wait", f"own-{i}")) for i in range(affected)}
    return Fleet("web", known, spells)


@pytest.mark.parametrize(
    ("name", "known", "affected", "expected"),
    [
        ("one host is no group", 10, 1, FleetTurn.NONE),
        ("two of three are too few", 3, 2, FleetTurn.NONE),
        ("three of three", 3, 3, FleetTurn.RAISED),
        ("three of ten", 10, 3, FleetTurn.RAISED),
        ("three of eleven are too small a share", 11, 3, FleetTurn.NONE),
        ("ten of a hundred are too small a share", 100, 10, FleetTurn.NONE),
        ("thirty of a hundred", 100, 30, FleetTurn.RAISED),
        ("nobody", 0, 0, FleetTurn.NONE),
    ],
)
def test_raises_by_number_and_share(name: str, known: int, affected: int, expected: FleetTurn) -> None:
    """At least three hosts and three in ten of the group."""
    seen = view(group(known, affected), BEGIN + 120.0, SETTINGS)
    assert expected is turn(seen, SETTINGS, raised=False), name


def test_hosts_far_apart_in_time_are_not_together() -> None:
    """Only what was seen anomalous within the window counts.

    seen    a        b        c        d
    time    0 ... 15 min ... 30 min ... 45 min      window 10 min: one at a time
    """
    spells = {f"web-{i}": Spell(BEGIN + 900.0 * i, BEGIN + 900.0 * i) for i in range(4)}
    for i in range(4):
        seen = view(Fleet("web", 4, spells), BEGIN + 900.0 * i, SETTINGS)
        assert [f"web-{j}" for j in range(i, 4)] == list(seen.hosts)


def test_clears_with_hysteresis() -> None:
    """Between the two shares the signal stays; below the lower one for a whole window it clears.

    share   .3 ..... .2 ..... .1 ...... .2 ..... .1 ........... .1
            raised            not yet   back                    cleared
    """
    raised, turns = False, []
    last: dict[str, Spell] = {}
    for minute, affected in enumerate([6, *[4] * 20, *[2] * 8, *[4] * 5, *[2] * 40]):
        now = BEGIN + 60.0 * minute
        last |= {f"web-{i:03}": Spell(BEGIN, now) for i in range(affected)}
        happened = turn(view(Fleet("web", 20, last), now, SETTINGS), SETTINGS, raised=raised)
        if happened is not FleetTurn.NONE:
            turns.append((minute, happened))
            raised = happened is FleetTurn.RAISED
    # Minute 33 is the last with four; ten minutes later they have left the window.
    assert [(0, FleetTurn.RAISED), (44, FleetTurn.CLEARED)] == turns


def test_silent_hosts_are_in_trouble_too() -> None:
    """When what brings the metrics breaks, many hosts fall silent at once: one matter, no metric to blame."""
    spells = {f"web-{i}": Spell(BEGIN, BEGIN, is_silent=True) for i in range(3)}
    seen = view(Fleet("web", 6, spells), BEGIN, SETTINGS)
    assert (3, 3, ()) == (seen.affected, seen.silent, seen.common)
    assert FleetTurn.RAISED is turn(seen, SETTINGS, raised=False)


def test_evidence_names_hosts_and_what_they_have_in_common() -> None:
    """The earliest host first; a metric blamed on one host only is common to nobody."""
    seen = view(group(10, 4), BEGIN + 60.0, SETTINGS)
    assert ("web-000", "web-001", "web-002", "web-003") == seen.hosts
    assert (CommonMetric("disk.wait", hosts=4, first=4),) == seen.common
    assert (10, 4, 0.4, BEGIN) == (seen.known, seen.affected, seen.share, seen.began)


def test_hundreds_of_hosts_give_short_evidence() -> None:
    """Names are cut at twenty, metrics at eight."""
    many = tuple(f"m{i:02}" for i in range(30))
    spells = {f"web-{i:03}": Spell(BEGIN, BEGIN, many) for i in range(300)}
    seen = view(Fleet("web", 300, spells), BEGIN, SETTINGS)
    assert (300, 20, 8) == (seen.affected, len(seen.hosts), len(seen.common))


def test_a_share_is_one_at_most() -> None:
    """More hosts in trouble than are known are all of them."""
    assert view(group(2, 4), BEGIN, SETTINGS).share == 1.0
