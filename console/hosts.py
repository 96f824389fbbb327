"""`tidegate hosts`: every host of the roster with its state, worst first."""

from collections.abc import Iterable, Sequence

import msgspec
from rich.console import Group, RenderableType
from rich.text import Text

from console.errors import IncidentNotFoundError
from console.queries import Explanation, explain, fold
from console.rendering import ID_CHARACTERS, borderless, plain
from console.sentences import span, utc
from detectors.clock import clock_words
from detectors.signals import HostState, HostStatus, Notice, Unread
from remediations.records import Entry

ROSTER_AGE_MAXIMUM_SECONDS = 180.0  # detect repeats its roster every minute: three missed ones mean that it is down
NOTES_SHOWN = 10
STATES = {  # worst first
    HostState.ANOMALOUS: ("▲ anomalous", "bold red"),
    HostState.SILENT: ("✕ silent", "bold magenta"),
    HostState.UNREADABLE: ("◌ unreadable", "bold yellow"),
    None: ("? not in roster", "yellow"),
    HostState.YOUNG: ("○ learning", "cyan"),
    HostState.NORMAL: ("● normal", "green"),
}


class HostRow(msgspec.Struct, frozen=True):
    """One host in a list. `state` is None for a host with an open incident that the roster does not know.

    `moved` are series whose level has moved: no trouble, they are being learned anew.
    `unread` is why its latest record gave no reading, if none has come since; `behind_seconds` is by how much its clock
    or time zone is constantly behind, negative if it is ahead.
    Until `maintenance_until` (epoch seconds, 0 if nobody works on it) no playbook is run on it.
    `is_stale` says that detect has not spoken of the host lately: nothing is known of it now, whatever `state` says.
    """

    host: str
    state: HostState | None = None
    is_stale: bool = True
    score: float = 0.0
    samples: int = 0
    series: int = 0
    partition: int = -1
    last_sample_time: float = 0.0
    last_sample_age_seconds: float = 0.0
    roster_age_seconds: float = 0.0
    incident_id: str = ""
    moved: tuple[str, ...] = ()
    maintenance_until: float = 0.0
    unread: Unread | None = None
    behind_seconds: float = 0.0


def newest_statuses(notices: Iterable[Notice]) -> dict[str, HostStatus]:
    """The latest roster entry of each host."""
    newest: dict[str, HostStatus] = {}
    for notice in notices:
        if isinstance(notice, HostStatus) and (notice.host not in newest or newest[notice.host].time <= notice.time):
            newest[notice.host] = notice
    return newest


def host_rows(
    notices: Iterable[Notice],
    entries: Iterable[Entry],
    now: float,
    roster_age_maximum_seconds: float = ROSTER_AGE_MAXIMUM_SECONDS,
) -> tuple[HostRow, ...]:
    """Every host of the roster, and every other with an open incident; worst first."""
    newest = newest_statuses(notices)
    open_ids = {incident.host: incident.incident_id for incident in fold(entries).open_incidents()}
    rows = [
        _host_row(status, open_ids.get(host, ""), now, roster_age_maximum_seconds) for host, status in newest.items()
    ]
    rows += [HostRow(host, incident_id=incident_id) for host, incident_id in open_ids.items() if host not in newest]
    return tuple(sorted(rows, key=_badness))


def explained(entries: Sequence[Entry], notices: Iterable[Notice], wanted: str, now: float) -> Explanation:
    """The story of an incident, with what is wrong with the readings of its host now. Raises IncidentNotFoundError."""
    newest = newest_statuses(notices)
    try:
        explanation = explain(entries, wanted, now)
    except IncidentNotFoundError as error:
        notes = notes_on(newest[wanted.lower()]) if wanted.lower() in newest else ()
        raise IncidentNotFoundError(". ".join((str(error), *notes))) from error
    host = explanation.incident.host
    return msgspec.structs.replace(explanation, notes=notes_on(newest[host]) if host in newest else ())


