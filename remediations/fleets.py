"""Fleet events: several hosts of a group in trouble together, seen in the folded log and folded themselves.

What is seen rests on the log and the inventory alone: every engine sees the same, and a restart changes nothing.
"""

from collections.abc import Iterable, Iterator, Sequence

from detectors.fleet import Fleet, FleetSettings, FleetTurn, Spell, turn, view
from detectors.signals import SignalKind
from remediations.identities import fleet_id
from remediations.incidents import FleetStanding, Incident, LedgerState
from remediations.inventory import ALL, Inventory
from remediations.records import FleetCleared, FleetRaised

TROUBLE = frozenset({SignalKind.ANOMALY, SignalKind.SILENCE})


def turns(
    state: LedgerState, inventory: Inventory, settings: FleetSettings, now: float
) -> Iterator[FleetRaised | FleetCleared]:
    """The fleet events that are to be raised or cleared at `now` (epoch seconds), in order of groups."""
    spells = _spells(state.incidents.values(), now, now - settings.window_seconds)
    names = {inventory.spelling(host) or host: host for host in spells}
    wanted = settings.groups or tuple(group for group in inventory.groups if group != ALL)
    for group in sorted({*wanted, *(group for group, each in state.fleets.items() if each.event is not None)}):
        standing, members = state.fleets.get(group, FleetStanding()), inventory.members(group)
        mine = {names[one]: spells[names[one]] for one in members if one in names} if group in wanted else {}
        seen = view(Fleet(group, len(members), mine), now, settings)
        happened = turn(seen, settings, raised=standing.event is not None)
        if happened is FleetTurn.RAISED:
            episode = standing.episode + 1
            yield FleetRaised(fleet_id(group, episode, state.log_id), group, episode, seen, settings.share_minimum)
        elif happened is FleetTurn.CLEARED and standing.event is not None:
            yield FleetCleared(standing.event.fleet_id, group, seen, settings.share_clear)


def fold(state: LedgerState, record: FleetRaised | FleetCleared) -> str:
    """Fold a record; why it is ignored, empty if it is valid: of several engines the first is heard."""
    standing = state.fleets.get(record.group, FleetStanding())
    if isinstance(record, FleetCleared):
        if standing.event is None or standing.event.fleet_id != record.fleet_id:
            return "no_fleet_event"
        state.fleets[record.group] = FleetStanding(standing.episode)
        return ""
    if standing.event is not None:
        return "fleet_raised"
    if record.episode != standing.episode + 1:
        return "wrong_episode"
    state.fleets[record.group] = FleetStanding(record.episode, record)
    return ""


def raised(state: LedgerState) -> tuple[FleetRaised, ...]:
    """All fleet events that are raised, the earliest first."""
    events = [standing.event for standing in state.fleets.values() if standing.event is not None]
    return tuple(sorted(events, key=lambda event: (event.view.time, event.group)))


def event_of(state: LedgerState, groups: Sequence[str]) -> FleetRaised | None:
    """The raised fleet event of these groups with the largest share, None if there is none."""
    events = [event for event in raised(state) if event.group in groups]
    return max(events, key=lambda event: event.view.share, default=None)


def describe(state: LedgerState, groups: Sequence[str]) -> str:
    """That event in words, such as `4 of 8 in web`; empty if there is none."""
    event = event_of(state, groups)
    return f"{event.view.affected} of {event.view.known} in {event.group}" if event is not None else ""


def _spells(incidents: Iterable[Incident], now: float, since: float) -> dict[str, Spell]:
    """The latest time of trouble of each host, those that were over before `since` left out."""
    spells = {}
    for incident in incidents:
        spell = _spell(incident, now)
        if spell is not None and spell.last >= since:
            spells[incident.host] = spell
    return spells


def _spell(incident: Incident, now: float) -> Spell | None:
    """The time of trouble that an incident tells of; one of another kind, such as of drift, tells of none."""
    opening = incident.signal
    still = [signal for signal in incident.raised.values() if signal.kind in TROUBLE]
    if opening.kind not in TROUBLE and not still:
        return None
    began = min(signal.time for signal in still) if opening.kind not in TROUBLE else opening.time
    kinds = {signal.kind for signal in still} or {opening.kind}
    return Spell(
        began=began,
        last=now if still else incident.cleared_time or opening.time,
        blamed=tuple(each.series for each in opening.evidence.series),
        is_silent=SignalKind.ANOMALY not in kinds,
    )
