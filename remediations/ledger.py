"""The ledger: everything the engine knows, folded from the audit log alone.

`Ledger.apply` is deterministic: the same entries in the same order give the same state on every engine and after every
restart. Its only clock is the broker's append time. The first valid claim in log order wins, and what makes a claim
valid is judged here, from the claim's own limits, so that two engines can neither both win nor pass a limit together.
"""

from collections.abc import Callable
from typing import ClassVar

import msgspec

from detectors.signals import SignalState
from remediations import fleets
from remediations.facts import log_facts
from remediations.gates import CLAIM_GATES, LogFacts, ask
from remediations.incidents import (
    EXECUTED,
    UNFINISHED,
    Action,
    ActionStatus,
    Claim,
    HostStanding,
    Incident,
    IncidentStatus,
    LedgerState,
    RaisedSignal,
    remembered,
)
from remediations.records import (
    ClaimLimits,
    DecisionMade,
    EngineStarted,
    Entry,
    FleetCleared,
    FleetRaised,
    HumanNeeded,
    IncidentClosed,
    IncidentOpened,
    IncidentUpdated,
    RulesChanged,
    RulesRefused,
    RunClaimed,
    RunFinished,
    RunNotExecuted,
    RunProgressed,
    RunRevoked,
    RunStarted,
    RunUnknown,
    RunVerified,
    Verdict,
)

CLOSED_KEPT = 1000  # closed incidents that can still be explained from memory; older ones are in the log only
SIGNALS_KEPT = 65_536  # far more than detect repeats after a restart
UNCLAIMED_KEPT = 16  # decided actions of one incident that nobody claimed: policies were reloaded meanwhile


class Ruling(msgspec.Struct, frozen=True):
    """Whether a record was valid where it stands in the log. An ignored one has changed nothing but a counter."""

    valid: bool
    reason: str = ""


_VALID = Ruling(valid=True)


