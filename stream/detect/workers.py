"""A detect worker: the Faust app put together from its parts, run until it is told to stop."""

import asyncio
import contextlib
import os
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from typing import NoReturn, cast

import faust
import structlog
from faust.app.base import BootStrategy
from faust.types import StreamT
from prometheus_client import CollectorRegistry
from yarl import URL

from detectors.compiled import warm
from detectors.settings import DetectorSettings
from detectors.shard import Shard
from stream.detect.commands import Relay
from stream.detect.deadletters import DeadLetters
from stream.detect.feeds import FeedWatch
from stream.detect.flow import Detect
from stream.detect.ingest import Feed, Ingest
from stream.detect.orders import Orders
from stream.detect.outbox import Outbox
from stream.detect.saves import ModelsTopic
from stream.detect.shards import Shards
from stream.detect.state import ShardFactory, StateTopic
from stream.detect.transport import (
    FAIL_STOP_STATUS,
    REQUEST_SECONDS,
    BatchConsumer,
    BatchSchema,
    BatchTransport,
    KafkaBatch,
    PartitionOwner,
    fail_stop,
)
from stream.detect.watch import Watch
from stream.kafka import open_producer
from stream.metrics import DetectMetrics
from stream.settings import DetectSettings, Settings
from stream.topics import ensure_topics
from stream.wire import WireLimits

log = structlog.get_logger()

TICK_SECONDS = 1.0
COMMIT_SECONDS = 0.5
FETCH_RECORDS_MAXIMUM = 2000
# Fetched batches that may wait for an agent, of one topic's channel.
WAITING_BATCHES_MAXIMUM = 8
REBALANCE_SECONDS = 30.0
# A clean stop that takes longer is given up: nothing is lost by it, and supervisors kill after 30 s.
STOP_SECONDS = 25.0


class NoWeb(BootStrategy):
    """Faust without its web server, which serves without any authentication; `web_enabled` alone does not stop it."""

    enable_web = False


class DetectApp(faust.App):
    """The app: an exception that leaves an agent ends the process before anything of its batch is committed.

    It has no tables of Faust's, so it needs no folder for them: a worker that is killed leaves nothing behind.
    """

    BootStrategy = NoWeb

    async def _on_agent_error(self, agent: object, exc: BaseException) -> NoReturn:
        fail_stop(f"agent {agent} raised {exc!r}")

    def _create_directories(self) -> None:
        pass

    def _on_rebalance_when_stopped(self) -> None:
        """The stop leaves the group; Faust would close the client on the wrong loop, before the last commit."""


def new_app(settings: Settings, owner: PartitionOwner) -> DetectApp:
    """An app without agents, on the batch transport."""
    app = DetectApp(
        settings.detect.group,
        broker=[URL(f"kafka://{server.strip()}") for server in settings.kafka.bootstrap_servers.split(",")],
        autodiscover=False,
        stream_wait_empty=True,
        stream_buffer_maxsize=WAITING_BATCHES_MAXIMUM,
        stream_recovery_delay=0.0,
        broker_commit_interval=COMMIT_SECONDS,
        broker_max_poll_records=FETCH_RECORDS_MAXIMUM,
        broker_max_poll_interval=300.0,
        broker_session_timeout=settings.detect.session_timeout_seconds,
        broker_heartbeat_interval=settings.detect.session_timeout_seconds / 4,
        broker_rebalance_timeout=REBALANCE_SECONDS,
        broker_request_timeout=REQUEST_SECONDS,
        consumer_auto_offset_reset="earliest",
        table_standby_replicas=0,
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
    )
    app.transport = BatchTransport(app.conf.broker_consumer, app, owner)
    return app


def add_agent(
    app: DetectApp, name: str, topics: Sequence[str], handle: Callable[[KafkaBatch], Awaitable[None]]
) -> None:
    """Have `handle` called with the batches of `topics`, one at a time."""

    async def agent(batches: StreamT[KafkaBatch]) -> None:
        async for batch in batches:
            await handle(batch)

    app.agent(app.topic(*topics, schema=BatchSchema()), name=name, concurrency=1)(agent)


def default_shards(detect: DetectSettings) -> ShardFactory:
    """Makes the models in use, with what the settings choose of them."""
    chosen = DetectorSettings(
        threshold=detect.threshold,
        warmup_rows=detect.warmup_rows,
        pause_maximum_seconds=detect.pause_maximum_seconds,
        silence_seconds=detect.silence_seconds,
        hosts_maximum=detect.hosts_maximum,
        series_maximum=detect.series_maximum,
        series_full_maximum=detect.series_full_maximum,
        watch=detect.watch,
        full_scales=detect.full_scales,
        drift=detect.drift,
    )
    return lambda partition: Shard(partition, chosen, seed=0)


def feeds_of(settings: Settings) -> tuple[Feed, ...]:
    """The users' topics and what is expected in them."""
    return (
        Feed(settings.topics.metrics, "telegraf", "metrics"),
        Feed(settings.topics.logs, "auto", "logs"),
    )


def limits_of(detect: DetectSettings) -> WireLimits:
    """What the settings say of the wire limits."""
    return WireLimits(
        record_bytes_maximum=detect.record_bytes_maximum,
        past_maximum_seconds=detect.past_maximum_seconds,
        future_maximum_seconds=detect.future_maximum_seconds,
    )


