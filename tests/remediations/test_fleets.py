"""Fleet events: what the log and the inventory say of a group, who is heard, and what a policy makes of it."""

from collections.abc import Sequence

import msgspec
import pytest

from detectors.fleet import CommonMetric, FleetSettings
from detectors.signals import Evidence, SeriesEvidence, SignalKind, SignalState
from remediations.decisions import Decision, decide
from remediations.fleets import event_of, fold, raised, turns
from remediations.gates import CLAIM_GATES, ask
from remediations.inventory import Inventory
from remediations.ledger import Ruling
from remediations.policies import FleetEvents, Match, Policy, RuleMode
from remediations.records import FleetCleared, FleetRaised, Verdict
from tests.remediations.stories import (
    LIMITS,
    NOW,
    PLAYBOOKS,
    Log,
    decided,
    opened,
    policy,
    rule,
    signal,
    status,
    updated,
)
from tests.remediations.stories import claimed as claim_of

WEB = tuple(f"web-{number}" for number in range(1, 7))
GROUPS = ("fleet", "web")
ALL = (*WEB, "db-1", "db-2")
INVENTORY = Inventory(
    hosts={host: {"service_name": "shop"} for host in ALL},
    host_groups={host: GROUPS if host in WEB else ("db", "fleet") for host in ALL},
    groups={"all": ALL, "db": ("db-1", "db-2"), "fleet": ALL, "web": WEB},
)
SETTINGS = FleetSettings(groups=("web",))
WINDOW = SETTINGS.window_seconds


def log_of(*hosts: str, kind: SignalKind = SignalKind.ANOMALY) -> Log:
    """A log with an open incident of each host, which blames `disk.wait`."""
    log = Log()
    evidence = Evidence(series=(SeriesEvidence("disk.wait", 9.0, 1.0, 0.0, 2.0, 3.0),))
    for host in hosts:
        found = signal(f"s-{host}", host, time=log.time, kind=kind)
        log.append(opened(host, 1, msgspec.structs.replace(found, evidence=evidence)))
    return log


def look(log: Log, now: float, settings: FleetSettings = SETTINGS) -> list[FleetRaised | FleetCleared]:
    """What an engine would write."""
    return list(turns(log.ledger.state, INVENTORY, settings, now))


def clear(log: Log, *hosts: str, time: float) -> None:
    """The signals of these hosts clear at this event time."""
    for host in hosts:
        incident = log.ledger.incident_of(host)
        assert incident is not None
        record = updated(incident, f"c-{host}", SignalState.CLEARED, raised_id=f"s-{host}")
        log.append(msgspec.structs.replace(record, signal_time=time))


def in_event(*hosts: str) -> Log:
    """A log in which these hosts are in trouble and the event of their group is raised."""
    log = log_of(*hosts)
    (record,) = look(log, log.time)
    assert log.append(record).valid
    return log


def test_three_of_six_are_one_matter_and_two_are_not() -> None:
    """The event names the hosts, the first one first, and what they have in common."""
    assert [] == look(log_of("web-2", "web-5"), NOW + 9.0)
    (record,) = look(log_of("web-2", "web-5", "web-1"), NOW + 9.0)
    assert isinstance(record, FleetRaised)
    seen = record.view
    assert ("web", 1, 0.3) == (record.group, record.episode, record.share_minimum)
    assert (6, 3, 0.5, ("web-2", "web-5", "web-1")) == (seen.known, seen.affected, seen.share, seen.hosts)
    assert (CommonMetric("disk.wait", 3, 3),) == seen.common


@pytest.mark.parametrize(
    ("name", "hosts", "groups", "expected"),
    [
        ("every group but all", WEB, (), ["fleet", "web"]),
        ("a group that is named", WEB, ("fleet",), ["fleet"]),
        ("even all", ALL, ("all",), ["all"]),
        ("hosts that are nowhere", ("x-1", "x-2", "x-3"), (), []),
        ("a third of a larger group", ("web-1", "web-2", "db-1"), (), ["fleet"]),
    ],
)
def test_groups_are_those_of_the_inventory(
    name: str, hosts: Sequence[str], groups: tuple[str, ...], expected: list[str]
) -> None:
    """A group is what the inventory says, its size too; without a choice all groups are looked at, but `all`."""
    found = look(log_of(*hosts), NOW + 9.0, FleetSettings(groups=groups))
    assert expected == [record.group for record in found], name


def test_silence_counts_and_drift_does_not() -> None:
    """Hosts that fell silent are in trouble; a level that moved is not."""
    (record,) = look(log_of(*WEB[:3], kind=SignalKind.SILENCE), NOW + 9.0)
    assert 3 == record.view.silent
    assert [] == look(log_of(*WEB[:3], kind=SignalKind.DRIFT), NOW + 9.0)


def test_it_is_raised_once_and_cleared_once() -> None:
    """While it is raised nothing new is said; a whole window after too few were in trouble it clears."""
    log = in_event(*WEB[:3])
    assert [] == look(log, log.time + 10.0)
    recovery = log.time + 100.0
    clear(log, *WEB[:3], time=recovery)
    assert [] == look(log, recovery + WINDOW)
    (record,) = look(log, recovery + WINDOW + 0.1)
    assert isinstance(record, FleetCleared)
    assert log.append(record).valid
    assert ((), []) == (raised(log.ledger.state), look(log, recovery + WINDOW + 0.2))


