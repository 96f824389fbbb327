"""`tidegate maintenance …`: somebody works on hosts, so nothing is to be learned from what they show."""

import asyncio
import re
import time
from collections.abc import Iterable, Sequence
from typing import Annotated, Final

import msgspec
import typer
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from console.errors import TypedError
from console.groups import group
from console.hosts import newest_statuses
from console.models import Hosts
from console.naming import answered
from console.options import AsJson, Config, Servers, settings_of, show
from console.reading import read_notices
from console.rendering import plain
from console.requests import By, Reason, Wait, checked, request, tell
from console.sentences import ago, utc
from detectors.commands import MaintenanceEnd, MaintenanceStart
from detectors.signals import HostState, Notice

UNIT_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}

maintenance = group("Tell that somebody works on hosts: nothing is learned.")


class MaintenanceRow(msgspec.Struct, frozen=True):
    """A host in maintenance, as detect said last."""

    host: str
    until: float
    state: HostState


@maintenance.callback(invoke_without_command=True, no_args_is_help=False)
def list_all(
    context: typer.Context, *, config: Config = None, bootstrap_servers: Servers = "", as_json: AsJson = False
) -> None:
    """List the hosts that are in maintenance, and until when."""
    if context.invoked_subcommand is None:
        now = time.time()
        rows = in_maintenance(asyncio.run(read_notices(settings_of(config, bootstrap_servers))), now)
        show(rows, draw_maintenance(rows, now), as_json=as_json)


@maintenance.command()
def start(
    hosts: Hosts,
    *,
    lasts: Annotated[
        str, typer.Option("--for", metavar="TIME", help="How long at most: 30m, 2h, 1d; 30 days at most.")
    ],
    reason: Reason,
    by: By = "",
    wait: Wait = 30.0,
    config: Config = None,
    bootstrap_servers: Servers = "",
    as_json: AsJson = False,
) -> None:
    """From now on nothing is learned of hosts; it ends by itself. Started again, it ends at the new time.

    Hosts are those that detect has seen, in the inventory or not, by their exact names.
    """
    asked = request(by, reason)
    until = asked.time + parse_span(lasts)
    commands = [checked(MaintenanceStart(**asked.stamp(host), until=until)) for host in dict.fromkeys(hosts)]
    tell(asyncio.run(answered(settings_of(config, bootstrap_servers), commands, wait)), as_json=as_json)


@maintenance.command()
def end(
    hosts: Hosts,
    *,
    reason: Annotated[str, typer.Option(help="Why, for whoever reads it later.")] = "",
    by: By = "",
    wait: Wait = 30.0,
    config: Config = None,
    bootstrap_servers: Servers = "",
    as_json: AsJson = False,
) -> None:
    """The work on hosts is over before its time."""
    asked = request(by, reason)
    commands = [checked(MaintenanceEnd(**asked.stamp(host))) for host in dict.fromkeys(hosts)]
    tell(asyncio.run(answered(settings_of(config, bootstrap_servers), commands, wait)), as_json=as_json)


def parse_span(text: str) -> float:
    """Seconds of a length of time such as `1h30m`. TypedError if it is none, or nothing.

    Example:
        >>> parse_span("1h30m")
        5400.0
    """
    parts = re.findall(r"(\d{1,9})([smhd])", text)
    seconds = sum(int(count) * UNIT_SECONDS[unit] for count, unit in parts)
    if not seconds or "".join(count + unit for count, unit in parts) != text:
        raise TypedError(f"--for is {text!r}, wanted a length of time such as 30m, 2h or 1d12h")
    return float(seconds)


def in_maintenance(notices: Iterable[Notice], now: float) -> tuple[MaintenanceRow, ...]:
    """The hosts that are in maintenance, the one that is over soonest first."""
    rows = [
        MaintenanceRow(one.host, one.maintenance_until, one.state)
        for one in newest_statuses(notices).values()
        if one.maintenance_until > now
    ]
    return tuple(sorted(rows, key=lambda row: (row.until, row.host)))


def draw_maintenance(rows: Sequence[MaintenanceRow], now: float) -> RenderableType:
    """A line a host."""
    if not rows:
        return Text("No host is in maintenance.")
    table = Table("host", "until", "ends", "state", box=None, pad_edge=False, header_style="bold dim")
    for row in rows:
        table.add_row(plain(row.host), utc(row.until), ago(row.until, now), row.state.value)
    return table
