"""Steps of an action by name, each the record that an engine writes for it."""

from collections.abc import Callable

import msgspec

from remediations.incidents import Incident
from remediations.ledger import Ruling
from remediations.records import (
    HumanNeeded,
    RunNotExecuted,
    RunProgressed,
    RunVerified,
    VerificationOutcome,
)
from remediations.runs import TaskEvent, TaskOutcome
from tests.remediations.stories import (
    HOST,
    LIMITS,
    NOW,
    Log,
    claimed,
    closed,
    decided,
    finished,
    revoked,
    started,
    unknown,
)

VALID = Ruling(valid=True)
FREE = msgspec.structs.replace(LIMITS, cooldown_seconds=0.0, attempts_maximum=9, group_concurrency_maximum=9)

type Step = Callable[[Log, Incident], Ruling]


def not_executed(incident: Incident, action: str = "a1", claim: str = "c1") -> RunNotExecuted:
    """A lost run had no effect."""
    return RunNotExecuted(incident_id=incident.incident_id, host=incident.host, action_id=action, claim=claim)


def human(incident: Incident, action: str = "a1") -> HumanNeeded:
    """Automation gives up."""
    return HumanNeeded(incident_id=incident.incident_id, host=incident.host, action_id=action, reason="partial")


def verified(incident: Incident, action: str = "a1") -> RunVerified:
    """A run has helped."""
    return RunVerified(
        incident_id=incident.incident_id,
        host=incident.host,
        action_id=action,
        outcome=VerificationOutcome.SUCCESS,
        reason="cleared",
        observed_time=NOW,
        score=0.1,
    )


def progressed(incident: Incident, claim: str = "c1") -> RunProgressed:
    """A task has ended."""
    task = TaskEvent(
        number=1, play="p", task="t", action="command", host=HOST, outcome=TaskOutcome.OK, duration_seconds=1.0
    )
    return RunProgressed(incident_id=incident.incident_id, host=HOST, action_id="a1", claim=claim, task=task)


STEPS: dict[str, Step] = {
    "decide": lambda log, incident: log.append(decided(incident)),
    "claim": lambda log, incident: log.append(claimed(incident)),
    "claim by another": lambda log, incident: log.append(claimed(incident, claim="c2", engine="e2")),
    "revoke": lambda log, incident: log.append(revoked(incident)),
    "revoke another": lambda log, incident: log.append(revoked(incident, claim="c2")),
    "start": lambda log, incident: log.append(started(incident, token=token_of(log))),
    "start by another": lambda log, incident: log.append(started(incident, claim="c2", token=token_of(log))),
    "start with an old token": lambda log, incident: log.append(started(incident, token=token_of(log) - 1)),
    "progress": lambda log, incident: log.append(progressed(incident)),
    "finish": lambda log, incident: log.append(finished(incident)),
    "finish by another": lambda log, incident: log.append(finished(incident, claim="c2")),
    "unknown": lambda log, incident: log.append(unknown(incident)),
    "unknown by another": lambda log, incident: log.append(unknown(incident, claim="c2")),
    "not executed": lambda log, incident: log.append(not_executed(incident)),
    "verify": lambda log, incident: log.append(verified(incident)),
    "human": lambda log, incident: log.append(human(incident)),
    "close": lambda log, incident: log.append(closed(incident)),
}


def token_of(log: Log) -> int:
    """The token of the claim that holds action a1, -1 if none does."""
    action = log.ledger.state.actions.get("a1")
    return action.claim.token if action is not None and action.claim is not None else -1


def told(*steps: str) -> tuple[Log, Incident, list[Ruling]]:
    """A log with one open incident, and the rulings on these steps."""
    log = Log()
    incident = log.open()
    return log, incident, [STEPS[step](log, incident) for step in steps]
