"""`tidegate playbooks …`: each command says in one place what it does."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from console.errors import PlaybookNotFoundError
from console.groups import group
from console.options import NO, AsJson, Config, show
from console.playbooks.checking import check_fitness, check_playbook, draw_checks
from console.playbooks.dry_run import dry_run, parse_inputs
from console.playbooks.listing import draw_playbooks, list_playbooks
from console.playbooks.obstacles import obstacles, standings
from console.playbooks.report import draw_dry_run
from remediations.acceptance import accept as accept_digests
from remediations.catalogue import check_markers, read_playbooks
from remediations.errors import PlaybookError
from remediations.playbooks import Playbook
from stream.engine.flow import accepted_file, read_hosts, runner_settings
from stream.settings import load_settings

playbooks = group("What playbooks there are, and whether they are fit to run.")
Names = Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Playbooks; without a name all of them.")]


@playbooks.callback(invoke_without_command=True, no_args_is_help=False)
def list_all(context: typer.Context, *, config: Config = None, as_json: AsJson = False) -> None:
    """List the playbooks: action, risk, targets, inputs and where they come from, undo, digest."""
    if context.invoked_subcommand is None:
        settings = load_settings(config)
        found = read_playbooks(Path(settings.engine.playbooks))
        rows = list_playbooks(found, standings(settings, found))
        show(rows, draw_playbooks(rows), as_json=as_json)


@playbooks.command()
def check(names: Names = None, *, config: Config = None, as_json: AsJson = False) -> None:
    """Check playbooks: load, syntax, ansible-lint, the rules of the contract; exit status 1 if anything is found."""
    settings = load_settings(config)
    folder = Path(settings.engine.playbooks)
    check_markers(folder)
    runner = runner_settings(settings)
    reports = [check_playbook(playbook, runner) for playbook in _chosen(read_playbooks(folder), names or ())]
    show(reports, draw_checks(reports), as_json=as_json)
    raise typer.Exit(NO if any(report.findings for report in reports) else 0)


@playbooks.command()
def accept(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Playbooks you have read.")] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Every playbook of the folder.")] = False,
    config: Config = None,
) -> None:
    """Let playbooks run as their files are now, if Ansible can read them and they keep the contract."""
    if bool(names) == everything:
        raise typer.BadParameter("wanted the names of playbooks, or --all", param_hint="NAME")
    settings = load_settings(config)
    folder = Path(settings.engine.playbooks)
    check_markers(folder)
    chosen = _chosen(read_playbooks(folder), names or ())
    runner = runner_settings(settings)
    reports = [check_fitness(playbook, runner) for playbook in chosen]
    if any(report.findings for report in reports):
        show(reports, draw_checks(reports), as_json=False)
        why = "a playbook that breaks the contract, or that Ansible can not read, may not run"
        typer.echo(f"tidegate: nothing was accepted: {why}", err=True)
        raise typer.Exit(NO)
    file = accepted_file(settings)
    if file.resolve().is_relative_to(folder.resolve()):
        raise PlaybookError(file, "", "lies in the folder of playbooks: writing it would change what it accepts")
    accept_digests(file, {playbook.name: playbook.digest for playbook in chosen})
    for playbook in chosen:
        typer.echo(f"{playbook.name} {playbook.digest} accepted in {file}")


@playbooks.command("dry-run")
def try_out(
    name: Annotated[str, typer.Argument(help="The playbook.")],
    *,
    host: Annotated[list[str], typer.Option(help="Host of the inventory, by its exact name; repeatable.")],
    given: Annotated[
        list[str] | None, typer.Option("--input", metavar="NAME=VALUE", help="An input, as a rule would give it.")
    ] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Say what a run would do and what would stop it, and change nothing: preflight runs, the rest in check mode."""
    settings = load_settings(config)
    (playbook,) = _chosen(read_playbooks(Path(settings.engine.playbooks)), [name])
    runner = runner_settings(settings)
    values = parse_inputs(tuple(given or ()), playbook)
    hosts = tuple(dict.fromkeys(host))
    report = dry_run(playbook, hosts, values, read_hosts(settings), runner)
    report = msgspec.structs.replace(report, obstacles=obstacles(settings, name, hosts))
    show(report, draw_dry_run(report), as_json=as_json)
    raise typer.Exit(0 if report.would_run else NO)


def _chosen(found: Mapping[str, Playbook], names: Sequence[str]) -> list[Playbook]:
    for name in names:
        if name not in found:
            raise PlaybookNotFoundError(f"no playbook is called {name}, there are {', '.join(sorted(found)) or 'none'}")
    return [found[name] for name in names or sorted(found)]
