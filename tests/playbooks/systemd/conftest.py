"""The shipped playbooks, services and hosts: one fleet and one warm parent for all tests here."""

from collections.abc import Iterator

import pytest

from deploy.testfleet import Fleet
from remediations.runner import WarmParent
from tests.playbooks.systemd.hosts import FleetStage, Hosts
from tests.playbooks.warm import wait_ready
from tests.testfleet import fleet

__all__ = ["fleet"]


@pytest.fixture(scope="session")
def installed(fleet: Fleet) -> Hosts:
    """The hosts with their services."""
    hosts = Hosts(fleet)
    hosts.install()
    return hosts


@pytest.fixture(scope="session")
def prepared(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FleetStage]:
    """Runs against the hosts, forked from a warm parent."""
    stage = FleetStage(tmp_path_factory.mktemp("stage"), fleet)
    with WarmParent(stage.settings) as parent:
        stage.parent = wait_ready(parent)
        yield stage


@pytest.fixture
def hosts(installed: Hosts) -> Hosts:
    """The hosts as in the beginning."""
    installed.reset()
    return installed


@pytest.fixture
def stage(prepared: FleetStage, hosts: Hosts) -> FleetStage:
    """Runs against hosts that are as in the beginning."""
    assert hosts.fleet is prepared.fleet
    return prepared
