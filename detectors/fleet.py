"""One host or many? The share of a group that is anomalous at a time, and the metrics its hosts have in common."""

import enum
from collections import Counter
from collections.abc import Iterable
from typing import Final

import msgspec

COMMON_METRICS: Final = 8
EXAMPLE_HOSTS: Final = 20


class FleetSettings(msgspec.Struct, frozen=True):
    """When several anomalous hosts are one matter.

    `hosts_minimum` hosts and `share_minimum` of the group within `window_seconds` raise; a share below `share_clear`,
    or fewer than `hosts_minimum` hosts, for `calm_seconds` clears. A silent host counts as part of the group, not as
    anomalous: silence has its own signal.
    """

    hosts_minimum: int = 3
    share_minimum: float = 0.3
    share_clear: float = 0.15
    window_seconds: float = 600.0
    calm_seconds: float = 600.0
    metric_share: float = 0.5
    """A metric blamed on this share of the anomalous hosts is one they have in common."""


class HostFinding(msgspec.Struct, frozen=True):
    """What is known of one host of the group at `time` (epoch seconds); `blamed` is most to blame first."""

    host: str
    time: float
    anomalous: bool
    blamed: tuple[str, ...] = ()


class CommonMetric(msgspec.Struct, frozen=True):
    """A metric that is blamed on `hosts` of the anomalous hosts, on `first` of them above all others."""

    metric: str
    hosts: int
    first: int


class FleetView(msgspec.Struct, frozen=True):
    """A group over the window that ends at `time`: how many of its hosts were anomalous, and what they have in common.

    `hosts` names the anomalous ones, the earliest first, at most 20; `began` is when the first of them was found.
    """

    group: str
    time: float
    known: int
    anomalous: int
    share: float
    began: float
    hosts: tuple[str, ...]
    common: tuple[CommonMetric, ...]


class FleetTurn(enum.Enum):
    """What a group's signal did."""

    NONE = "none"
    RAISED = "raised"
    CLEARED = "cleared"


class FleetState(msgspec.Struct, frozen=True):
    """What is remembered of a group, complete and ready to be saved.

    `found` maps a host to when it was first found anomalous in its present spell, when last, and what was blamed then;
    `seen` maps every host of the group to when it was last heard of; `raised_at` names the raised
    signal, `calm_since` is when the group became calm while raised.
    """

    group: str
    raised: bool = False
    raised_at: float = 0.0
    calm_since: float | None = None
    seen: dict[str, float] = {}
    found: dict[str, tuple[float, float, tuple[str, ...]]] = {}


def learn(state: FleetState, findings: Iterable[HostFinding], settings: FleetSettings) -> FleetState:
    """The state after these findings; a finding older than the host's last one changes nothing."""
    seen, found = dict(state.seen), dict(state.found)
    for finding in findings:
        if finding.time < seen.get(finding.host, finding.time):
            continue
        seen[finding.host] = finding.time
        if finding.anomalous:
            began, last, _ = found.get(finding.host, (finding.time, finding.time, ()))
            began = finding.time if finding.time - last > settings.window_seconds else began
            found[finding.host] = (began, finding.time, finding.blamed)
    return msgspec.structs.replace(state, seen=seen, found=found)


def forget(state: FleetState, hosts: Iterable[str]) -> FleetState:
    """The state without hosts that have left the group."""
    gone = set(hosts)
    return msgspec.structs.replace(
        state,
        seen={host: time for host, time in state.seen.items() if host not in gone},
        found={host: spell for host, spell in state.found.items() if host not in gone},
    )


def view(state: FleetState, now: float, settings: FleetSettings) -> FleetView:
    """The group over the window that ends now.

    Example:
        >>> blamed = [("disk.wait", f"cpu{i}") for i in range(8)]
        >>> found = [HostFinding(f"web-{i}", 60.0 * i, anomalous=i < 4, blamed=blamed[i]) for i in range(8)]
        >>> seen = view(learn(FleetState("web"), found, FleetSettings()), 500.0, FleetSettings())
        >>> seen.share, seen.hosts[0], seen.common
        (0.5, 'web-0', (CommonMetric(metric='disk.wait', hosts=4, first=4),))
    """
    recent = {host: spell for host, spell in state.found.items() if now - spell[1] <= settings.window_seconds}
    order = sorted(recent, key=lambda host: (recent[host][0], host))
    return FleetView(
        group=state.group,
        time=now,
        known=len(state.seen),
        anomalous=len(recent),
        share=len(recent) / len(state.seen) if state.seen else 0.0,
        began=recent[order[0]][0] if order else now,
        hosts=tuple(order[:EXAMPLE_HOSTS]),
        common=_common([recent[host][2] for host in order], settings.metric_share),
    )


def _common(blamed: list[tuple[str, ...]], share: float) -> tuple[CommonMetric, ...]:
    """Metrics blamed on enough of the hosts, those on most hosts first; a metric of one host is common to nobody."""
    on = Counter(metric for metrics in blamed for metric in set(metrics))
    first = Counter(metrics[0] for metrics in blamed if metrics)
    enough = [metric for metric, hosts in on.items() if hosts > 1 and hosts >= share * len(blamed)]
    enough.sort(key=lambda metric: (-on[metric], -first[metric], metric))
    return tuple(CommonMetric(metric, on[metric], first[metric]) for metric in enough[:COMMON_METRICS])


def turn(state: FleetState, now: float, settings: FleetSettings) -> tuple[FleetState, FleetTurn, FleetView]:
    """Whether the group's signal is raised or cleared now, with the view it rests on."""
    seen = view(state, now, settings)
    if not state.raised:
        if seen.anomalous < settings.hosts_minimum or seen.share < settings.share_minimum:
            return state, FleetTurn.NONE, seen
        raised = msgspec.structs.replace(state, raised=True, raised_at=now, calm_since=None)
        return raised, FleetTurn.RAISED, seen
    if seen.anomalous >= settings.hosts_minimum and seen.share >= settings.share_clear:
        return msgspec.structs.replace(state, calm_since=None), FleetTurn.NONE, seen
    since = now if state.calm_since is None else state.calm_since
    if now - since < settings.calm_seconds:
        return msgspec.structs.replace(state, calm_since=since), FleetTurn.NONE, seen
    return msgspec.structs.replace(state, raised=False, calm_since=None), FleetTurn.CLEARED, seen
