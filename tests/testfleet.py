"""Real systemd hosts for tests; a conftest that imports `fleet` offers them."""

from collections.abc import Iterator

import pytest

from deploy.testfleet import Fleet, missing, running_fleet

HOSTS = ("web-1", "web-2")


@pytest.fixture(scope="session")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Two hosts for all tests of a session; where there can be none, the tests that want them are skipped."""
    reason = missing()
    if reason:
        pytest.skip(reason)
    with running_fleet(tmp_path_factory.mktemp("fleet"), HOSTS) as running:
        yield running
