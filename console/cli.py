"""The command line. Each command says in one place what it does; the work is done elsewhere.

Exit status: 0 fine, 1 the answer is no, 2 wrong usage, settings or files, 3 Kafka can not be reached or read,
130 interrupted, 141 nobody reads the answer on.
"""

import asyncio
import logging
import os
import re
import sys
import time
from contextlib import aclosing
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console, Group, RenderableType

from console import queries, rendering
from console.chains import draw_chain
from console.deadletters import GLANCED, LetterStats, deadletter, read_stats, told
from console.demo.demo import run as run_demo
from console.errors import ConsoleError, TypedError
from console.groups import OptionsAnywhere, commands_below, group
from console.hosts import HostRow, draw_hosts, explained, host_rows
from console.maintenance import maintenance
from console.models import models
from console.options import NO, AsJson, Config, Servers, Verbose, settings_of, show
from console.outlets import escaped, open_outlets
from console.playbooks.commands import playbooks
from console.reading import publish, read_audit, read_notices, tail_audit, verify_topic
from console.runs import draw_entry, is_shown, tail_run
from console.sentences import counted, say
from detectors.signals import Notice
from remediations.acceptance import breaches, judge_new, read_accepted
from remediations.errors import RemediationError
from remediations.records import Entry, Seen
from stream.audit.log import read_head
from stream.engine.flow import accepted_file, engine_folder, runner_settings
from stream.errors import AuditError, BrokerError, HeadError, StreamError, UnreachableError, UnreadError
from stream.logs import configure_logs
from stream.roles import read_files, serve_all, serve_engine
from stream.settings import load_settings

WRONG, UNREACHABLE, INTERRUPTED = 2, 3, 130
STATUSES: tuple[tuple[type[Exception], int], ...] = (  # the first that fits
    (UnreachableError, UNREACHABLE),
    (BrokerError, UNREACHABLE),
    (UnreadError, UNREACHABLE),
    (HeadError, WRONG),
    (AuditError, NO),
    (StreamError, WRONG),
    (RemediationError, WRONG),
    (TypedError, WRONG),
    (ConsoleError, NO),
    (OSError, WRONG),
)

app = typer.Typer(
    name="tidegate",
    cls=OptionsAnywhere,
    help="Notice what goes wrong in a fleet, repair it with your playbooks, write down why.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
audit = group("Read and check the audit log.")
app.add_typer(audit, name="audit")
runs = group("Follow runs of playbooks.")
app.add_typer(runs, name="runs")
app.add_typer(playbooks, name="playbooks")
app.add_typer(models, name="models")
app.add_typer(maintenance, name="maintenance")
app.add_typer(deadletter, name="deadletter")


def _show_version(*, wanted: bool) -> None:
    if wanted:
        typer.echo(f"tidegate {version('tidegate')}")
        raise typer.Exit


@app.callback()
def tidegate(
    *,
    config: Config = None,
    bootstrap_servers: Servers = "",
    as_json: AsJson = False,
    _version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Print the version.")
    ] = False,
) -> None:
    """Notice what goes wrong in a fleet, repair it with your playbooks, write down why."""
    commands_below(config=config, bootstrap_servers=bootstrap_servers, as_json=as_json)


@app.command()
def up(config: Config = None) -> None:
    """Run everything: detect workers and an engine, and the embedded Kafka if the settings name no other."""
    settings = load_settings(config)
    configure_logs(settings.log_format, role="up")
    asyncio.run(serve_all(settings, config, report=lambda words: typer.echo(words, err=True)))


@app.command()
def detect(
    config: Config = None,
    bootstrap_servers: Servers = "",
    number: Annotated[int, typer.Option(min=0, help="Tells workers on one machine apart (health port).")] = 0,
) -> None:
    """Run one detect worker; start more of them to share the partitions."""
    settings = settings_of(config, bootstrap_servers)
    configure_logs(settings.log_format, role="detect", number=str(number))
    from stream.detect.role import serve_detect  # noqa: PLC0415 - seconds, which other commands are not to wait

    asyncio.run(serve_detect(settings, number))


