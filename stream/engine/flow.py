"""The engine role: signals → incidents → decisions → runs → verification, with the audit log as its only memory.

`STEPS` is the whole flow. Each step looks at the folded log and does what is due; none remembers anything of its own,
so an engine that was killed between any two of them goes on where the log says.
"""

import asyncio
import fcntl
import secrets
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry

from remediations.acceptance import accept_new, breaches, read_accepted
from remediations.catalogue import check_markers
from remediations.errors import RemediationError
from remediations.fleets import raised
from remediations.incidents import IncidentStatus
from remediations.inventory import Inventory, read_inventory
from remediations.ledger import Ledger
from remediations.loading import Rulebook, load_rulebook
from remediations.playbooks import Playbook
from remediations.runner import RunnerSettings
from stream.audit.log import open_log
from stream.engine.claims import decide_incidents
from stream.engine.context import Checkpoint, EngineContext, EngineFolder, LogClock, Proof, Runner
from stream.engine.fleets import watch_fleets
from stream.engine.incidents import call_humans, close_incidents, take_notices
from stream.engine.notices import open_notices
from stream.engine.proof import prove_runner
from stream.engine.recovery import recover_runs, tidy_runs
from stream.engine.rules import introduce, reload_rules
from stream.engine.run_process import AnsibleRunner
from stream.engine.stopping import LAST_WORD_SECONDS, finish
from stream.engine.verification import verify_runs
from stream.errors import AppendLostError, StreamError
from stream.health import HealthServer
from stream.metrics import EngineMetrics, new_registry
from stream.settings import Settings
from stream.topics import ensure_topics

type Step = Callable[[EngineContext], Awaitable[None]]

STEPS: tuple[Step, ...] = (
    reload_rules,  # policy, inventory, playbooks as they are now, if they are right
    take_notices,  # signals topic → roster, incidents opened and updated       W0 W1
    prove_runner,  # can a run begin at all? not ready until one has
    recover_runs,  # runs whose engine is gone → revoked, finished, not executed, or a human
    verify_runs,  # finished runs → did the stream show that it helped?         W9
    close_incidents,  # all signals cleared → closed                            W10
    watch_fleets,  # several hosts of a group in trouble together → fleet event raised, cleared
    call_humans,  # nothing more may be tried → a human
    decide_incidents,  # rules and gates → decision → claim → run in background W2 … W8
    tidy_runs,  # artifacts of old runs → removed
)

ROSTER_INTERVALS = 3
"""So many repetitions of the roster are read again at a start: hosts that are not in them are not fresh anyway."""


async def run_engine(
    settings: Settings,
    stopping: asyncio.Event,
    hurry: asyncio.Event | None = None,
    *,
    checkpoint: Checkpoint = lambda _name: None,
) -> None:
    """Run the role until asked to stop, and to `hurry` with that.

    Raises what ends it before: a StreamError, RemediationError or OSError.
    """
    log = structlog.get_logger("tidegate.engine")
    try:
        grace_seconds = settings.engine.stop_grace_seconds
        await work(settings, stopping, hurry, checkpoint=checkpoint, grace_seconds=grace_seconds)
    except ExceptionGroup as group:
        foreseen, bugs = group.split((StreamError, RemediationError, OSError))
        if foreseen is None or bugs is not None:
            raise
        error = first_of(foreseen)
        log.critical("engine.failed", error=str(error))
        raise error from group
    log.info("engine.stopped")


def first_of(error: Exception) -> Exception:
    """The first error in a group of errors, or the error itself."""
    return first_of(error.exceptions[0]) if isinstance(error, ExceptionGroup) else error


async def work(
    settings: Settings,
    stopping: asyncio.Event,
    hurry: asyncio.Event | None = None,
    *,
    checkpoint: Checkpoint,
    runner: Runner | None = None,
    grace_seconds: float | None = None,
) -> None:
    """Open everything, take turns until asked to stop, then let the runs end, for so long if that is limited."""
    registry = new_registry("engine")
    async with engine_at_work(settings, registry, checkpoint, runner) as context:
        turns = context.tasks.create_task(take_turns(context, stopping))
        await stopping.wait()
        context.is_stopping = True
        await asyncio.wait([turns], timeout=LAST_WORD_SECONDS)
        turns.cancel()  # with Kafka away a turn may wait for long; whatever it was at, the next start goes on
        await finish(context, grace_seconds, hurry or asyncio.Event())


async def take_turns(context: EngineContext, stopping: asyncio.Event) -> None:
    """Say who is here, then work."""
    await introduce(context)
    while not stopping.is_set():
        await take_turn(context)


async def take_turn(context: EngineContext) -> None:
    """Do every step once. A record that got lost on its way is written by a later turn, if it is still due then."""
    context.log.check()
    for step in STEPS:
        try:
            await step(context)
        except AppendLostError as error:
            context.metrics.audit_failures.inc()
            context.events.warning("engine.append_lost", step=step.__name__, error=str(error))
    tell_metrics(context)


def tell_metrics(context: EngineContext) -> None:
    """Bring the gauges up to date."""
    incidents = context.ledger.open_incidents()
    context.metrics.incidents_open.set(len(incidents))
    context.metrics.humans.set(sum(incident.status is IncidentStatus.NEEDS_HUMAN for incident in incidents))
    context.metrics.fleet_events.set(len(raised(context.ledger.state)))
    context.metrics.heartbeat.labels("turn").set_to_current_time()


