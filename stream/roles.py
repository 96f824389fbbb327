"""The roles as processes: what `tidegate detect`, `tidegate engine` and `tidegate up` start."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from functools import partial
from pathlib import Path

import msgspec
import structlog
from prometheus_client import CollectorRegistry

from remediations.catalogue import check_markers
from remediations.loading import Rulebook, load_rulebook
from remediations.runner.errors import RunRefusedError
from remediations.runner.secrets import read_secrets
from stream.broker.embedded import ADDRESS, EmbeddedBroker, Ports, serves
from stream.broker.jars import Report
from stream.broker.keeper import BrokerKeeper
from stream.engine.flow import rule_files, run_engine, runner_settings
from stream.errors import SettingsError
from stream.health import Check, HealthServer
from stream.owner import FREE_SPACE, KAFKA, stop_with_owner, stop_with_signals
from stream.settings import Settings
from stream.space import FreeSpace, watch_space
from stream.supervision import STOP_SECONDS, Role, Supervisor
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
    shortage = FreeSpace(settings).shortage()
    raise SettingsError(
        f"kafka.bootstrap_servers is empty and no embedded Kafka runs in {broker_folder(settings)}: "
        + (shortage or "name a Kafka, or start `tidegate up` with the same settings")
    )


def read_files(settings: Settings) -> Rulebook:
    """All that an engine reads at its start: `tidegate check` and every start refuse the same files.

    Raises the RemediationError or SettingsError of the first that is wrong.
    """
    check_markers(Path(settings.engine.playbooks))
    try:
        read_secrets(runner_settings(settings))
    except RunRefusedError as error:
        raise SettingsError(f"engine.{error}") from error
    return load_rulebook(*map(Path, rule_files(settings)))


async def serve_engine(settings: Settings) -> None:
    """One engine until a signal or the end of its owner; a second signal hurries it."""
    read_files(settings)
    await run_engine(settings, *stop_events())


async def serve_all(settings: Settings, config: Path | None, report: Report) -> None:
    """Kafka if none is named, then every role as a supervised process, until a signal."""
    stop, hurry = stop_events()
    read_files(settings)  # what an operator wrote wrongly is told before anything is started
    space = FreeSpace(settings)
    space.check()
    with contextlib.ExitStack() as owned:
        broker = None
        if not settings.kafka.bootstrap_servers:
            broker = EmbeddedBroker(broker_folder(settings), report=report)
            owned.callback(broker.stop)
            await asyncio.to_thread(broker.start)
            settings = with_address(settings, broker.bootstrap_servers)
        await ensure_topics(settings)
        report(f"Kafka: {settings.kafka.bootstrap_servers}; metrics go to the topic {settings.topics.metrics}, "
               f"log lines to {settings.topics.logs}. Ctrl-C stops everything.")  # fmt: skip
        supervisor = Supervisor(roles(settings, config))
        watchers = [watch_space(space, partial(supervisor.tell, FREE_SPACE))]
        if broker is not None:
            watchers.append(keep(broker, space, supervisor, settings, config))
        await supervise(supervisor, stop, hurry, watchers)
    log.info("stopped")


async def supervise(
    supervisor: Supervisor, stop: asyncio.Event, hurry: asyncio.Event, watchers: Sequence[Coroutine[None, None, None]]
) -> None:
    """Run the roles until told to stop; what they need is watched until the last of them has ended."""
    async with asyncio.TaskGroup() as tasks:
        watching = [tasks.create_task(watcher) for watcher in watchers]
        await supervisor.run(stop, hurry)
        for watcher in watching:
            watcher.cancel()


async def keep(
    broker: EmbeddedBroker, space: FreeSpace, supervisor: Supervisor, settings: Settings, config: Path | None
) -> None:
    """Keep the embedded Kafka running; the roles hear of its troubles, and follow when it moves."""

    def follow() -> None:
        supervisor.change(roles(with_address(settings, broker.bootstrap_servers), config))

    await BrokerKeeper(broker, space, tell=partial(supervisor.tell, KAFKA), moved=follow).run()


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
