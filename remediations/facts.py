"""What the limits need to know of a host and its incident, told from the folded log."""

from remediations import fleets
from remediations.gates import LogFacts
from remediations.incidents import EXECUTED, ActionStatus, HostStanding, LedgerState
from remediations.records import ClaimLimits


def log_facts(state: LedgerState, incident_id: str, host: str, limits: ClaimLimits, now: float) -> LogFacts:
    """Tell what the gates ask of the log at `now` (epoch seconds)."""
    standing, incident = state.hosts.get(host) or HostStanding(host=host), state.incidents.get(incident_id)
    actions = [state.actions[action_id] for action_id in incident.actions] if incident is not None else []
    held = [group for groups in state.unfinished.values() for group in groups]
    return LogFacts(
        now=now,
        limits=limits,
        raised=len(incident.raised) if incident is not None and incident.is_open else 0,
        needs_human=standing.needs_human,
        lock_holder=standing.lock,
        unverified=next((a.action_id for a in actions if a.status is ActionStatus.FINISHED), ""),
        last_run_end=standing.last_run_end,
        attempts=sum(a.status in EXECUTED for a in actions),
        running={group: held.count(group) for group in limits.groups},
        starts=tuple(state.starts),
        host_starts=standing.starts,
        fleet=fleets.describe(state, limits.groups),
        pending=sum(state.actions[action_id].status is ActionStatus.CLAIMED for action_id in state.unfinished),
    )
