"""What no sample can tell: which hosts have fallen silent, and the roster of who is there."""

import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from detectors.signals import HostState, HostStatus, Notice, Signal
from stream.detect.client_thread import FetchState
from stream.detect.offsets import Partition
from stream.detect.outbox import Message, Publisher
from stream.detect.shards import OwnedPartition, Shards
from stream.metrics import DetectMetrics
from stream.wire import Reason

# A partition is caught up only while the broker has lately told where its log ends.
TOLD_SECONDS = 5.0

type AskFetchState = Callable[[Partition], Awaitable[FetchState | None]]


def notice_messages(notices: Sequence[Notice]) -> list[Message]:
    """Notices as records of the signals topic."""
    return [Message(key=notice.host.encode(), value=msgspec.json.encode(notice)) for notice in notices]


class Watch:
    """Ticks the owned partitions that are caught up; `turn` is to be called about every second.

    Silence is measured on a clock of the partition that runs only while it is caught up: neither a backlog nor a
    broker that was away makes hosts silent.
    """

    def __init__(
        self,
        shards: Shards,
        outbox: Publisher,
        topics: tuple[str, str],
        roster_seconds: float,
        metrics: DetectMetrics,
    ) -> None:
        self._shards = shards
        self._outbox = outbox
        self._samples_topic, self._signals_topic = topics
        self._roster_seconds = roster_seconds
        self._metrics = metrics
        self._last_turn = time.monotonic()
        self._ends: dict[int, int] = {}
        self._told: dict[int, dict[str, HostStatus]] = {}
        self._told_all_at: dict[int, float] = {}

    async def turn(self, ask: AskFetchState) -> None:
        """Look once at every owned partition."""
        now = time.monotonic()
        elapsed, self._last_turn = now - self._last_turn, now
        owned = self._shards.owned
        self._forget_others({partition.number for partition in owned})
        lag = 0
        for partition in owned:
            state = await ask(Partition(self._samples_topic, partition.number))
            if state is None:
                continue
            lag += max(0, state.end_offset - partition.processed_offset)
            if self._is_caught_up(partition, state):
                partition.quiet_clock += elapsed
                await self._look(partition, now)
        self._metrics.samples_lag.set(lag)
        self._count_hosts()

    def _is_caught_up(self, partition: OwnedPartition, state: FetchState) -> bool:
        """Whether all that was there at the last turn is processed, and the broker still answers."""
        end = self._ends.get(partition.number)
        self._ends[partition.number] = state.end_offset
        is_fresh = time.time() - state.told_time < TOLD_SECONDS
        return is_fresh and end is not None and partition.processed_offset >= end

    async def _look(self, partition: OwnedPartition, now: float) -> None:
        async with partition.lock:
            signals = partition.shard.tick(partition.quiet_clock)
            await self._outbox.publish(self._signals_topic, notice_messages(signals))
            partition.note_changes(partition.processed_offset)
            roster = partition.shard.roster(time.time())
        self.count_signals(signals)
        await self._tell(partition.number, roster, now)

    async def _tell(self, number: int, roster: Sequence[HostStatus], now: float) -> None:
        """Publish what changed since the last turn, and everything every `roster_seconds`.

        Of hosts that are being repaired each new sample counts: whether it helped is judged by them, within a deadline.
        """
        told, repaired = self._told.setdefault(number, {}), self._shards.paused_hosts
        is_full = now - self._told_all_at.get(number, -self._roster_seconds) >= self._roster_seconds
        news = [
            status
            for status in roster
            if is_full or _is_news(status, told.get(status.host), is_repaired=status.host in repaired)
        ]
        await self._outbox.publish(self._signals_topic, notice_messages(news))
        told.update((status.host, status) for status in news)
        if is_full:
            self._told_all_at[number] = now

    def count_signals(self, signals: Sequence[Signal]) -> None:
        """Count signals that were written."""
        for signal in signals:
            self._metrics.signals.labels(signal.kind.value, signal.state.value).inc()

    def _count_hosts(self) -> None:
        everybody = [status for told in self._told.values() for status in told.values()]
        counts = Counter(status.state for status in everybody)
        for state in HostState:
            self._metrics.hosts.labels(state.value).set(counts[state])
        reasons = Counter(_reason(status) for status in everybody)
        for reason in Reason:
            self._metrics.unreadable.labels(reason.value).set(reasons[reason.value])
        self._metrics.clocks.set(sum(status.behind_seconds != 0.0 for status in everybody))

    def _forget_others(self, owned: set[int]) -> None:
        for number in set(self._ends) - owned:
            del self._ends[number]
            self._told.pop(number, None)
            self._told_all_at.pop(number, None)


def _is_news(status: HostStatus, told: HostStatus | None, *, is_repaired: bool) -> bool:
    """Whether something has changed that must be known at once."""
    if told is None or (is_repaired and told.last_sample_time != status.last_sample_time):
        return True
    return _essence(told) != _essence(status)


def _essence(status: HostStatus) -> tuple[object, ...]:
    is_off = status.behind_seconds != 0.0
    return status.state, status.maintenance_until, status.saves, _reason(status), is_off


def _reason(status: HostStatus) -> str:
    return status.unread.reason if status.unread is not None and status.state is HostState.UNREADABLE else ""