def test_the_next_event_has_another_name() -> None:
    """Ids are of group and episode: the same on every engine, and never used again."""
    log = in_event(*WEB[:3])
    (first,) = raised(log.ledger.state)
    clear(log, *WEB[:3], time=log.time)
    (over,) = look(log, log.time + WINDOW + 1.0)
    assert log.append(over).valid
    log.time += 2.0 * WINDOW
    for host in WEB[3:]:
        log.open(host)
    (second,) = look(log, log.time)
    assert isinstance(second, FleetRaised)
    assert (1, 2) == (first.episode, second.episode)
    assert first.fleet_id != second.fleet_id


def test_of_two_engines_the_first_is_heard() -> None:
    """Both see the same and write the same; the second record changes nothing but a count."""
    log = log_of(*WEB[:3])
    (record,) = look(log, log.time)
    later = look(log, log.time + 5.0)[0]
    assert isinstance(later, FleetRaised)
    assert record.fleet_id == later.fleet_id
    rulings = [log.append(record), log.append(later)]
    assert [Ruling(valid=True), Ruling(valid=False, reason="fleet_raised")] == rulings
    assert (record,) == raised(log.ledger.state)
    (done,) = look(log, log.time + 1e6, FleetSettings(groups=("db",)))
    assert isinstance(done, FleetCleared)
    assert ["", "no_fleet_event"] == [fold(log.ledger.state, done), fold(log.ledger.state, done)]
    assert "wrong_episode" == fold(log.ledger.state, record)


def test_a_group_that_is_gone_has_no_event() -> None:
    """An event ends when the inventory or the policy does not have its group any more."""
    log = in_event(*WEB[:3])
    for inventory, settings in ((Inventory(), SETTINGS), (INVENTORY, FleetSettings(groups=("db",)))):
        (record,) = turns(log.ledger.state, inventory, settings, log.time)
        assert isinstance(record, FleetCleared)


def weighed(log: Log, rules: Policy, host: str = "web-1") -> Decision:
    """The decision on the host's open incident."""
    incident = log.ledger.incident_of(host)
    assert incident is not None
    roster = {host: status(host, time=log.time, last_sample_time=log.time)}
    return decide(incident, rules, log.ledger, roster, INVENTORY, PLAYBOOKS, log.time)


def test_a_policy_may_refuse_to_act_on_single_hosts_meanwhile() -> None:
    """Unless fleet events are allowed the gate denies and says how many of which group; then it only tells."""
    log = in_event(*WEB[:3])
    refused = weighed(log, policy()).record
    assert (Verdict.DENY, "fleet_event", "3 of 6 in web") == (refused.verdict, refused.reason, refused.gates[-1].value)
    allowed = weighed(log, policy(fleet_events=FleetEvents.ALLOW)).record
    assert Verdict.RUN is allowed.verdict
    assert "3 of 6 in web" in [gate.value for gate in allowed.gates]
    alone = weighed(log_of("web-1"), policy(fleet_events=FleetEvents.REFUSE)).record
    assert Verdict.RUN is alone.verdict


def test_a_rule_for_fleet_events_answers_them() -> None:
    """It comes first while the event is raised, may act even where others are refused, and knows the share."""
    mine = rule(name="all-together", mode=RuleMode.AUTO, match=Match(kinds=(SignalKind.FLEET,), score_minimum=0.5))
    rules = policy(mine, rule(), fleet_events=FleetEvents.REFUSE)
    during = weighed(in_event(*WEB[:3]), rules).record
    assert ("all-together", Verdict.RUN) == (during.rule, during.verdict)
    before = weighed(log_of("web-1"), rules).record
    assert ("restart-on-anomaly", Verdict.RUN) == (before.rule, before.verdict)


def test_a_claim_is_refused_by_the_log_itself() -> None:
    """An engine that decided just before the event was raised is too late: the fold asks the same gate."""
    log = log_of(*WEB[:3])
    incident = log.ledger.incident_of("web-1")
    assert incident is not None
    log.append(decided(incident))
    log.append(look(log, log.time)[0])
    limits = msgspec.structs.replace(LIMITS, refuses_fleet_events=True)
    assert Ruling(valid=False, reason="fleet_event") == log.append(claim_of(incident, limits=limits))
    assert log.append(claim_of(incident)).valid
    facts = log.ledger.facts(incident.incident_id, "web-2", limits, log.time)
    assert "fleet_event" in [result.reason for result in ask(CLAIM_GATES, facts)]


def test_of_several_events_the_larger_share_counts() -> None:
    """A host may be in several groups that are in trouble."""
    log = log_of(*WEB[:4])
    for record in look(log, log.time, FleetSettings()):
        log.append(record)
    found = event_of(log.ledger.state, GROUPS)
    assert found is not None
    assert "web" == found.group
    assert event_of(log.ledger.state, ("db",)) is None