@asynccontextmanager
async def engine_at_work(
    settings: Settings, registry: CollectorRegistry, checkpoint: Checkpoint, runner: Runner | None
) -> AsyncIterator[EngineContext]:
    """Everything the engine needs, open and checked; closed in the opposite order."""
    check_markers(Path(settings.engine.playbooks))
    folder, ledger, topics = engine_folder(settings), Ledger(), settings.topics
    async with AsyncExitStack() as stack:
        engine = stack.enter_context(sole_engine(folder))
        rulebook = read_rulebook(settings)
        warn_of_breaches(settings, rulebook.playbooks)
        await ensure_topics(settings)
        log = await stack.enter_async_context(
            open_log(settings.kafka, topics.audit, writer=engine, head_file=folder.head, fold=ledger.apply)
        )
        since = time.time() - ROSTER_INTERVALS * settings.detect.roster_seconds
        notices = await stack.enter_async_context(
            open_notices(settings.kafka, topics.signals, ledger.state.signal_offset, since)
        )
        proof = Proof()
        checks = {"audit_log": log.is_sound, "runner": proof.check}
        health = HealthServer(settings.health_address, settings.engine.health_port, registry, checks)
        await health.start()
        stack.push_async_callback(health.stop)
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        context = EngineContext(
            engine=engine,
            settings=settings,
            rulebook=rulebook,
            read_rules=partial(read_rulebook, settings),
            ledger=ledger,
            log=log,
            notices=notices,
            runner=runner or stack.enter_context(AnsibleRunner(runner_settings(settings)).warm()),
            metrics=EngineMetrics(registry),
            clock=LogClock(),
            checkpoint=checkpoint,
            tasks=tasks,
            proof=proof,
        )
        health.add_note(
            "rules", lambda: context.rules_problem and f"the last right ones are kept: {context.rules_problem}"
        )
        yield context


def read_rulebook(settings: Settings) -> Rulebook:
    """Read the rules, and under which digests playbooks may run."""
    book = load_rulebook(*map(Path, rule_files(settings)))
    if settings.engine.accepted:
        return book.with_accepted(read_accepted(accepted_file(settings)))
    judged = accept_new(accepted_file(settings), runner_settings(settings), book.playbooks)
    return book.with_accepted(judged.digests, judged.breaches)


def warn_of_breaches(settings: Settings, playbooks: Mapping[str, Playbook]) -> None:
    """Log each place in a playbook that breaks the contract, or that Ansible can not read, be it accepted or not."""
    log = structlog.get_logger("tidegate.engine")
    for breach in breaches(runner_settings(settings), playbooks):
        found = breach.finding
        place = {"file": found.file, "line": found.line, "rule": found.rule}
        log.warning("playbook.breaks_contract", playbook=breach.playbook, **place, problem=found.words)


def read_hosts(settings: Settings) -> Inventory:
    """Read the inventory."""
    password = settings.engine.vault_password_file
    return read_inventory(Path(settings.engine.inventory), Path(password) if password else None)


def accepted_file(settings: Settings) -> Path:
    """The file of accepted digests: the operators' own, else one that the engine keeps."""
    return Path(settings.engine.accepted or engine_folder(settings).root / "accepted.yml")


def rule_files(settings: Settings) -> tuple[str, ...]:
    """Policy file, inventory file, playbook folder; with the vault's password file, if there is one."""
    names = settings.engine.policy, settings.engine.inventory, settings.engine.playbooks
    return (*names, settings.engine.vault_password_file) if settings.engine.vault_password_file else names


def engine_folder(settings: Settings) -> EngineFolder:
    """The files that an engine keeps."""
    return EngineFolder(Path(settings.state_folder) / "engine")


def runner_settings(settings: Settings) -> RunnerSettings:
    """Where the runner finds playbooks and keeps its runs."""
    return RunnerSettings(
        folder=str(engine_folder(settings).runs),
        playbooks=settings.engine.playbooks,
        home=str(Path.home()),
        collections=settings.engine.collections,
        environment=settings.engine.environment,
        vault_password_file=settings.engine.vault_password_file,
        private_key_file=settings.engine.private_key_file,
        limits=settings.engine.limits,
        kept=settings.engine.kept,
    )


@contextmanager
def sole_engine(folder: EngineFolder) -> Iterator[str]:
    """The name of the engine that this folder belongs to, held by one process at a time.

    What an earlier life of this engine left unfinished may be recovered at once: nobody else can be working on it.
    Raises StreamError if another process holds the folder.
    """
    folder.root.mkdir(mode=0o700, parents=True, exist_ok=True)
    with folder.lock.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StreamError(
                f"state folder {folder.root} is in use by another engine; wanted one of its own"
            ) from error
        if not folder.identity.exists():
            whole = folder.identity.with_suffix(".new")
            whole.write_text(f"{socket.gethostname()}-{secrets.token_hex(4)}", encoding="utf-8")
            whole.replace(folder.identity)
        yield folder.identity.read_text(encoding="utf-8").strip()
