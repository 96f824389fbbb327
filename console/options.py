"""What commands have in common: their options, and how an answer is shown."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console, RenderableType

from console.outlets import escaped
from stream import forms
from stream.errors import SettingsError
from stream.roles import connected, with_address
from stream.settings import Settings, load_settings

NO = 1
"""Exit status: the answer is no."""

Config = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", envvar="TIDEGATE_CONFIG", help="Settings file; without it ./tidegate.yml, if there."
    ),
]
Servers = Annotated[
    str, typer.Option("--bootstrap-servers", help="Kafka to use, instead of the one that the settings name.")
]
Verbose = Annotated[bool, typer.Option("--verbose", help="Show the small tasks of a run too: checks, notes, includes.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of a table for people.")]


def settings_of(config: Path | None, bootstrap_servers: str) -> Settings:
    """The settings, with the Kafka that was named, or that they name, or that runs embedded."""
    settings = load_settings(config)
    problem = forms.servers(bootstrap_servers) if bootstrap_servers else ""
    if problem:
        raise SettingsError(f"--bootstrap-servers is {bootstrap_servers!r}, {problem}")
    return with_address(settings, bootstrap_servers) if bootstrap_servers else connected(settings)


def show(answer: object, drawn: RenderableType, *, as_json: bool) -> None:
    """Print an answer as JSON or as it is drawn for people."""
    if as_json:
        typer.echo(escaped(msgspec.json.format(msgspec.json.encode(answer), indent=2).decode()))
    else:
        Console().print(drawn)
