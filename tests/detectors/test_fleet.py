"""One host or many: when a group's signal is raised and cleared, and what its evidence says."""

import msgspec
import pytest

from detectors.fleet import (
    CommonMetric,
    FleetSettings,
    FleetState,
    FleetTurn,
    HostFinding,
    forget,
    learn,
    turn,
    view,
)

SETTINGS = FleetSettings()
BEGIN = 1_700_000_000.0


def group(known: int, anomalous: int, time: float = BEGIN) -> list[HostFinding]:
    """Findings of a group, the first hosts of which are anomalous."""
    return [
        HostFinding(f"web-{i:03}", time + i, anomalous=i < anomalous, blamed=("disk.wait", f"own-{i}"))
        for i in range(known)
    ]


@pytest.mark.parametrize(
    ("name", "known", "anomalous", "expected"),
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
def test_raises_by_number_and_share(name: str, known: int, anomalous: int, expected: FleetTurn) -> None:
    """At least three hosts and three in ten of the group."""
    state = learn(FleetState("web"), group(known, anomalous), SETTINGS)
    assert expected is turn(state, BEGIN + 120.0, SETTINGS)[1], name


def test_hosts_far_apart_in_time_are_not_together() -> None:
    """Only what was found anomalous within the window counts.

    found   a        b        c        d
    time    0 ... 15 min ... 30 min ... 45 min      window 10 min: one at a time
    """
    state = learn(FleetState("web"), group(4, 0), SETTINGS)
    for i in range(4):
        state = learn(state, [HostFinding(f"web-{i:03}", BEGIN + 900.0 * (i + 1), anomalous=True)], SETTINGS)
        state, happened, seen = turn(state, BEGIN + 900.0 * (i + 1), SETTINGS)
        assert (FleetTurn.NONE, 1) == (happened, seen.anomalous)


def test_clears_with_hysteresis() -> None:
    """Between the two shares the signal stays; below the lower one it clears only after a calm time.

    share   .3   .2      .1        .2     .1 ......... .1
            raised       calm      back   calm         cleared
    """
    state, turns = FleetState("web"), []
    for minute, anomalous in enumerate([6, *[4] * 20, *[2] * 15, *[4] * 5, *[2] * 40]):
        now = BEGIN + 60.0 * minute
        findings = [HostFinding(f"web-{i:03}", now, anomalous=i < anomalous) for i in range(20)]
        state, happened, _ = turn(learn(state, findings, SETTINGS), now, SETTINGS)
        if happened is not FleetTurn.NONE:
            turns.append((minute, happened))
    # Minute 45 is the last with four; they leave the window after ten minutes, and calm lasts ten more.
    assert [(0, FleetTurn.RAISED), (61, FleetTurn.CLEARED)] == turns


def test_evidence_names_hosts_and_what_they_have_in_common() -> None:
    """The earliest host first; a metric blamed on one host only is common to nobody."""
    state = learn(FleetState("web"), group(10, 4), SETTINGS)
    seen = view(state, BEGIN + 60.0, SETTINGS)
    assert ("web-000", "web-001", "web-002", "web-003") == seen.hosts
    assert (CommonMetric("disk.wait", hosts=4, first=4),) == seen.common
    assert (10, 4, 0.4, BEGIN) == (seen.known, seen.anomalous, seen.share, seen.began)


def test_hundreds_of_hosts_give_short_evidence() -> None:
    """Names are cut at twenty, metrics at eight."""
    many = tuple(f"m{i:02}" for i in range(30))
    findings = [HostFinding(f"web-{i:03}", BEGIN, anomalous=True, blamed=many) for i in range(300)]
    seen = view(learn(FleetState("web"), findings, SETTINGS), BEGIN, SETTINGS)
    assert (300, 20, 8) == (seen.anomalous, len(seen.hosts), len(seen.common))


def test_late_and_repeated_findings_change_nothing() -> None:
    """A replay of old findings does not move a host back."""
    new = learn(FleetState("web"), group(5, 5, BEGIN + 100.0), SETTINGS)
    assert new == learn(new, group(5, 0, BEGIN), SETTINGS)
    assert new == learn(new, group(5, 5, BEGIN + 100.0), SETTINGS)


def test_a_spell_keeps_its_beginning() -> None:
    """A host that is found anomalous every minute began at the first; after a pause longer than the window, anew."""
    state = FleetState("web")
    for minute in range(5):
        state = learn(state, [HostFinding("web-000", BEGIN + 60.0 * minute, anomalous=True)], SETTINGS)
    assert BEGIN == view(state, BEGIN + 300.0, SETTINGS).began
    state = learn(state, [HostFinding("web-000", BEGIN + 7200.0, anomalous=True)], SETTINGS)
    assert BEGIN + 7200.0 == view(state, BEGIN + 7200.0, SETTINGS).began


def test_hosts_that_left_do_not_count() -> None:
    """A smaller group has a larger share; a host that left is not anomalous in it."""
    state = forget(learn(FleetState("web"), group(10, 2), SETTINGS), ["web-000", "web-009"])
    seen = view(state, BEGIN + 60.0, SETTINGS)
    assert (8, 1) == (seen.known, seen.anomalous)


def test_state_survives_saving() -> None:
    """What is decoded from the encoded state is the same state."""
    state = turn(learn(FleetState("web"), group(5, 4), SETTINGS), BEGIN + 9.0, SETTINGS)[0]
    assert state == msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=FleetState)
