"""Fleet events as they concern one incident: is it one matter with what other hosts have?"""

from collections.abc import Iterable

from detectors.fleet import FleetView
from remediations.fleets import raised
from remediations.incidents import Incident
from remediations.ledger import Ledger
from remediations.records import FleetCleared, FleetRaised, Record


def fleet_id(record: Record) -> str:
    """The fleet event of a record, empty if it is of none."""
    return record.fleet_id if isinstance(record, FleetRaised | FleetCleared) else ""


def events_of(incident: Incident, records: Iterable[tuple[int, float, Record]]) -> set[str]:
    """The fleet events that name the incident's host, raised while it was open; `records` with offset and time."""
    return {
        record.fleet_id
        for offset, time, record in records
        if isinstance(record, FleetRaised)
        and incident.host in record.view.hosts
        and offset > incident.opened_offset
        and (incident.is_open or time <= incident.closed_time)
    }


def view_of(ledger: Ledger, incident: Incident) -> FleetView | None:
    """What the raised fleet event that names the host of an open incident says; of several the one of most hosts."""
    events = raised(ledger.state) if incident.is_open else ()
    views = [event.view for event in events if incident.host in event.view.hosts]
    return max(views, key=lambda view: view.share, default=None)


def still_in_trouble(ledger: Ledger, view: FleetView) -> int:
    """How many of the hosts that a fleet event names have an open incident with a raised signal now."""
    troubled = {incident.host for incident in ledger.open_incidents() if incident.raised}
    return len(troubled.intersection(view.hosts))
