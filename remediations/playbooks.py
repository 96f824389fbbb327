"""A playbook as the engine knows it: its file, what it consists of, and the sidecar that its author wrote."""

import enum
from typing import Annotated

import msgspec

from remediations.policies import Name, Scalar, Verification


class IncidentField(enum.Enum):
    """What an incident can give to an input."""

    INCIDENT_ID = "incident_id"
    HOST = "host"
    ACTION_ID = "action_id"


class FromIncident(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="incident", tag_field="from"):
    """An input that the incident gives."""

    field: IncidentField


class FromInventory(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="inventory", tag_field="from"):
    """An input that is a variable of the host in the inventory."""

    variable: str


class FromConstant(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="constant", tag_field="from"):
    """An input that is always the same, unless a rule gives another."""

    value: Scalar


class FromExpression(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="expression", tag_field="from"):
    """An input that is worked out from the incident and the host's variables, in CEL."""

    expression: str


type InputSource = FromIncident | FromInventory | FromConstant | FromExpression
type VariableName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}\Z")]


class Risk(enum.Enum):
    """How much a run can hurt."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Targets(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The hosts that a playbook is meant for: members of any of `groups`, or every host of the inventory if empty.

    `delegates` are host variables that name further hosts of the inventory which a run acts through, such as the
    load balancer of a web server; a variable holds one name or a list of names.
    """

    groups: tuple[str, ...] = ()
    delegates: tuple[VariableName, ...] = ()


class Sidecar(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `<name>.meta.yml` says of the playbook beside it.

    `idempotent`: a second run after an unknown first one does no harm. `undo` names the playbook that takes the effect
    back. `supports_check`: a run in check mode tells what a run would do. `needs_approval`: no rule may run it without
    a human. One run has at most `hosts_maximum` targets.
    """

    description: str
    action: Name
    timeout_seconds: Annotated[float, msgspec.Meta(gt=0, le=86_400)]
    inputs: dict[str, InputSource] = {}
    targets: Targets = Targets()
    idempotent: bool = False
    undo: Name | None = None
    risk: Risk = Risk.MEDIUM
    supports_check: bool = False
    needs_approval: bool = False
    hosts_maximum: Annotated[int, msgspec.Meta(ge=1, le=100)] = 1
    verification: Verification = Verification()


class InputSpec(msgspec.Struct, frozen=True):
    """One input as a role's `meta/argument_specs.yml` declares it.

    `type` is in Ansible's words; `secret`: no_log; `default` is the role's own, None if it says none.
    """

    type: str = "str"
    required: bool = False
    choices: tuple[object, ...] | None = None
    secret: bool = False
    default: object = None
    description: str = ""


class Playbook(msgspec.Struct, frozen=True):
    """One playbook of the catalogue.

    `path` is absolute; `digest` is the SHA-256 (hex) over everything a run of it may read from the playbook folder;
    `inputs` are the inputs that its roles declare; `accepted_digest` is the one under which it may run, empty if none.
    `breach` says what it breaks of the contract, or Ansible can not read, if it was not accepted because of that.
    """

    name: str
    path: str
    digest: str
    sidecar: Sidecar
    inputs: dict[str, InputSpec] = {}
    accepted_digest: str = ""
    breach: str = ""
