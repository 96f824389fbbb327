"""The demo: Tidegate, a small live fleet, a real fault, a real repair, and a fault it must not repair.

`ACTS` is the whole flow. Everything an act needs is on the stage; everything it waits for is in the story.
"""

import os
import shlex
import shutil
import sysconfig
from collections.abc import Callable
from pathlib import Path

import msgspec
from rich.console import Console

from console.demo.errors import ActError, DemoError
from console.demo.fleet import HOSTS
from console.demo.interruption import Interruptions
from console.demo.scenery import COOLDOWN_SECONDS, SAMPLES_MINIMUM, SETTINGS
from console.demo.stage import Stage
from console.demo.story import Decided, Story, Tone
from console.demo.verdict import Fault, Summary, judge, refusal
from console.demo.view import PlainView, View, draw_summary, view_for
from console.queries import SHORT_ID_CHARACTERS
from console.rendering import plain
from console.sentences import because, conclusion
from detectors.signals import HostState
from stream.errors import StreamError

WARM_UP_SECONDS = 120.0
SIGNAL_SECONDS = 30.0
REPAIR_SECONDS = 120.0
CALM_SECONDS = 60.0
BREATH_SECONDS = 4.0  # of a calm fleet before the next fault
WATCH_SECONDS = 4.0  # after the refusal: nothing may run
PASSED, FAILED, INTERRUPTED = 0, 1, 130


class Act(msgspec.Struct, frozen=True):
    """One act: what the viewer reads, and what is done."""

    title: str
    play: Callable[[Stage], None]


def learn_what_is_normal(stage: Stage) -> None:
    """Wait until detect knows every host well enough to be believed."""
    stage.wait(_learning, lambda story: all(_is_learned(story, host) for host in HOSTS), WARM_UP_SECONDS)


def break_a_service(stage: Stage) -> None:
    """Put the fault into one service, chosen by the seed."""
    host = stage.dice.choice(tuple(HOSTS))
    fault = stage.break_down(host)
    stage.tell(f"the fault is in process {fault.pid}: compaction holds the table's lock", host, Tone.BAD)


def watch_the_repair(stage: Stage) -> None:
    """Wait for signal, incident, decision, playbook and verification, in this order."""
    fault = stage.faults[0]
    stage.wait(
        lambda _: "waiting for a signal", lambda it: it.raised(fault.host, fault.time) is not None, SIGNAL_SECONDS
    )
    story = stage.wait(lambda it: _repairing(it, fault), lambda it: _is_over(it, fault), REPAIR_SECONDS)
    incident = story.incident(fault.host, fault.time)
    if incident is not None and incident.human_reason:
        raise ActError(f"automation gave up: {because(incident.human_reason)}; see the logs in {stage.logs}")


def break_it_again(stage: Stage) -> None:
    """Put the same fault into the same service, inside the cooldown of its repair."""
    host = stage.faults[0].host
    stage.wait(lambda _: f"waiting until {host} is calm", lambda story: _is_learned(story, host), CALM_SECONDS)
    stage.rest(BREATH_SECONDS)
    fault = stage.break_down(host)
    stage.tell(f"the same fault, now in process {fault.pid}; cooldown is {COOLDOWN_SECONDS} s", host, Tone.BAD)


def watch_the_refusal(stage: Stage) -> None:
    """Wait for the decision not to act, then see that nothing runs."""
    fault = stage.faults[-1]
    stage.wait(
        lambda _: "waiting for a decision not to act",
        lambda story: refusal(story.incident(fault.host, fault.time)) is not None,
        SIGNAL_SECONDS,
    )
    stage.note("watching that nothing runs")
    stage.rest(WATCH_SECONDS)


ACTS = (
    Act("Take the state folder", Stage.open_folder),
    Act("Start Apache Kafka", Stage.start_broker),
    Act("Start eight services", Stage.start_fleet),
    Act("Start detect and engine", Stage.start_roles),
    Act("Learn what is normal", learn_what_is_normal),
    Act("Break one service", break_a_service),
    Act("Notice, decide, repair, verify", watch_the_repair),
    Act("Break it again inside its cooldown", break_it_again),
    Act("Refuse to act, and say why", watch_the_refusal),
)


def run(
    folder: Path, *, keep: bool = False, seed: int = 0, console: Console | None = None, is_verbose: bool = False
) -> int:
    """Play the demo in `folder`; the status is 0 if it showed what it promises, 1 if not, 130 if it was interrupted.

    `folder` is the only place where files are left; `keep` leaves everything running until interrupted; `seed`
    chooses the service that fails. The summary is also written to `summary.json` in the folder.
    """
    console = console or Console()
    view = view_for(console, is_verbose=is_verbose)
    try:
        with Interruptions() as interruptions:
            stage = Stage(folder, seed, view, tuple(act.title for act in ACTS), interruptions)
            return _perform(stage, view, console, interruptions, keep=keep)
    except KeyboardInterrupt:
        return INTERRUPTED


