"""Drift on a real Kafka: no trouble, and written down only where a rule answers to it."""

import asyncio
from pathlib import Path

import msgspec

from detectors.signals import HostState, Signal, SignalKind
from remediations.ledger import Ledger
from remediations.records import DecisionMade, IncidentClosed, IncidentOpened, IncidentUpdated
from tests.engines import FakeRunner, Fleet, Rules, cleared, fleet, policy, raised, status
from tests.kafka import Kafka


def drifted(host: str = "h1") -> Signal:
    """A level of the host has moved."""
    return msgspec.structs.replace(raised(host), id=f"{host}-drift-raised", kind=SignalKind.DRIFT)


def answer_drift(one: Fleet) -> None:
    """Let the fleet's rule answer drift, too."""
    whole = msgspec.yaml.decode(policy(Rules(mode="observe")))
    whole["rules"][0]["match"] = {"kinds": ["anomaly", "drift"]}
    (one.folder / "policy.yml").write_bytes(msgspec.yaml.encode(whole))


async def test_where_no_rule_answers_it_a_drift_is_no_incident(kafka: Kafka, tmp_path: Path) -> None:
    """The anomaly that comes after it is one; the end of the drift changes nothing."""
    async with fleet(kafka, tmp_path, Rules(mode="observe")) as one:
        async with one.engine(runner=FakeRunner()):
            await one.publish(status("h1", HostState.NORMAL), drifted())
            anomaly = await one.fail("h1")
            await one.wait_for("incident.opened")
            await one.publish(cleared(drifted()))
            await one.recover(anomaly)
            records = await one.wait_for("incident.closed")
        (opened,) = [record for record in records if isinstance(record, IncidentOpened)]
        assert opened.signal.kind is SignalKind.ANOMALY
        kinds = [record.kind for record in records if isinstance(record, IncidentUpdated)]
        assert kinds == [SignalKind.ANOMALY]


async def test_a_rule_may_answer_it_and_the_incident_ends_with_it(kafka: Kafka, tmp_path: Path) -> None:
    """An incident of kind drift, decided on like any other, which stops no learning; it closes when that clears."""
    async with fleet(kafka, tmp_path) as one:
        answer_drift(one)
        async with one.engine(runner=FakeRunner()):
            await one.publish(status("h1", HostState.NORMAL), drifted())
            records = await one.wait_for("decision.made")
            (incident,) = (await one.ledger()).open_incidents()
            assert (incident.signal.kind, incident.is_trouble) == (SignalKind.DRIFT, False)
            await one.publish(cleared(drifted()))
            records = await one.wait_for("incident.closed")
        assert [record.rule for record in records if isinstance(record, DecisionMade)] == ["append-on-anomaly"]
        assert [record.reason for record in records if isinstance(record, IncidentClosed)] == ["recovered"]


async def test_trouble_takes_the_incident_over(kafka: Kafka, tmp_path: Path) -> None:
    """An anomaly during a drift is what the incident is about from then on: its evidence is what is explained."""
    async with fleet(kafka, tmp_path) as one:
        answer_drift(one)
        async with one.engine(runner=FakeRunner()):
            await one.publish(status("h1", HostState.NORMAL), drifted())
            await one.wait_for("decision.made")
            anomaly = await one.fail("h1")
            await one.wait_for("incident.updated")
            (incident,) = (await one.ledger()).open_incidents()
            assert (incident.signal.id, list(incident.raised), incident.is_trouble) == (anomaly.id, [anomaly.id], True)
            await one.recover(anomaly)
            await one.wait_for("incident.closed")
            await one.publish(cleared(drifted()))
            await asyncio.sleep(0.5)
        assert (await one.tags())[-1] == "incident.closed"


async def test_a_drift_during_trouble_is_no_news(kafka: Kafka, tmp_path: Path) -> None:
    """It neither joins the incident nor keeps it open."""
    async with fleet(kafka, tmp_path) as one:
        answer_drift(one)
        async with one.engine(runner=FakeRunner()):
            anomaly = await one.fail("h1")
            await one.wait_for("incident.opened")
            await one.publish(drifted())
            await asyncio.sleep(0.5)
            await one.recover(anomaly)
            await one.wait_for("incident.closed")
        ledger: Ledger = await one.ledger()
        assert not ledger.open_incidents()
        assert not ledger.is_handled(drifted().id)