def draw_hosts(rows: Sequence[HostRow], intake: Sequence[str] = ()) -> RenderableType:
    """The fleet as a table, in the order given, with a line that sums it up, and lines on what came and was refused."""
    came = [plain(words, "dim") for words in intake]
    if not rows:
        return Group(
            Text("No host has been seen yet: nothing is in the roster. Are records arriving, and is detect running?"),
            *came,
        )
    table = borderless("host", "state", "score", "samples", "last sample", "partition", "incident")
    for row in rows:
        word, style = STATES[row.state]
        stale = f", {span(row.roster_age_seconds)} old" if row.is_stale and row.state else ""
        table.add_row(
            plain(row.host, "bold"),
            Text(word + stale, style="yellow" if stale else style).append_text(_aside(row)),
            Text(f"{row.score:.2f}" if row.state else "-"),
            Text(f"{row.samples:,}" if row.state else "-"),
            Text(_sample_age(row)),
            Text(str(row.partition) if row.partition >= 0 else "-"),
            plain(row.incident_id[:ID_CHARACTERS], "red"),
        )
    notes = [plain(words, "yellow") for row in rows for words in notes_on(row)]
    more = [Text(f"and {len(notes) - NOTES_SHOWN} more: see --json", style="dim")] if len(notes) > NOTES_SHOWN else []
    return Group(table, _fleet_line(rows), *notes[:NOTES_SHOWN], *more, *came)


def notes_on(seen: HostRow | HostStatus) -> tuple[str, ...]:
    """What is wrong with the readings of a host: none can be used, and why; its clock is off."""
    notes, unread = [], seen.unread
    if seen.state is HostState.UNREADABLE and unread is not None:
        since = utc(unread.first_time)
        notes.append(f"{seen.host} is unreadable: records come, none gives a reading since {since}: {refused(unread)}")
    if seen.behind_seconds:
        notes.append(clock_words(seen.host, seen.behind_seconds))
    return tuple(notes)


def refused(unread: Unread) -> str:
    """Why a record gave no reading."""
    return f"{unread.reason}, {unread.detail}" if unread.detail else unread.reason


def _host_row(status: HostStatus, incident_id: str, now: float, roster_age_maximum_seconds: float) -> HostRow:
    roster_age_seconds = max(0.0, now - status.time)
    return HostRow(
        host=status.host,
        state=status.state,
        is_stale=roster_age_seconds > roster_age_maximum_seconds,
        score=status.score,
        samples=status.samples,
        series=status.series,
        partition=status.partition,
        last_sample_time=status.last_sample_time,
        last_sample_age_seconds=now - status.last_sample_time if status.last_sample_time else 0.0,
        roster_age_seconds=roster_age_seconds,
        incident_id=incident_id,
        moved=status.moved,
        maintenance_until=status.maintenance_until if status.maintenance_until > now else 0.0,
        unread=status.unread,
        behind_seconds=status.behind_seconds,
    )


def _badness(row: HostRow) -> tuple[bool, bool, int, float, str]:
    well = row.state in {HostState.NORMAL, HostState.YOUNG}
    return well and not row.incident_id, not row.is_stale and well, list(STATES).index(row.state), -row.score, row.host


def _aside(row: HostRow) -> Text:
    """What is no trouble: somebody works on the host, levels have moved."""
    kept = f", in maintenance until {utc(row.maintenance_until)}" if row.maintenance_until else ""
    more = f" and {len(row.moved) - 1} more" if len(row.moved) > 1 else ""
    moved = f", {row.moved[0]}{more} moved" if row.moved else ""
    return Text(kept, style="yellow").append_text(plain(moved, "dim"))


def _sample_age(row: HostRow) -> str:
    return f"{span(row.last_sample_age_seconds)} ago" if row.last_sample_time else "-"


def _fleet_line(rows: Sequence[HostRow]) -> Text:
    counts = {state: sum(row.state is state for row in rows) for state in STATES}
    words = [f"{count} {STATES[state][0][2:]}" for state, count in counts.items() if count]
    kept, stale = sum(row.maintenance_until > 0.0 for row in rows), sum(row.is_stale for row in rows)
    line = Text(f"{len(rows)} hosts: " + ", ".join(words), style="dim")
    if kept:
        line.append(f"; {kept} in maintenance", style="yellow")
    if stale:
        line.append(f"; {stale} not reported by detect lately: is it running?", style="yellow")
    return line
