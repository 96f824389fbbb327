"""What SREs allow: rules that tie signals to playbooks, and the limits that hold for all of them."""

import enum
from typing import Annotated, Literal

import msgspec

from detectors.fleet import FleetSettings
from detectors.signals import SignalKind

WINDOW_MAXIMUM_SECONDS = 604_800.0  # a week: past starts are remembered for that long

NAME_PATTERN = r"^[a-z][a-z0-9_-]{0,63}\Z"

type Scalar = str | int | float | bool
type Seconds = Annotated[float, msgspec.Meta(ge=0)]
type WindowSeconds = Annotated[float, msgspec.Meta(ge=0, le=WINDOW_MAXIMUM_SECONDS)]
type Count = Annotated[int, msgspec.Meta(ge=0)]
type TargetKind = Literal["anomaly", "silence", "drift"]  # values of SignalKind that one host has
type Name = Annotated[str, msgspec.Meta(pattern=NAME_PATTERN)]


class RuleMode(enum.Enum):
    """How far a rule may go: say what it would do, ask a human first, or act.

    Humans can not be asked yet: until there are approvals, a rule in mode APPROVE never acts.
    """

    OBSERVE = "observe"
    APPROVE = "approve"
    AUTO = "auto"


class Match(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which signals a rule answers. Empty `hosts` and `groups` mean every host of the inventory.

    Kind `fleet` answers incidents of hosts in a group of which several are in trouble together; its score is the share.
    """

    kinds: tuple[SignalKind, ...] = (SignalKind.ANOMALY,)
    hosts: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    score_minimum: float = 0.0


class Verification(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When a run counts as having helped: signals must be clear on data newer than its end plus `settle_seconds`.

    `signals` are the kinds that must be clear on the target, whatever else is raised there; empty: all signals of the
    incident. A fleet event is of no single target and cannot be asked for.
    """

    settle_seconds: Seconds = 5.0
    deadline_seconds: Seconds = 300.0
    signals: tuple[TargetKind, ...] = ()


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One rule. The first rule of the file that matches a signal is the one that answers it.

    `cooldown_seconds` counts from the end of the last run on the same host, whatever its outcome, and grows where the
    host needs runs again and again (`Limits`);
    `attempts_maximum` is per incident. `inputs` are constants for the playbook's declared inputs and win over the
    sidecar's sources; without `verification` the sidecar's own holds.
    """

    name: Name
    playbook: Name
    mode: RuleMode = RuleMode.OBSERVE
    match: Match = Match()
    inputs: dict[str, Scalar] = {}
    cooldown_seconds: Seconds = 900.0
    attempts_maximum: Count = 1
    verification: Verification | None = None


class FleetEvents(enum.Enum):
    """Whether single hosts may be acted on while several of a group are in trouble together."""

    ALLOW = "allow"
    REFUSE = "refuse"


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Limits over all rules.

    A limit of 0 allows nothing. `roster_age_maximum_seconds` is how old detect's last word on a host may be;
    `samples_minimum` is the maturity of a host's model in samples;
    `group_concurrency_maximum` counts unfinished runs in each inventory group of the host;
    at most `starts_maximum` runs start in any `starts_window_seconds`; at most `host_attempts_maximum` runs start on
    one host in any `host_attempts_window_seconds`, over all incidents whatever came of them, then a human is called;
    a host's cooldown doubles with each further run in that window, up to `cooldown_maximum_seconds`, and is never
    shorter than the rule's; `fleet_events` that are refused let only rules act that answer kind `fleet`.
    """

    event_age_maximum_seconds: Seconds = 300.0
    roster_age_maximum_seconds: Seconds = 180.0
    samples_minimum: Count = 300
    group_concurrency_maximum: Count = 1
    starts_maximum: Count = 10
    starts_window_seconds: WindowSeconds = 3600.0
    host_attempts_maximum: Count = 5
    host_attempts_window_seconds: WindowSeconds = 14_400.0
    cooldown_maximum_seconds: Seconds = 3600.0
    protected_hosts: tuple[str, ...] = ()
    fleet_events: FleetEvents = FleetEvents.REFUSE


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One policy file."""

    version: Literal[1]
    rules: tuple[Rule, ...] = ()
    limits: Limits = Limits()
    fleet: FleetSettings = FleetSettings()