@app.command()
def engine(config: Config = None, bootstrap_servers: Servers = "") -> None:
    """Run one engine: it decides, runs playbooks and verifies."""
    settings = settings_of(config, bootstrap_servers)
    configure_logs(settings.log_format, role="engine")
    asyncio.run(serve_engine(settings))


@app.command()
def demo(
    *,
    folder: Annotated[Path, typer.Option(help="The only place where the demo leaves files.")] = Path(".state/demo"),
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything running at the end, until Ctrl-C.")] = False,
    seed: Annotated[int, typer.Option(help="Chooses the service that fails.")] = 0,
    verbose: Verbose = False,
) -> None:
    """A small live fleet, a real fault, a real repair, and a fault that must not be repaired. Under three minutes."""
    raise typer.Exit(run_demo(folder, keep=keep, seed=seed, is_verbose=verbose))


@app.command()
def check(*, config: Config = None, as_json: AsJson = False) -> None:
    """Read settings, policy, inventory and playbooks, and say what they allow; nothing is started."""
    settings = load_settings(config)
    try:
        book, runner = read_files(settings), runner_settings(settings)
    except RemediationError:
        typer.echo("An engine refuses to start with these; one at work keeps the last that were right:", err=True)
        raise
    known, breaking = read_accepted(accepted_file(settings)), dict[str, str]()
    if not settings.engine.accepted:  # an engine accepts what is fit to run when it first sees it
        judged = judge_new(runner, book.playbooks, known)
        known, breaking = judged.digests, judged.breaches
    book = book.with_accepted(known, breaking)
    answer = queries.rules(book, breaches(runner, book.playbooks))
    show(answer, rendering.draw_rules(answer), as_json=as_json)


@app.command()
def hosts(*, config: Config = None, bootstrap_servers: Servers = "", as_json: AsJson = False) -> None:
    """Every host: state, score, samples applied, age of the last sample, open incident; worst first.

    Below: how many records came, and how many were refused and why.
    """
    settings = settings_of(config, bootstrap_servers)

    async def read() -> tuple[tuple[HostRow, ...], LetterStats]:
        notices, entries, letters = await asyncio.gather(
            read_notices(settings), read_audit(settings), read_stats(settings, GLANCED)
        )
        return host_rows(notices, entries, time.time()), letters

    rows, letters = asyncio.run(read())
    show(rows, draw_hosts(rows, told(letters, time.time())), as_json=as_json)


@app.command()
def incidents(*, config: Config = None, bootstrap_servers: Servers = "", as_json: AsJson = False) -> None:
    """Open incidents, those that need a human first, then the newest closed ones."""
    now = time.time()
    entries = asyncio.run(read_audit(settings_of(config, bootstrap_servers)))
    rows = queries.incidents(entries, now)
    banner = [rendering.plain(f"▲ {say(each)}", "bold red") for each in queries.refused_rules(entries)]
    show(rows, Group(*banner, rendering.draw_incidents(rows, now)), as_json=as_json)


@app.command()
def explain(
    incident: Annotated[str, typer.Argument(help="An incident's id, the beginning of it, or a host's name.")],
    *,
    config: Config = None,
    bootstrap_servers: Servers = "",
    as_json: AsJson = False,
) -> None:
    """What happened and why, also why not: evidence, gates, run, verification."""
    now, settings = time.time(), settings_of(config, bootstrap_servers)

    async def read() -> tuple[list[Entry], list[Notice]]:
        return await asyncio.gather(read_audit(settings), read_notices(settings))

    entries, notices = asyncio.run(read())
    explanation = explained(entries, notices, incident, now)
    show(explanation, rendering.draw_explanation(explanation, now), as_json=as_json)


