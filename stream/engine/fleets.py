"""Incidents → fleet events: when several hosts of a group are in trouble together, the log says so, once."""

from remediations import fleets
from remediations.records import FleetRaised
from stream.engine.context import EngineContext

LOOK_SECONDS = 1.0


async def watch_fleets(context: EngineContext) -> None:
    """Raise and clear fleet events: looked for after every new record, and as time goes by."""
    now, ledger = context.clock.now(), context.ledger
    if context.fleets_seen == ledger.state.offset and now < context.fleets_time + LOOK_SECONDS:
        return
    for record in fleets.turns(ledger.state, context.rulebook.inventory, context.rulebook.policy.fleet, now):
        await context.append(record)
        seen = record.view
        event = "fleet.raised" if isinstance(record, FleetRaised) else "fleet.cleared"
        context.events.warning(event, group=record.group, affected=seen.affected, known=seen.known, hosts=seen.hosts)
        context.checkpoint("WF")
    context.fleets_seen, context.fleets_time = ledger.state.offset, now
