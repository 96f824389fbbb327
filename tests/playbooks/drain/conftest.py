"""Two web servers behind a balancer, and the stage that drains the first of them."""

from collections.abc import Iterator

import pytest

from tests.playbooks.drain.service import WebServer
from tests.playbooks.drain.stage import DrainStage
from tests.playbooks.warm import parent_for


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, WebServer]]:
    """The web servers behind the balancer."""
    servers = {name: WebServer(name) for name in ("web-1", "web-2")}
    yield servers
    for server in servers.values():
        server.stop()


@pytest.fixture(scope="module")
def warm_stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DrainStage]:
    """One stage for the tests of a module, so that its runs come from one warm parent."""
    stage = DrainStage(tmp_path_factory.mktemp("stage"))
    with parent_for("warm", stage.settings) as stage.parent:
        yield stage