@audit.command("tail")
def audit_tail(
    *,
    config: Config = None,
    bootstrap_servers: Servers = "",
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many of the newest records.")] = 20,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with each new record, until Ctrl-C.")] = False,
    as_json: AsJson = False,
) -> None:
    """The newest records of the audit log, one line each."""
    settings = settings_of(config, bootstrap_servers)

    async def tail() -> None:
        async with aclosing(tail_audit(settings, lines, follow=follow)) as entries:
            async for entry in entries:
                line = queries.audit_line(entry)
                _print_line(line, rendering.draw_audit_line(line), as_json=as_json)

    asyncio.run(tail())


@runs.command("tail")
def runs_tail(
    run: Annotated[str, typer.Argument(help="An action's id, the beginning of it, or a host's name: its newest run.")],
    *,
    config: Config = None,
    bootstrap_servers: Servers = "",
    verbose: Verbose = False,
    as_json: AsJson = False,
) -> None:
    """What a run has done so far and does next, a line a task, until it ends."""
    settings = settings_of(config, bootstrap_servers)

    async def tail() -> None:
        async with aclosing(tail_run(settings, run)) as entries:
            async for entry in entries:
                if not (verbose or as_json or is_shown(entry)):
                    continue
                _print_line(queries.audit_line(entry), draw_entry(entry), as_json=as_json)

    asyncio.run(tail())


@audit.command("verify")
def audit_verify(
    *,
    config: Config = None,
    bootstrap_servers: Servers = "",
    topic: Annotated[str, typer.Option(help="Another topic to check, such as a copy.")] = "",
    checkpoint: Annotated[
        list[str] | None,
        typer.Option(metavar="OFFSET:HASH", help="A head that was kept outside of the log; repeatable."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check the whole chain: exit status 1 if a record was edited, dropped, swapped, put in or cut off."""
    checkpoints = [_checkpoint(text) for text in checkpoint or ()]
    settings = settings_of(config, bootstrap_servers)
    if not topic:  # what the engine of this state folder has read must still be there
        checkpoints.append(read_head(engine_folder(settings).head))
    report = asyncio.run(verify_topic(settings, topic or settings.topics.audit, checkpoints))
    show(report, draw_chain(report), as_json=as_json)
    raise typer.Exit(NO if report.fault else 0)


@app.command("publish")
def publish_lines(
    topic: Annotated[str, typer.Argument(help="Topic to write to, such as metrics.")],
    config: Config = None,
    bootstrap_servers: Servers = "",
) -> None:
    """Write each line of standard input as one record: a first metric without any other tool."""
    settings = settings_of(config, bootstrap_servers)
    lines = (
        os.fdopen(sys.stdin.fileno(), "rb", closefd=False) if sys.stdin else ()
    )  # not sys.stdin: after Ctrl-C a thread still waits in it
    count = asyncio.run(publish(settings, topic, lines))
    typer.echo(
        f"{counted(count, 'record')} acknowledged by {settings.kafka.bootstrap_servers}, topic {topic}", err=True
    )


@app.command()
def broker(config: Config = None) -> None:
    """Print the bootstrap servers in use: the settings', or those of the embedded Kafka that runs."""
    typer.echo(settings_of(config, "").kafka.bootstrap_servers)


def main() -> None:
    """Run the command line; every error that was foreseen becomes one clear line and an exit status."""
    open_outlets()
    logging.getLogger().addHandler(logging.NullHandler())  # errors are told once, not by the Kafka client at each try
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except tuple(kind for kind, _ in STATUSES) as error:
        sys.stderr.write(f"tidegate: {error}\n")
        sys.exit(next(status for kind, status in STATUSES if isinstance(error, kind)))


def _print_line(line: queries.AuditLine, drawing: RenderableType, *, as_json: bool) -> None:
    if as_json:
        typer.echo(escaped(msgspec.json.encode(line).decode()))
    else:
        Console(soft_wrap=True).print(drawing)


def _checkpoint(text: str) -> Seen:
    found = re.fullmatch(r"(\d+):([0-9a-f]{64})", text)
    if found is None:
        raise typer.BadParameter(f"{text!r} is not OFFSET:HASH (64 hex digits), as `tidegate audit verify` prints it")
    return Seen(int(found[1]), found[2])


if __name__ == "__main__":
    main()
