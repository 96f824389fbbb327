"""The playbooks as a list: what each does, on which hosts, with which inputs, and whether it may run as it is."""

from collections.abc import Mapping, Sequence

import msgspec
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from console.playbooks.obstacles import Acceptance
from console.rendering import plain
from remediations.playbooks import (
    FromConstant,
    FromExpression,
    FromIncident,
    FromInventory,
    InputSource,
    Playbook,
    Risk,
)
from remediations.policies import Verification

DIGEST_CHARACTERS = 12
STANDINGS = {
    Acceptance.ACCEPTED: ("accepted", "green"),
    Acceptance.BY_ITSELF: ("an engine accepts it when it first sees it", "green"),
    Acceptance.BROKEN: ("not accepted: see `tidegate playbooks check`", "red"),
    Acceptance.CHANGED: ("changed since it was accepted", "yellow"),
    Acceptance.NEW: ("not accepted yet", "yellow"),
}


class InputRow(msgspec.Struct, frozen=True):
    """One input; `source` says where its value comes from."""

    name: str
    type: str
    required: bool
    default: object
    source: str
    choices: tuple[object, ...] | None
    description: str


class PlaybookRow(msgspec.Struct, frozen=True):
    """One playbook of the catalogue."""

    name: str
    description: str
    action: str
    risk: Risk
    groups: tuple[str, ...]
    delegates: tuple[str, ...]
    hosts_maximum: int
    needs_approval: bool
    supports_check: bool
    idempotent: bool
    undo: str | None
    timeout_seconds: float
    verification: Verification
    digest: str
    acceptance: Acceptance
    inputs: tuple[InputRow, ...]


def list_playbooks(playbooks: Mapping[str, Playbook], standing: Mapping[str, Acceptance]) -> tuple[PlaybookRow, ...]:
    """Give the catalogue in order of name, with how each stands."""
    return tuple(_row(playbooks[name], standing[name]) for name in sorted(playbooks))


def draw_playbooks(rows: Sequence[PlaybookRow]) -> RenderableType:
    """Each playbook with its inputs as a table."""
    if not rows:
        return Text("No playbook: the folder has none with a sidecar (<name>.meta.yml).")
    return Group(*(part for row in rows for part in (_heading(row), _facts(row), _inputs(row), Text())))


def _row(playbook: Playbook, standing: Acceptance) -> PlaybookRow:
    sidecar = playbook.sidecar
    return PlaybookRow(
        name=playbook.name,
        description=sidecar.description,
        action=sidecar.action,
        risk=sidecar.risk,
        groups=sidecar.targets.groups,
        delegates=sidecar.targets.delegates,
        hosts_maximum=sidecar.hosts_maximum,
        needs_approval=sidecar.needs_approval,
        supports_check=sidecar.supports_check,
        idempotent=sidecar.idempotent,
        undo=sidecar.undo,
        timeout_seconds=sidecar.timeout_seconds,
        verification=sidecar.verification,
        digest=playbook.digest,
        acceptance=standing,
        inputs=tuple(
            InputRow(
                name=name,
                type=spec.type,
                required=spec.required,
                default=spec.default,
                source="the role itself: a secret" if spec.secret else source(sidecar.inputs.get(name)),
                choices=spec.choices,
                description=spec.description,
            )
            for name, spec in playbook.inputs.items()
        ),
    )


def source(given: InputSource | None) -> str:
    """Say where the value of an input comes from."""
    match given:
        case FromIncident(field=field):
            return f"the incident: {field.value}"
        case FromInventory(variable=variable):
            return f"the inventory: {variable}"
        case FromConstant(value=value):
            return f"the sidecar: {value!r}"
        case FromExpression(expression=expression):
            return f"the expression {expression}"
        case None:
            return "a rule or the inventory"


def helped(wanted: Verification) -> str:
    """Say when a run counts as having helped."""
    kinds = ", ".join(wanted.signals) or "all signals of the incident"
    latest = max(wanted.deadline_seconds, wanted.settle_seconds)
    return f"helped if clear {wanted.settle_seconds:g} to {latest:g} s after its end: {kinds}"


def _heading(row: PlaybookRow) -> Text:
    state = STANDINGS[row.acceptance]
    return Text.assemble(plain(row.name, "bold"), "  ", plain(row.description), "  (", state, ")")


def _facts(row: PlaybookRow) -> Text:
    facts = [
        f"action {row.action}",
        f"risk {row.risk.value}",
        f"targets {', '.join(row.groups) or 'every host'}",
        *([f"acts through {', '.join(row.delegates)}"] if row.delegates else ()),
        f"at most {row.hosts_maximum} host{'s' if row.hosts_maximum > 1 else ''} a run",
        f"{row.timeout_seconds:g} s",
        helped(row.verification),
        f"undo {row.undo or 'none'}",
        "idempotent" if row.idempotent else "not idempotent",
        "check mode" if row.supports_check else "no check mode",
        *(["needs approval"] if row.needs_approval else ()),
        f"digest {row.digest[:DIGEST_CHARACTERS]}",
    ]
    return plain("  " + "; ".join(facts), "dim")


def _inputs(row: PlaybookRow) -> RenderableType:
    if not row.inputs:
        return Text("  no inputs", style="dim")
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for each in row.inputs:
        kind = " or ".join(map(str, each.choices)) if each.choices else each.type
        default = "required" if each.required else "no default" if each.default is None else f"default {each.default!r}"
        words = Text.assemble(plain(f"{kind}, {default}, from {each.source}"), "\n", plain(each.description, "dim"))
        table.add_row(plain(f"  {each.name}"), words)
    return table
