"""`tidegate hosts`: who is there, in which state."""

import msgspec
import pytest

from console.errors import IncidentNotFoundError
from console.hosts import draw_hosts, explained, host_rows
from console.rendering import draw_explanation
from detectors.signals import HostState, Notice, Unread
from tests.console.drawings import drawn
from tests.console.stories import ONE, T0, log, opened, repaired, signal, status


def test_hosts_are_sorted_worst_first() -> None:
    """Trouble first, then what nothing is known of, then learning, then well; by score within."""
    notices = [
        status("calm", HostState.NORMAL, 0.1),
        status("busy", HostState.NORMAL, 2.0),
        status("new", HostState.YOUNG),
        status("gone", HostState.SILENT),
        status("hot", HostState.ANOMALOUS, 5.0),
        status("hotter", HostState.ANOMALOUS, 9.0),
        status("lost", HostState.NORMAL, time=T0 - 600.0),
    ]
    expected = ["hotter", "hot", "gone", "web-01", "lost", "new", "busy", "calm"]
    assert expected == [row.host for row in host_rows(notices, log(opened()), T0 + 1.0)]


def test_a_host_row() -> None:
    """The newest roster entry counts; ages are seen from now; an open incident is named."""
    notices: list[Notice] = [
        status("web-01", HostState.ANOMALOUS, 8.0, T0, partition=2),
        status("web-01", HostState.NORMAL, 1.0, T0 - 50.0, partition=1),
        signal("web-01"),
    ]
    (row,) = host_rows(notices, log(opened()), T0 + 10.0)
    expected = (HostState.ANOMALOUS, False, 8.0, 500, 2, 11.0, 10.0, ONE)
    found = (
        row.state,
        row.is_stale,
        row.score,
        row.samples,
        row.partition,
        row.last_sample_age_seconds,
        row.roster_age_seconds,
        row.incident_id,
    )
    assert expected == found


def test_a_host_that_detect_forgot_is_not_healthy() -> None:
    """An old roster entry is marked, and a host with an incident is listed though the roster has lost it."""
    stale, unknown = host_rows([status("web-09", HostState.NORMAL, time=T0 - 181.0)], log(opened()), T0)[::-1]
    assert (stale.host, stale.is_stale) == ("web-09", True)
    assert (unknown.host, unknown.state, unknown.is_stale) == ("web-01", None, True)


def test_a_closed_incident_is_not_shown_at_its_host() -> None:
    """Only open incidents are."""
    (row,) = host_rows([status("web-01", HostState.NORMAL)], log(*repaired()), T0)
    assert not row.incident_id


def test_states_can_be_told_without_colour() -> None:
    """Each state has its own word and mark in the plain text."""
    rows = host_rows([status(state.value, state) for state in HostState], log(opened()), T0)
    text = drawn(draw_hosts(rows))
    marks = ("▲ anomalous", "✕ silent", "◌ unreadable", "? not in roster", "○ learning", "● normal")
    assert all(mark in text for mark in marks)
    assert "6 hosts: 1 anomalous, 1 silent, 1 unreadable, 1 not in roster, 1 learning, 1 normal" in text


def test_a_row_of_the_fleet() -> None:
    """One line a host: score, samples, last sample, partition, incident."""
    rows = host_rows([status("web-01", HostState.ANOMALOUS, 8.04, partition=3)], log(opened()), T0 + 41.0)
    line = drawn(draw_hosts(rows)).splitlines()[1]
    assert ["web-01", "▲", "anomalous", "8.04", "500", "42s", "ago", "3", ONE[:8]] == line.split()


def test_a_silent_detect_is_said() -> None:
    """An old roster must not pass for a healthy fleet."""
    rows = host_rows([status("web-01", HostState.NORMAL)], [], T0 + 7300.0)
    text = drawn(draw_hosts(rows))
    assert "● normal, 2h 1m old" in text
    assert "1 not reported by detect lately: is it running?" in text


def test_a_level_that_has_moved_is_an_aside() -> None:
    """The host is as normal as its state says; the first series that moved is named, further ones are counted."""
    moved = msgspec.structs.replace(status("web-01", HostState.NORMAL), moved=("cpu.load", "mem.used", "score"))
    rows = host_rows([moved, status("web-02", HostState.NORMAL)], [], T0)
    lines = drawn(draw_hosts(rows), width=160).splitlines()
    assert ["● normal, cpu.load and 2 more moved" in line for line in lines[1:3]] == [True, False]


def test_whoever_is_worked_on_is_told() -> None:
    """Somebody who wonders why no playbook is run sees it here; a maintenance that is over is not told."""
    over = msgspec.structs.replace(status("web-01", HostState.NORMAL), maintenance_until=T0 - 1.0)
    kept = msgspec.structs.replace(status("web-02", HostState.ANOMALOUS), maintenance_until=T0 + 3600.0)
    lines = drawn(draw_hosts(host_rows([over, kept], [], T0)), width=160).splitlines()
    assert "▲ anomalous, in maintenance until 2026-11-21 03:20:00Z" in lines[1]
    assert "maintenance" not in lines[2]
    assert lines[3].endswith("; 1 in maintenance")


def test_why_no_reading_of_a_host_can_be_used_is_told() -> None:
    """The reason of the latest record, and since when; a clock that is off, also of a host that is well."""
    unread = Unread("in_future", "121 s ahead, wanted at most 60", T0 - 90.0, T0 - 1.0)
    ahead = msgspec.structs.replace(status("web-01", HostState.UNREADABLE), unread=unread, behind_seconds=-120.4)
    mixed = msgspec.structs.replace(status("web-02", HostState.NORMAL), unread=unread, behind_seconds=7200.2)
    rows = host_rows([ahead, mixed], [], T0)
    assert [row.host for row in rows] == ["web-01", "web-02"]
    lines = drawn(draw_hosts(rows), width=160).splitlines()[-3:]
    since = "records come, none gives a reading since 2026-11-21 02:18:30Z"
    assert lines == [
        f"web-01 is unreadable: {since}: in_future, 121 s ahead, wanted at most 60",
        "clock of web-01 is 2 m ahead",
        "clock or time zone of web-02 is 2 h behind",
    ]


def test_what_is_wrong_with_the_readings_of_a_host_is_explained() -> None:
    """Beside the story of its incident, and where there is none; nothing is said of a host that is well."""
    unread = Unread("oversize", "70000 bytes, wanted at most 65536", T0 - 90.0, T0 - 1.0)
    sick = msgspec.structs.replace(status("web-01", HostState.UNREADABLE), unread=unread)
    since = "records come, none gives a reading since 2026-11-21 02:18:30Z: oversize, 70000 bytes, wanted at most 65536"
    story = explained(log(opened()), [sick], "web-01", T0)
    assert f"Now: web-01 is unreadable: {since}" in drawn(draw_explanation(story, T0), width=200)
    assert explained(log(opened()), [status("web-01", HostState.ANOMALOUS)], ONE, T0).notes == ()
    with pytest.raises(IncidentNotFoundError, match=f"web-01 is unreadable: {since}"):
        explained([], [sick], "web-01", T0)
