"""Fixtures that all tests may use."""

import faulthandler
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stream.broker.embedded import EmbeddedBroker
from tests.kafka import Kafka, running_kafka

LINES = 40  # of a failure that are shown at once
HANGING_SECONDS = 450.0  # longer than the time-out of any test


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """One Kafka for all tests of a run: never stop it, and name topics by `kafka.settings()`."""
    with running_kafka(tmp_path_factory.mktemp("kafka")) as running:
        yield running


@pytest.fixture
def private_broker(tmp_path: Path) -> Iterator[Callable[[], EmbeddedBroker]]:
    """Start embedded brokers of the test's own, to stop, kill and start as it likes; they are gone afterwards."""
    brokers: list[EmbeddedBroker] = []

    def start() -> EmbeddedBroker:
        brokers.append(EmbeddedBroker(tmp_path / f"broker-{len(brokers)}"))
        return brokers[-1].start()

    yield start
    for broker in brokers:
        broker.stop()


def give_up_later() -> None:
    """End this process when a test hangs where its time-out does not reach: in its cleaning up, or in compiled code."""
    faulthandler.dump_traceback_later(HANGING_SECONDS, exit=True, file=sys.__stderr__)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol() -> Iterator[None]:
    """Give up a test that hangs: xdist says which one it was, and goes on with another worker."""
    give_up_later()
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()


@pytest.hookimpl(trylast=True)
def pytest_exception_interact() -> None:
    """Still give it up if it has failed: pytest cancels that for the sake of debuggers."""
    give_up_later()


@pytest.hookimpl(trylast=True)
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Say at once what failed: a run that is cut off has no summary."""
    if report.failed and not os.environ.get("PYTEST_XDIST_WORKER"):
        head = f"{report.nodeid}: {report.when} failed after {report.duration:.0f} s"
        sys.stdout.write("\n".join(["", head, *report.longreprtext.splitlines()[-LINES:], ""]))
        sys.stdout.flush()
