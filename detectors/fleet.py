"""One host or many? The share of a group that is in trouble at a time, and the metrics its hosts have in common."""

import enum
from collections import Counter
from typing import Annotated, Final

import msgspec

COMMON_METRICS: Final = 8
EXAMPLE_HOSTS: Final = 20

type Share = Annotated[float, msgspec.Meta(gt=0, le=1)]


class FleetSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When the troubles of several hosts are one matter. Empty `groups` mean every group of the inventory but `all`.

    `hosts_minimum` hosts and `share_minimum` of a group within `window_seconds` raise; a share below `share_clear`, or
    fewer than `hosts_minimum` hosts, over a whole window clears. A host is in trouble while it is anomalous or silent.
    """

    groups: tuple[str, ...] = ()
    hosts_minimum: Annotated[int, msgspec.Meta(ge=2)] = 3
    share_minimum: Share = 0.3
    share_clear: Share = 0.15
    window_seconds: Annotated[float, msgspec.Meta(ge=0)] = 600.0
    metric_share: Share = 0.5
    """A metric blamed on this share of the affected hosts is one they have in common."""


class Spell(msgspec.Struct, frozen=True):
    """The latest time of trouble of one host: when it began, when it was last seen, what was blamed, most first.

    Times are epoch seconds; a spell that goes on is last seen now. A silent host is in trouble, but blames nothing.
    """

    began: float
    last: float
    blamed: tuple[str, ...] = ()
    is_silent: bool = False


class CommonMetric(msgspec.Struct, frozen=True):
    """A metric that is blamed on `hosts` of the affected hosts, on `first` of them above all others."""

    metric: str
    hosts: int
    first: int


class FleetView(msgspec.Struct, frozen=True):
    """A group over the window that ends at `time`: how many of its hosts were in trouble, and what they share.

    Of the `known` hosts of the group `affected` were anomalous or silent, `silent` of them silent. `hosts` names them,
    the earliest first, at most 20; `began` is when the first of them was found.
    """

    group: str
    time: float
    known: int
    affected: int
    silent: int
    share: float
    began: float
    hosts: tuple[str, ...]
    common: tuple[CommonMetric, ...]


class FleetTurn(enum.Enum):
    """What a group's signal did."""

    NONE = "none"
    RAISED = "raised"
    CLEARED = "cleared"


class Fleet(msgspec.Struct, frozen=True):
    """A group as it is known: how many hosts are `known`, and the spells of those that have or had one."""

    group: str
    known: int
    spells: dict[str, Spell]


def view(fleet: Fleet, now: float, settings: FleetSettings) -> FleetView:
    """The group over the window that ends now.

    Example:
        >>> spells = {f"web-{i}": Spell(60.0 * i, 60.0 * i, ("disk.wait", f"cpu{i}")) for i in range(4)}
        >>> seen = view(Fleet("web", 8, spells), 500.0, FleetSettings())
        >>> seen.share, seen.hosts[0], seen.common
        (0.5, 'web-0', (CommonMetric(metric='disk.wait', hosts=4, first=4),))
    """
    since = now - settings.window_seconds
    recent = {host: spell for host, spell in fleet.spells.items() if spell.last >= since}
    order = sorted(recent, key=lambda host: (recent[host].began, host))
    return FleetView(
        group=fleet.group,
        time=now,
        known=fleet.known,
        affected=len(recent),
        silent=sum(spell.is_silent for spell in recent.values()),
        share=min(len(recent) / fleet.known, 1.0) if fleet.known else 0.0,
        began=recent[order[0]].began if order else now,
        hosts=tuple(order[:EXAMPLE_HOSTS]),
        common=_common([recent[host].blamed for host in order], settings.metric_share),
    )


def _common(blamed: list[tuple[str, ...]], share: float) -> tuple[CommonMetric, ...]:
    """Metrics blamed on enough of the hosts, those on most hosts first; a metric of one host is common to nobody."""
    on = Counter(metric for metrics in blamed for metric in set(metrics))
    first = Counter(metrics[0] for metrics in blamed if metrics)
    enough = [metric for metric, hosts in on.items() if hosts > 1 and hosts >= share * len(blamed)]
    enough.sort(key=lambda metric: (-on[metric], -first[metric], metric))
    return tuple(CommonMetric(metric, on[metric], first[metric]) for metric in enough[:COMMON_METRICS])


def turn(seen: FleetView, settings: FleetSettings, *, raised: bool) -> FleetTurn:
    """Whether the group's signal turns with this view."""
    limit = settings.share_clear if raised else settings.share_minimum
    many = seen.affected >= settings.hosts_minimum and seen.share >= limit
    if many is raised:
        return FleetTurn.NONE
    return FleetTurn.RAISED if many else FleetTurn.CLEARED