def _perform(stage: Stage, view: View, console: Console, interruptions: Interruptions, *, keep: bool) -> int:
    try:
        with view:
            summary = _play(stage)
        _tell(stage.folder, summary, console, keep=keep)
        if keep:
            _hold(stage, console)
    except KeyboardInterrupt:
        console.print(plain("Interrupted: stopping everything."))
        raise
    except (DemoError, StreamError) as error:
        for line in str(error).splitlines():
            console.print(plain(line, "red"), soft_wrap=True)
        return FAILED
    else:
        return PASSED if summary.passed else FAILED
    finally:
        interruptions.ignore()
        stage.close()
        console.print(plain(f"Everything is stopped. Files are left in {stage.folder} only."), soft_wrap=True)


def _tell(folder: Path, summary: Summary, console: Console, *, keep: bool) -> None:
    console.print(draw_summary(summary))
    console.print(plain("Try next:", "bold"))
    for command in _commands(folder, summary, keep=keep):
        console.print(plain(f"  {command}"), soft_wrap=True)


def _play(stage: Stage) -> Summary:
    stopped: tuple[str, ...] = ()
    for number, act in enumerate(ACTS):
        stage.enter(number)
        try:
            act.play(stage)
        except ActError as error:
            if not stage.faults:
                raise
            stopped = (str(error),)
            break
    summary = judge(stage.story, stage.facts())
    summary = msgspec.structs.replace(summary, problems=stopped + summary.problems)
    written = msgspec.json.format(msgspec.json.encode(summary), indent=2)
    (stage.folder / "summary.json").write_bytes(written + b"\n")
    return summary


def _hold(stage: Stage, console: Console) -> None:
    """Leave everything running until interrupted; what happens meanwhile is told in lines."""
    for words in (
        f"Everything keeps running. Kafka: {stage.broker.bootstrap_servers}. Settings: {stage.config}",
        *(f"  {each.host}: {each.url}" for each in stage.fleet.plan.services),
        f"To stop it: Ctrl-C here, or kill {os.getpid()} from elsewhere.",
    ):
        console.print(plain(words), soft_wrap=True)
    stage.show_on(PlainView(console, told=stage.story.told))
    try:
        while True:
            stage.rest(1.0)
    except KeyboardInterrupt:
        console.print(plain("Stopping everything."))


def _commands(folder: Path, summary: Summary, *, keep: bool) -> tuple[str, ...]:
    """What a viewer may try next: on the running demo, or after starting its Kafka again on the same data."""
    program, config = _program(), f"--config {shlex.quote(str(folder / SETTINGS))}"
    ids = [incident[:SHORT_ID_CHARACTERS] for incident in summary.incidents]
    return (
        *(
            ()
            if keep
            else (f"{program} up {config}   # Kafka and the roles again, on the same data; then, elsewhere:",)
        ),
        f"{program} hosts {config}",
        f"{program} incidents {config}",
        *(f"{program} explain {each} {config}   # why, and why not" for each in ids),
        f"{program} audit verify {config}",
    )


def _program() -> str:
    """How this program is called from the viewer's shell."""
    if shutil.which("tidegate"):
        return "tidegate"
    path = Path(sysconfig.get_path("scripts")) / "tidegate"
    return shlex.quote(str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path))


def _is_learned(story: Story, host: str) -> bool:
    status = story.hosts.get(host)
    return status is not None and status.state is HostState.NORMAL and status.samples >= SAMPLES_MINIMUM


def _learning(story: Story) -> str:
    learned = sum(_is_learned(story, host) for host in HOSTS)
    samples = min((story.hosts[host].samples if host in story.hosts else 0) for host in HOSTS)
    return f"{learned} of {len(HOSTS)} hosts learned; the youngest has {samples} of {SAMPLES_MINIMUM} samples"


def _repairing(story: Story, fault: Fault) -> str:
    incident = story.incident(fault.host, fault.time)
    if incident is None:
        return "waiting for an incident"
    if incident.run is None:
        return f"waiting for the playbook; {_conclusion(incident.decision)}"
    return "the playbook runs" if incident.run.status is None else "waiting for new data to verify the repair"


def _conclusion(decided: Decided | None) -> str:
    if decided is None:
        return "no decision yet"
    return f"{conclusion(decided.record)}: {because(decided.record.reason)}"


def _is_over(story: Story, fault: Fault) -> bool:
    incident = story.incident(fault.host, fault.time)
    return incident is not None and bool(incident.closed_time or incident.human_reason)
