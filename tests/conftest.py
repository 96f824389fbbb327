"""Fixtures that all tests may use."""

import faulthandler
import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stream.broker.embedded import EmbeddedBroker
from tests.kafka import Kafka, running_kafka

LINES = 40  # of a failure that are shown at once
HANGING_SECONDS = float(os.environ.get("TESTS_HANGING_SECONDS", "700"))  # longer than the time-out of any test


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


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """End a worker whose test hangs in its cleaning up, after its time-out: xdist says so and starts another one."""

    def give_up() -> None:
        sys.__stderr__.write(f"\n{item.nodeid} hangs:\n")
        faulthandler.dump_traceback(sys.__stderr__)
        os._exit(1)

    timer = threading.Timer(HANGING_SECONDS, give_up)
    timer.daemon = True
    timer.start()
    try:
        return (yield)
    finally:
        timer.cancel()


@pytest.hookimpl(trylast=True)
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Say at once what failed: a run that is cut off has no summary."""
    if report.failed and not os.environ.get("PYTEST_XDIST_WORKER"):
        head = f"{report.nodeid}: {report.when} failed after {report.duration:.0f} s"
        sys.stdout.write("\n".join(["", head, *report.longreprtext.splitlines()[-LINES:], ""]))
        sys.stdout.flush()