class Ledger:
    """The fold of the audit log, and questions about it."""

    def __init__(self, closed_kept: int = CLOSED_KEPT, signals_kept: int = SIGNALS_KEPT) -> None:
        self.state = LedgerState()
        self._closed_kept = closed_kept
        self._signals_kept = signals_kept

    def apply(self, entry: Entry) -> Ruling:
        """Fold one entry. An entry at or below the folded offset was folded before and changes nothing."""
        state = self.state
        if entry.offset <= state.offset:
            return Ruling(valid=False, reason="already_folded")
        state.offset = entry.offset
        state.time = max(state.time, entry.time)  # a broker's clock may step back, the log's time does not
        fold = self._FOLD.get(type(entry.record))
        ruling = _ignore("unknown_type") if fold is None else fold(self, entry.record)
        if not ruling.valid:
            state.ignored[ruling.reason] = state.ignored.get(ruling.reason, 0) + 1
        return ruling

    # Questions

    def incident_of(self, host: str) -> Incident | None:
        """Give the open incident of a host."""
        return self.state.incidents.get(self._host(host).incident_id)

    def open_incidents(self) -> tuple[Incident, ...]:
        """Give all open incidents, in the order they were opened."""
        return tuple(incident for incident in self.state.incidents.values() if incident.is_open)

    def is_acted_on(self, incident_id: str) -> bool:
        """Tell whether a playbook has run because of this incident, or is about to."""
        return any(action.status in EXECUTED | UNFINISHED for action in self._actions_of(incident_id))

    def next_episode(self, host: str) -> int:
        """Give the number of the host's next incident, counted from 1."""
        return self._host(host).episode + 1

    def next_attempt(self, incident_id: str) -> int:
        """Give the number of the incident's next attempt, counted from 1; one that was only decided is used again."""
        spent = [a.attempt for a in self._actions_of(incident_id) if a.status is not ActionStatus.DECIDED]
        return max(spent, default=0) + 1

    def unfinished(self) -> tuple[Action, ...]:
        """Give the actions that are claimed, started or unknown: the ones to recover after a restart."""
        return tuple(self.state.actions[action_id] for action_id in self.state.unfinished)

    def unverified(self) -> tuple[Action, ...]:
        """Give the actions whose run has finished and whose help is not judged yet."""
        return tuple(action for action in self.state.actions.values() if action.status is ActionStatus.FINISHED)

    def is_handled(self, signal_id: str) -> bool:
        """Tell whether a signal is in the log already."""
        return signal_id in self.state.handled

    def holds(self, action_id: str, claim: str) -> bool:
        """Tell whether this claim holds the action now."""
        action = self.state.actions.get(action_id)
        return action is not None and action.is_unfinished and action.claim is not None and action.claim.claim == claim

    def facts(self, incident_id: str, host: str, limits: ClaimLimits, now: float) -> LogFacts:
        """Tell what the limits need to know of a host and its incident."""
        return log_facts(self.state, incident_id, host, limits, now)

    # Fold rules: one for each type of record, each returns whether the record was valid

    def _engine_started(self, record: EngineStarted) -> Ruling:
        self.state.log_id = self.state.log_id or record.log_id  # of several engines that make one the first is heard
        return _VALID

    def _rules_turned(self, _record: RulesChanged | RulesRefused) -> Ruling:
        return _VALID

    def _incident_opened(self, record: IncidentOpened) -> Ruling:
        state, standing, signal = self.state, self._host(record.host), record.signal
        if standing.incident_id:
            return _ignore("incident_open")
        if record.episode != standing.episode + 1 or record.incident_id in state.incidents:
            return _ignore("wrong_episode")
        if signal.host != record.host or signal.state is not SignalState.RAISED:
            return _ignore("wrong_signal")
        if self.is_handled(signal.id):
            return _ignore("signal_handled")
        raised = RaisedSignal(id=signal.id, kind=signal.kind, time=signal.time, score=signal.score)
        state.incidents[record.incident_id] = Incident(
            incident_id=record.incident_id,
            host=record.host,
            episode=record.episode,
            signal=signal,
            opened_time=state.time,
            opened_offset=state.offset,
            raised={signal.id: raised},
        )
        self._stand(standing, incident_id=record.incident_id, episode=record.episode)
        self._handle(signal.id, record.signal_offset)
        return _VALID

    def _incident_updated(self, record: IncidentUpdated) -> Ruling:
        incident = self._open(record.incident_id, record.host)
        if incident is None:
            return _ignore("no_open_incident")
        if self.is_handled(record.signal_id):
            return _ignore("signal_handled")
        raised = {} if record.signal is not None else dict(incident.raised)  # trouble takes a drift's place
        if record.state is SignalState.RAISED:
            raised[record.signal_id] = RaisedSignal(
                id=record.signal_id, kind=record.kind, time=record.signal_time, score=record.score
            )
        else:
            raised.pop(record.raised_id, None)
        cleared = None if raised else record.signal_time
        self._update(
            incident,
            raised=raised,
            cleared_time=cleared,
            signal=record.signal or incident.signal,
            is_cleared_since_human=not raised and incident.status is IncidentStatus.NEEDS_HUMAN,
        )
        self._handle(record.signal_id, record.signal_offset)
        return _VALID

    def _decision_made(self, record: DecisionMade) -> Ruling:
        incident = self._open(record.incident_id, record.host)
        if incident is None:
            return _ignore("no_open_incident")
        known = self.state.actions.get(record.action_id)
        if record.verdict is Verdict.RUN and known is not None and known.incident_id != incident.incident_id:
            return _ignore("other_incident")
        actions = incident.actions
        if record.verdict is Verdict.RUN and known is None:
            self.state.actions[record.action_id] = Action.decided(record, self.state.time)
            actions = self._forget_unclaimed((*actions, record.action_id))
        self._update(incident, decision=record, decision_time=self.state.time, actions=actions)
        return _VALID

    def _run_claimed(self, record: RunClaimed) -> Ruling:
        action = self.state.actions.get(record.action_id)
        if action is None or (action.host, action.incident_id) != (record.host, record.incident_id):
            return _ignore("not_decided")
        if action.status is not ActionStatus.DECIDED:
            return _ignore("already_claimed")
        facts = self.facts(record.incident_id, record.host, record.limits, self.state.time)
        denial = ask(CLAIM_GATES, facts)[-1]
        if not denial.passed:
            return _ignore(denial.reason)
        claim = Claim(
            claim=record.claim,
            engine=record.engine,
            token=self.state.offset,
            time=self.state.time,
            limits=record.limits,
        )
        self._advance(action, status=ActionStatus.CLAIMED, claim=claim)
        self.state.unfinished[action.action_id] = record.limits.groups
        self._stand(self._host(action.host), lock=action.action_id)
        return _VALID

    def _run_revoked(self, record: RunRevoked) -> Ruling:
        action = self._claimed(record.action_id, record.claim, ActionStatus.CLAIMED)
        if action is None:
            return _ignore("not_claimed")
        self._release(action, status=ActionStatus.DECIDED, claim=None)
        return _VALID

    def _run_started(self, record: RunStarted) -> Ruling:
        action = self._claimed(record.action_id, record.claim, ActionStatus.CLAIMED)
        if action is None or action.claim is None or action.claim.token != record.token:
            return _ignore("not_claimed")
        state = self.state
        self._advance(
            action,
            status=ActionStatus.STARTED,
            started_time=state.time,
            timeout_seconds=record.timeout_seconds,
            verification=record.verification,
        )
        state.starts = [*remembered(state.starts, state.time), state.time]
        standing = self._host(action.host)
        self._stand(standing, starts=(*remembered(standing.starts, state.time), state.time))
        return _VALID

    def _run_progressed(self, record: RunProgressed) -> Ruling:
        action = self._claimed(record.action_id, record.claim, ActionStatus.STARTED)
        if action is None:
            return _ignore("not_started")
        self._advance(action, tasks=action.tasks + 1)
        return _VALID

    def _run_finished(self, record: RunFinished) -> Ruling:
        action = self._claimed(record.action_id, record.claim, ActionStatus.STARTED, ActionStatus.UNKNOWN)
        if action is None:
            return _ignore("not_started")
        self._release(action, status=ActionStatus.FINISHED, run_status=record.status, reason=record.reason)
        self._end_run(action)
        return _VALID

    def _run_unknown(self, record: RunUnknown) -> Ruling:
        action = self._claimed(record.action_id, record.claim, ActionStatus.STARTED)
        if action is None:
            return _ignore("not_started")
        self._advance(action, status=ActionStatus.UNKNOWN, reason=record.reason)
        return _VALID

    def _run_not_executed(self, record: RunNotExecuted) -> Ruling:
        action = self._claimed(record.action_id, record.claim, ActionStatus.UNKNOWN)
        if action is None:
            return _ignore("not_unknown")
        self._release(action, status=ActionStatus.NOT_EXECUTED, ended_time=self.state.time)
        standing = self._host(action.host)  # one run at a time on a host: no other start has this time
        self._stand(standing, starts=tuple(start for start in standing.starts if start != action.started_time))
        return _VALID

    def _run_verified(self, record: RunVerified) -> Ruling:
        action = self.state.actions.get(record.action_id)
        if action is None or action.status is not ActionStatus.FINISHED:
            return _ignore("not_finished")
        self._advance(action, status=ActionStatus.VERIFIED, outcome=record.outcome, reason=record.reason)
        return _VALID

    def _human_needed(self, record: HumanNeeded) -> Ruling:
        incident = self._open(record.incident_id, record.host)
        if incident is None:
            return _ignore("no_open_incident")
        action = self.state.actions.get(record.action_id)
        if action is not None and action.status is ActionStatus.UNKNOWN and action.host == incident.host:
            self._release(action, status=ActionStatus.NEEDS_HUMAN, reason=record.reason)
            self._end_run(action)
        time = incident.human_time or self.state.time
        self._update(incident, status=IncidentStatus.NEEDS_HUMAN, reason=record.reason, human_time=time)
        self._stand(self._host(incident.host), needs_human=incident.incident_id)
        return _VALID

    def _incident_closed(self, record: IncidentClosed) -> Ruling:
        incident = self._open(record.incident_id, record.host)
        if incident is None:
            return _ignore("no_open_incident")
        if any(action.is_unfinished for action in self._actions_of(incident.incident_id)):
            return _ignore("run_unfinished")
        state = self.state
        self._update(incident, status=IncidentStatus.CLOSED, reason=record.reason, closed_time=state.time)
        self._stand(self._host(incident.host), incident_id="", needs_human="")
        state.closed.append(incident.incident_id)
        while len(state.closed) > self._closed_kept:
            for action_id in state.incidents.pop(state.closed.pop(0)).actions:
                del state.actions[action_id]
        return _VALID

    def _fleet_turned(self, record: FleetRaised | FleetCleared) -> Ruling:
        reason = fleets.fold(self.state, record)
        return _ignore(reason) if reason else _VALID

    _FOLD: ClassVar[dict[type, Callable[..., Ruling]]] = {
        EngineStarted: _engine_started,
        IncidentOpened: _incident_opened,
        IncidentUpdated: _incident_updated,
        DecisionMade: _decision_made,
        RunClaimed: _run_claimed,
        RunRevoked: _run_revoked,
        RunStarted: _run_started,
        RunProgressed: _run_progressed,
        RunFinished: _run_finished,
        RunUnknown: _run_unknown,
        RunNotExecuted: _run_not_executed,
        RunVerified: _run_verified,
        HumanNeeded: _human_needed,
        IncidentClosed: _incident_closed,
        FleetRaised: _fleet_turned,
        FleetCleared: _fleet_turned,
        RulesChanged: _rules_turned,
        RulesRefused: _rules_turned,
    }

    # Steps that several rules share

    def _host(self, host: str) -> HostStanding:
        return self.state.hosts.get(host) or HostStanding(host=host)

    def _stand(self, standing: HostStanding, **changes: object) -> None:
        self.state.hosts[standing.host] = msgspec.structs.replace(standing, **changes)

    def _open(self, incident_id: str, host: str) -> Incident | None:
        incident = self.state.incidents.get(incident_id)
        return incident if incident is not None and incident.is_open and incident.host == host else None

    def _update(self, incident: Incident, **changes: object) -> None:
        self.state.incidents[incident.incident_id] = msgspec.structs.replace(incident, **changes)

    def _actions_of(self, incident_id: str) -> tuple[Action, ...]:
        incident = self.state.incidents.get(incident_id)
        return tuple(self.state.actions[action_id] for action_id in incident.actions) if incident is not None else ()

    def _claimed(self, action_id: str, claim: str, *wanted: ActionStatus) -> Action | None:
        """Give the action if this very claim holds it and it stands where it must."""
        action = self.state.actions.get(action_id)
        return action if action is not None and action.status in wanted and self.holds(action_id, claim) else None

    def _advance(self, action: Action, **changes: object) -> None:
        self.state.actions[action.action_id] = msgspec.structs.replace(action, **changes)

    def _release(self, action: Action, **changes: object) -> None:
        """Change the action and free its target and its places in groups."""
        self._advance(action, **changes)
        del self.state.unfinished[action.action_id]
        self._stand(self._host(action.host), lock="")

    def _end_run(self, action: Action) -> None:
        self._advance(self.state.actions[action.action_id], ended_time=self.state.time)
        self._stand(self._host(action.host), last_run_end=self.state.time)

    def _handle(self, signal_id: str, offset: int) -> None:
        state = self.state
        state.handled[signal_id] = offset
        state.signal_offset = max(state.signal_offset, offset)
        if len(state.handled) > self._signals_kept:
            del state.handled[next(iter(state.handled))]

    def _forget_unclaimed(self, actions: tuple[str, ...]) -> tuple[str, ...]:
        unclaimed = [a for a in actions if self.state.actions[a].status is ActionStatus.DECIDED]
        forgotten = set(unclaimed[:-UNCLAIMED_KEPT])
        for action_id in forgotten:
            del self.state.actions[action_id]
        return tuple(action_id for action_id in actions if action_id not in forgotten)


def _ignore(reason: str) -> Ruling:
    return Ruling(valid=False, reason=reason)
