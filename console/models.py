"""`tidegate models …`: each command says in one place what it does."""

import asyncio
import datetime as dt
import time
from collections.abc import Iterable
from typing import Annotated

import msgspec
import typer
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from console.errors import HostNotFoundError, TypedError
from console.groups import group
from console.hosts import newest_statuses
from console.naming import answered
from console.options import AsJson, Config, Servers, settings_of, show
from console.reading import read_notices
from console.rendering import plain
from console.requests import By, Reason, Wait, checked, request, tell
from console.sentences import ago, utc
from detectors.commands import ModelReset, ModelRollback, told
from detectors.hostnames import folded
from detectors.saves import SavedState
from detectors.signals import HostState, Notice

models = group("What was learned of a host: list its saved states, forget, go back.")

Host = Annotated[str, typer.Argument(metavar="HOST", help="The host, by its exact name.")]
Hosts = Annotated[list[str], typer.Argument(metavar="HOST...", help="Hosts, by their exact names.")]


class ModelAnswer(msgspec.Struct, frozen=True):
    """What detect said of the model of a host at `time`; its saved states are newest first."""

    host: str
    time: float
    state: HostState
    samples: int
    maintenance_until: float
    saves: tuple[SavedState, ...]


@models.command("list")
def list_states(host: Host, *, config: Config = None, bootstrap_servers: Servers = "", as_json: AsJson = False) -> None:
    """The model of a host and the saved states that it can go back to, newest first."""
    answer = model_of(asyncio.run(read_notices(settings_of(config, bootstrap_servers))), host)
    show(answer, draw_model(answer, time.time()), as_json=as_json)


@models.command()
def reset(
    hosts: Hosts,
    *,
    reason: Reason,
    by: By = "",
    wait: Wait = 30.0,
    config: Config = None,
    bootstrap_servers: Servers = "",
    as_json: AsJson = False,
) -> None:
    """Forget all that was learned of hosts: they are young again and raise nothing until they have warmed up."""
    asked = request(by, reason)
    commands = [checked(ModelReset(**asked.stamp(host))) for host in dict.fromkeys(hosts)]
    tell(asyncio.run(answered(settings_of(config, bootstrap_servers), commands, wait)), as_json=as_json)


@models.command()
def rollback(
    host: Host,
    *,
    reason: Reason,
    to: Annotated[
        str, typer.Option(metavar="TIME", help="The newest state saved then or before, such as 2026-11-21T10:00Z.")
    ] = "",
    by: By = "",
    wait: Wait = 30.0,
    config: Config = None,
    bootstrap_servers: Servers = "",
    as_json: AsJson = False,
) -> None:
    """Go back to a saved state: what a host's model learned since, such as trouble taken for normal, is forgotten."""
    asked = request(by, reason)
    command = checked(ModelRollback(**asked.stamp(host), to_time=parse_time(to) if to else None))
    tell(asyncio.run(answered(settings_of(config, bootstrap_servers), [command], wait)), as_json=as_json)


def parse_time(text: str) -> float:
    """Epoch seconds of an ISO 8601 time, UTC unless it says otherwise. TypedError if it is none."""
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise TypedError(f"--to is {text!r}, wanted a time such as 2026-11-21T10:00Z") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).timestamp()


def model_of(notices: Iterable[Notice], host: str) -> ModelAnswer:
    """What the roster says of the model of a host. Raises HostNotFoundError."""
    newest = newest_statuses(notices)
    host = folded(host) or host
    if host not in newest:
        there_are = f"{len(newest)} others are: see `tidegate hosts`" if newest else "no host is"
        raise HostNotFoundError(f"host {host!r} is not in the roster of the last minutes; {there_are}")
    said = newest[host]
    saves = tuple(reversed(said.saves))
    return ModelAnswer(host, said.time, said.state, said.samples, said.maintenance_until, saves)


def draw_model(answer: ModelAnswer, now: float) -> RenderableType:
    """The model in a line, its saved states below."""
    words = f": {answer.state.value}, {answer.samples:,} samples"
    kept = f", in maintenance until {utc(answer.maintenance_until)}" if answer.maintenance_until > now else ""
    heading = Text.assemble(plain(answer.host, "bold"), words, (kept, "yellow"))
    if not answer.saves:
        return Group(heading, Text("No state is saved yet: one is saved each day, while the host is normal."))
    table = Table(box=None, pad_edge=False, header_style="bold dim")
    for column in ("saved", "age", "bytes"):
        table.add_column(column, justify="right" if column == "bytes" else "left")
    for state in answer.saves:
        table.add_row(told(state.time), ago(state.time, now), f"{state.size_bytes:,}")
    return Group(heading, table)