class DetectWorker:
    """The parts of one worker, wired; made by `detect_worker`."""

    def __init__(
        self, settings: Settings, metrics: DetectMetrics, make_shard: ShardFactory, outbox: Outbox, state_outbox: Outbox
    ) -> None:
        topics, detect = settings.topics, settings.detect
        models = ModelsTopic(settings.kafka, topics.models, state_outbox)
        state = StateTopic(settings.kafka, topics.state, state_outbox)
        dead_letters = DeadLetters(outbox, topics.deadletter)
        feeds = feeds_of(settings)
        self.shards = Shards(topics.samples, state, make_shard, detect.state_bytes_per_second, metrics)
        self.watch = Watch(self.shards, outbox, (topics.samples, topics.signals), detect.roster_seconds, metrics)
        self.ingest = Ingest(feeds, topics.samples, limits_of(detect), outbox, dead_letters, metrics)
        orders = Orders(models, topics.commands, outbox)
        self.detect = Detect(self.shards, topics.signals, orders, outbox, dead_letters, metrics)
        relay_topics = topics.commands, topics.samples
        self.relay = Relay(relay_topics, detect.past_maximum_seconds, outbox, dead_letters, metrics)
        self.feed_watch = FeedWatch({feed.source: feed.topic for feed in feeds})
        self._settings = settings
        self._feeds = feeds

    @property
    def is_ready(self) -> bool:
        """Whether the worker is a member of the group and has the state of its partitions, if it has any."""
        return self.shards.recovered.is_set()

    def pause_hosts(self, hosts: Sequence[str] | frozenset[str]) -> None:
        """Learning pauses on exactly these hosts, from now on."""
        self.shards.pause(hosts)

    def new_app(self) -> DetectApp:
        """The Faust app with its agents."""
        app = new_app(self._settings, self.shards)
        add_agent(app, "ingest", [feed.topic for feed in self._feeds], self.ingest.handle)
        add_agent(app, "relay", [self._settings.topics.commands], self.relay.handle)
        add_agent(app, "detect", [self._settings.topics.samples], self.detect.handle)
        return app

    async def tick_forever(self, app: DetectApp) -> None:
        """Look for silence and tell the roster, every second, until cancelled."""
        while True:
            await asyncio.sleep(TICK_SECONDS)
            if self.is_ready:
                await self.watch.turn(cast("BatchConsumer", app.consumer).fetch_state)

    async def look_at_feeds_forever(self, app: DetectApp) -> None:
        """See every second whether the topics are there and read, until cancelled."""
        await self.feed_watch.look_forever(cast("BatchConsumer", app.consumer).look_at_topics)


type Companion = Callable[[DetectWorker], Coroutine[object, object, None]]
"""Something that runs beside the agents until it is cancelled, such as a health server."""


@contextlib.asynccontextmanager
async def detect_worker(
    settings: Settings, metrics: DetectMetrics, make_shard: ShardFactory | None = None
) -> AsyncIterator[DetectWorker]:
    """A worker with its connections open and its topics made or checked. Raises TopicError or UnreachableError."""
    await ensure_topics(settings)
    async with contextlib.AsyncExitStack() as opened:
        outboxes = []
        # Large pages travel on a connection of their own: no signal waits behind them.
        for client_id in ("tidegate-detect", "tidegate-detect-state"):
            producer = await open_producer(settings.kafka, client_id=client_id)
            opened.push_async_callback(producer.stop)
            outboxes.append(Outbox(producer))
        yield DetectWorker(settings, metrics, make_shard or default_shards(settings.detect), *outboxes)


async def run_worker(
    settings: Settings,
    stop: asyncio.Event,
    metrics: DetectMetrics | None = None,
    *,
    make_shard: ShardFactory | None = None,
    companions: Sequence[Companion] = (),
) -> None:
    """Run one detect worker until `stop` is set, and stop cleanly within 25 s, or exit with status 70 after that.

    `companions` run beside it. A failure that waiting cannot cure ends the process with status 70, committing nothing
    more. Raises TopicError or UnreachableError if it cannot begin.
    """
    metrics = metrics or DetectMetrics(CollectorRegistry())
    with stop_deadline(stop):
        if make_shard is None:  # not later: while kernels are compiled, on a fresh machine, nothing else is done
            await asyncio.to_thread(warm)
        async with detect_worker(settings, metrics, make_shard) as worker:
            await run_app(worker, worker.new_app(), stop, companions)


async def run_app(worker: DetectWorker, app: DetectApp, stop: asyncio.Event, companions: Sequence[Companion]) -> None:
    """Run the agents, and all that runs beside them, until `stop` is set."""
    await app.start()
    tasks = [
        supervised("save", worker.shards.save_forever()),
        supervised("tick", worker.tick_forever(app)),
        supervised("feeds", worker.look_at_feeds_forever(app)),
        *(supervised(f"companion {number}", run(worker)) for number, run in enumerate(companions)),
    ]
    await app.wait(stop.wait())
    if app.crash_reason is not None:
        fail_stop(f"Faust crashed: {app.crash_reason!r}")
    await app.stop()
    await cancelled(tasks)


def supervised(name: str, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
    """A task that ends the process if it fails."""

    def on_end(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            fail_stop(f"{name} failed: {error!r}")

    task = asyncio.create_task(work, name=name)
    task.add_done_callback(on_end)
    return task


async def cancelled(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel the tasks and wait for their end."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.contextmanager
def stop_deadline(stop: asyncio.Event) -> Iterator[None]:
    """End the process if the block goes on too long after `stop`: it can hang in a join, or in a Kafka that is away."""
    timer = threading.Timer(STOP_SECONDS, os._exit, (FAIL_STOP_STATUS,))
    timer.daemon = True

    async def arm() -> None:
        await stop.wait()
        timer.start()

    arming = asyncio.create_task(arm())
    try:
        yield
    finally:
        arming.cancel()
        timer.cancel()
