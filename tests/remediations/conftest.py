"""A target that is reached by ssh."""

from collections.abc import Iterator

import pytest

from tests.playbooks.sshd import PROGRAM, Sshd, running_sshd


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """One sshd for the tests of a module."""
    if PROGRAM is None:
        pytest.skip("there is no sshd on this system")
    with running_sshd(tmp_path_factory.mktemp("sshd")) as running:
        yield running
