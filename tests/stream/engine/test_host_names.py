"""Hosts that the inventory spells in another way than records do, on a real Kafka with real Ansible."""

from pathlib import Path

from remediations.records import DecisionMade, RunFinished
from remediations.runs import RunStatus
from tests.engines import fleet
from tests.kafka import Kafka


async def test_a_host_is_repaired_that_the_inventory_spells_in_upper_case(kafka: Kafka, tmp_path: Path) -> None:
    """The run reaches the inventory's H1, the incident stays one of h1, and it ends as any other."""
    async with fleet(kafka, tmp_path) as one:
        inventory = tmp_path / "inventory.yml"
        inventory.write_text(inventory.read_text().replace("h1:", "H1:"))
        async with one.engine():
            signal = await one.fail()
            await one.wait_for("run.finished", seconds=60)
            await one.recover(signal)
            records = await one.wait_for("incident.closed")
        (finished,) = [record for record in records if isinstance(record, RunFinished)]
        assert (finished.status, finished.host, set(finished.hosts)) == (RunStatus.SUCCESSFUL, "h1", {"H1"})
        assert one.effects() == [finished.action_id]


async def test_a_host_that_is_in_no_inventory_is_told_as_such(kafka: Kafka, tmp_path: Path) -> None:
    """The audit log names the host and the nearest name that is there."""
    async with fleet(kafka, tmp_path) as one:
        async with one.engine():
            await one.fail("h12")
            records = await one.wait_for("decision.made")
        (decision,) = [record for record in records if isinstance(record, DecisionMade)]
        assert decision.reason == "host_unknown"
        assert decision.gates[-1].value == "h12; the nearest name there is h1"
