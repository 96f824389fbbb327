"""The stage of the demo: everything that runs during it, started in order and surely stopped."""

import asyncio
import contextlib
import itertools
import os
import random
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import msgspec
import psutil
import structlog

from console.demo.errors import ActError
from console.demo.feed import Feed, verify_audit
from console.demo.fleet import HOSTS, Fleet, plan_fleet
from console.demo.interruption import Interruptions
from console.demo.scenery import SETTINGS, claim_folder, write_scenery
from console.demo.story import Story, Tone, narrate
from console.demo.verdict import Facts, Fault
from console.demo.view import Scene, View
from stream.broker.embedded import EmbeddedBroker, free_ports
from stream.logs import configure_logs
from stream.roles import broker_folder, roles, with_address
from stream.settings import ENVIRONMENT_PREFIX, Settings
from stream.supervision import Role, Supervisor
from stream.topics import ensure_topics

log = structlog.get_logger()

POLL_SECONDS = 0.25
LOOK_SECONDS = 1.0  # between two looks at the process ids
LIVES_MAXIMUM = 2  # a role that ends more often does not heal by being started again
STOP_SECONDS = 10.0  # for what is left when everything was asked to stop


class Stage:
    """Owns the processes, files and connections of one demo. Made, played on by the acts, closed."""

    def __init__(
        self, folder: Path, seed: int, view: View, acts: tuple[str, ...], interruptions: Interruptions
    ) -> None:
        self.folder = folder.resolve()
        self.config = self.folder / SETTINGS
        self.logs = self.folder / "logs"
        self.settings = Settings()
        self.faults: list[Fault] = []
        self.dice = random.Random(seed)  # noqa: S311 - chooses who fails
        self._seed = seed
        self._view = view
        self._acts = acts
        self._act = 0
        self._began = time.time()
        self._interruptions = interruptions
        self._closing = contextlib.ExitStack()
        self._runner = self._closing.enter_context(asyncio.Runner())
        self._broker: EmbeddedBroker | None = None
        self._fleet: Fleet | None = None
        self._feed: Feed | None = None
        self._supervisor: Supervisor | None = None
        self._supervising: asyncio.Task[None] | None = None
        self._lives: dict[str, set[int]] = {}
        self._stop = asyncio.Event()
        self._story = Story()
        self._note = ""
        self._pids: dict[str, int] = {}
        self._looked = 0.0

    def open_folder(self) -> None:
        """Claim the state folder, send our own log lines into it, and forget settings meant for another Tidegate."""
        for name in [name for name in os.environ if name.startswith(ENVIRONMENT_PREFIX)]:
            del os.environ[name]
        self._closing.enter_context(claim_folder(self.folder))
        self.logs.mkdir()
        output = self._closing.enter_context((self.logs / "demo.log").open("a"))
        with contextlib.redirect_stderr(output):
            configure_logs("json", role="demo")

    def start_broker(self) -> None:
        """Start the embedded Kafka; the first time ever it is fetched."""
        self._broker = EmbeddedBroker(broker_folder(Settings(state_folder=str(self.folder))), report=self.note)
        self._closing.callback(self._broker.stop)
        self._broker.start()

    def start_fleet(self) -> None:
        """Start the services."""
        self._fleet = Fleet(plan_fleet(self.folder / "fleet", free_ports(len(HOSTS))))
        self._closing.callback(self._fleet.stop)
        self._fleet.start()
        self._look()

    def start_roles(self) -> None:
        """Write the files a user would write, create the topics, start detect, engine and the collector."""
        self.settings = with_address(write_scenery(self.folder, self.fleet.plan), self.broker.bootstrap_servers)
        self._complete(ensure_topics(self.settings))
        self._feed = Feed(self.settings)
        self._closing.callback(self._disconnect)
        self._complete(self._feed.open())
        self._supervisor = Supervisor(self._roles(), self.logs)
        self._supervising = self._runner.get_loop().create_task(self._supervisor.run(self._stop))
        self._closing.callback(self._stop_roles)

    @property
    def broker(self) -> EmbeddedBroker:
        """The broker, once started."""
        assert self._broker is not None  # noqa: S101 - the acts are in order
        return self._broker

    @property
    def fleet(self) -> Fleet:
        """The fleet, once started."""
        assert self._fleet is not None  # noqa: S101 - the acts are in order
        return self._fleet

    def enter(self, act: int) -> None:
        """Begin the act of this number."""
        self._act = act
        self.tell(self._acts[act])

    def tell(self, words: str, host: str = "", tone: Tone = Tone.ACT) -> None:
        """Add a line to the story."""
        self._story = narrate(self._story, time.time(), words, tone, host)
        self.note("")

    def note(self, words: str) -> None:
        """Say what is waited for."""
        self._note = words
        self._show()

    def show_on(self, view: View) -> None:
        """From here on show everything on this view."""
        self._view, self._note = view, ""

    def wait(self, words: Callable[[Story], str], until: Callable[[Story], bool], seconds: float) -> Story:
        """Go on until the story fulfils `until`; `words` says what is waited for. ActError after `seconds`."""
        deadline = time.monotonic() + seconds
        while not until(self._story):
            if time.monotonic() > deadline:
                raise ActError(f"waited {seconds:.0f} s in vain: {words(self._story)}; see the logs in {self.logs}")
            self._note = words(self._story)
            self.rest(POLL_SECONDS)
        return self._story

    def rest(self, seconds: float) -> None:
        """Let time pass, showing what happens."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            assert self._feed is not None  # noqa: S101 - the acts are in order
            self._story = self._complete(self._feed.poll(self._story, min(left, POLL_SECONDS)))
            if time.monotonic() - self._looked > LOOK_SECONDS:
                self._look()
            if self._supervising is not None and self._supervising.done():
                self._supervising.result()
            self._show()

    def break_down(self, host: str) -> Fault:
        """Put the fault into the service of `host`."""
        moment = time.time()
        fault = Fault(host, self.fleet.break_down(host), moment)
        self.faults.append(fault)
        return fault

    def facts(self) -> Facts:
        """What was measured beside the two logs, up to now."""
        report = self._complete(verify_audit(self.settings))
        return Facts(
            faults=tuple(self.faults),
            spawned=self.fleet.spawns(),
            audit_records=report.records,
            chain_fault=report.fault.detail if report.fault else "",
            seconds=time.time() - self._began,
        )

    @property
    def story(self) -> Story:
        """What was told so far."""
        return self._story

    def close(self) -> None:
        """Stop everything that was started, in the opposite order, and wait until it is gone."""
        started = psutil.Process().children(recursive=True)
        try:
            self._closing.close()
        finally:
            _sweep(started)

    def _roles(self) -> tuple[Role, ...]:
        plan = self.folder / "fleet" / "plan.json"
        plan.write_bytes(msgspec.json.encode(self.fleet.plan))
        options = {
            "--plan": str(plan),
            "--seed": str(self._seed),
            "--bootstrap-servers": self.broker.bootstrap_servers,
            "--metrics": self.settings.topics.metrics,
            "--logs": self.settings.topics.logs,
        }
        collector = (sys.executable, "-P", "-m", "console.demo.collector", *itertools.chain(*options.items()))
        return (*roles(self.settings, self.config), Role("collector", collector))

    def _complete[Result](self, work: Coroutine[object, object, Result]) -> Result:
        """Run a coroutine to its end in slices, so that an interruption finds the loop at rest."""
        task = self._runner.get_loop().create_task(work)
        while not task.done():
            with self._interruptions.held():
                self._runner.run(_slice(task))
        return task.result()

    def _look(self) -> None:
        self._pids = {host: process.pid for host, process in self.fleet.processes().items()}
        self._looked = time.monotonic()
        for role, pid in (self._supervisor.pids if self._supervisor else {}).items():
            lives = self._lives.setdefault(role, set())
            lives.add(pid)
            if len(lives) > LIVES_MAXIMUM:
                raise ActError(f"role {role} ended {LIVES_MAXIMUM} times: {_last_line(self.logs / f'{role}.log')}")

    def _show(self) -> None:
        hosts = tuple(HOSTS)
        self._view.show(
            Scene(self._acts, self._act, self._note, self._began, time.time(), hosts, self._pids, self._story)
        )

    def _disconnect(self) -> None:
        if self._feed is not None:
            self._complete(asyncio.wait_for(self._feed.close(), STOP_SECONDS))

    def _stop_roles(self) -> None:
        if self._supervising is not None:
            self._stop.set()
            self._complete(asyncio.wait({self._supervising}))


async def _slice(task: asyncio.Task[Any]) -> None:
    await asyncio.wait({task}, timeout=POLL_SECONDS)


def _last_line(path: Path) -> str:
    lines = path.read_text(errors="replace").splitlines() if path.exists() else []
    return f"{path} ends with: {lines[-1] if lines else 'nothing'}"


def _sweep(started: list[psutil.Process]) -> None:
    """Wait for processes of ours that were asked to stop; end those that do not."""
    _, left = psutil.wait_procs(started, timeout=STOP_SECONDS)
    for process in left:
        log.warning("left behind, killing it", pid=process.pid)
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(left, timeout=STOP_SECONDS)
