"""The roles as processes: what `tidegate detect`, `tidegate engine` and `tidegate up` start."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import msgspec
import structlog
from prometheus_client import CollectorRegistry

from remediations.loading import load_rulebook
from stream.broker.embedded import ADDRESS, EmbeddedBroker, Ports, serves
from stream.broker.jars import Report
from stream.engine.flow import rule_files, run_engine
from stream.errors import SettingsError
from stream.health import Check, HealthServer
from stream.settings import Settings
from stream.supervision import STOP_SECONDS, Role, Supervisor, stop_with_owner, stop_with_signals
from stream.topics import ensure_topics

log = structlog.get_logger()

RUN_SECONDS_MAXIMUM = 86_400.0
"""Longer than any run may take."""
ORPHAN_SECONDS = 20.0


def broker_folder(settings: Settings) -> Path:
    """Where the embedded Kafka keeps its data."""
    return Path(settings.state_folder) / "kafka"


def with_address(settings: Settings, bootstrap_servers: str) -> Settings:
    """The settings with this Kafka."""
    kafka = msgspec.structs.replace(settings.kafka, bootstrap_servers=bootstrap_servers)
    return msgspec.structs.replace(settings, kafka=kafka)


def connected(settings: Settings) -> Settings:
    """The settings with the running embedded Kafka, if they name no other. Raises SettingsError if none runs."""
    if settings.kafka.bootstrap_servers:
        return settings
    ports = broker_folder(settings) / "ports.json"
    if ports.exists():
        port = msgspec.json.decode(ports.read_bytes(), type=Ports).client
        if serves(port):
            return with_address(settings, f"{ADDRESS}:{port}")
    raise SettingsError(
        f"kafka.bootstrap_servers is empty and no embedded Kafka runs in {broker_folder(settings)}: "
        "name a Kafka, or start `tidegate up` with the same settings"
    )


async def serve_engine(settings: Settings) -> None:
    """One engine until a signal or the end of its owner; a second signal hurries it."""
    await run_engine(settings, *stop_events())


async def serve_all(settings: Settings, config: Path | None, report: Report) -> None:
    """Kafka if none is named, then every role as a supervised process, until a signal."""
    stop, hurry = stop_events()
    load_rulebook(*map(Path, rule_files(settings)))  # what an operator wrote wrongly is told before anything is started
    with contextlib.ExitStack() as owned:
        if not settings.kafka.bootstrap_servers:
            broker = EmbeddedBroker(broker_folder(settings), report=report)
            owned.callback(broker.stop)
            await asyncio.to_thread(broker.start)
            settings = with_address(settings, broker.bootstrap_servers)
        await ensure_topics(settings)
        report(f"Kafka: {settings.kafka.bootstrap_servers}; metrics go to the topic {settings.topics.metrics}, "
               f"log lines to {settings.topics.logs}. Ctrl-C stops everything.")  # fmt: skip
        await Supervisor(roles(settings, config)).run(stop, hurry)


def roles(settings: Settings, config: Path | None) -> list[Role]:
    """The processes of `tidegate up`."""
    program = (sys.executable, "-P", "-m", "console.cli")
    options = ["--bootstrap-servers", settings.kafka.bootstrap_servers, *(["--config", str(config)] if config else [])]
    return [
        *(
            Role(f"detect-{number}", (*program, "detect", "--number", str(number), *options))
            for number in range(settings.detect.workers)
        ),
        Role("engine", (*program, "engine", *options), engine_stop_seconds(settings)),
    ]


def engine_stop_seconds(settings: Settings) -> float:
    """How long the engine may take to stop: it waits for its runs by itself, and says so."""
    grace_seconds = settings.engine.stop_grace_seconds
    return STOP_SECONDS + (RUN_SECONDS_MAXIMUM if grace_seconds is None else grace_seconds)


def stop_events() -> tuple[asyncio.Event, asyncio.Event]:
    """Two events: stop, which the first signal and the end of the owner set, and hurry, which the next signal does.

    Whose owner is gone hurries by itself after a while: it stands in the way of the owner's next start.
    """
    stop, hurry = asyncio.Event(), asyncio.Event()

    def signalled() -> None:
        (hurry if stop.is_set() else stop).set()

    def orphaned() -> None:
        stop.set()
        asyncio.get_running_loop().call_later(ORPHAN_SECONDS, hurry.set)

    stop_with_signals(signalled)
    stop_with_owner(orphaned)
    return stop, hurry


def stop_event() -> asyncio.Event:
    """An event that SIGTERM, SIGINT and the end of the owner set."""
    stop = asyncio.Event()
    stop_with_signals(stop.set)
    stop_with_owner(stop.set)
    return stop


@contextlib.asynccontextmanager
async def health(
    settings: Settings, port: int, registry: CollectorRegistry, checks: Mapping[str, Check]
) -> AsyncIterator[None]:
    """The health server of a role, for as long as the block lasts. Raises SettingsError if its port is taken."""
    server = HealthServer(settings.health_address, port, registry, checks)
    try:
        await server.start()
    except OSError as error:
        raise SettingsError(f"health server: cannot listen on {settings.health_address}:{port}: {error}") from error
    log.info("health server listens", address=settings.health_address, port=server.port)
    try:
        yield
    finally:
        await server.stop()
