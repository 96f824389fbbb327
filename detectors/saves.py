"""The saved states of a host, one a day at most, and its times of maintenance."""

import zlib
from typing import Final

import msgspec

DAY_SECONDS: Final = 86_400.0
SAVES_KEPT: Final = 7
SLOTS: Final = SAVES_KEPT + 1  # one more, so that no state is overwritten while a host still lists it
TOLD_SECONDS: Final = 0.001  # times are told to people in milliseconds


class SavedState(msgspec.Struct, frozen=True, array_like=True):
    """A state that can be gone back to: its event time, its offset in the models topic, its size."""

    time: float
    offset: int
    size_bytes: int


class TakenState(msgspec.Struct, frozen=True):
    """A state to be saved: the whole row of a host at an event time, and the slot that it is to be kept in."""

    host: str
    time: float
    slot: int
    row: bytes


class Upkeep(msgspec.Struct, array_like=True):
    """What is kept of a host besides what it learned: until when it is in maintenance, and its saved states.

    `due` is when the next state may be taken; times are event times in epoch seconds, 0 if there is none. `taken`
    counts all states that were ever taken, `saves` are the latest of them, oldest first.
    """

    maintenance_until: float = 0.0
    due: float = 0.0
    taken: int = 0
    saves: list[SavedState] = []

    def is_due(self, host: str, time: float) -> bool:
        """Whether a day of the host has begun since the last saved state, or since its first sample."""
        if not self.due:
            self.due = next_due(host, time)
        return time >= self.due

    def take(self, host: str, time: float) -> int:
        """Note that a state is taken; the slot that it is to be kept in."""
        self.due = next_due(host, time)
        self.taken += 1
        return self.taken % SLOTS

    def keep(self, state: SavedState) -> None:
        """Note where the state that was taken last is kept."""
        self.saves = [*self.saves, state][-SAVES_KEPT:]

    def find(self, to_time: float | None) -> SavedState | None:
        """The newest saved state, or the newest that is no newer than `to_time`."""
        fitting = [one for one in self.saves if to_time is None or one.time <= to_time + TOLD_SECONDS]
        return fitting[-1] if fitting else None


def next_due(host: str, time: float) -> float:
    """When the next day of this host begins: days are shifted by name, so that not all hosts are saved at once.

    Example:
        >>> [next_due(host, 86_400.0 * 100) - 86_400.0 * 100 for host in ("web-1", "web-2")]
        [58216.0, 37074.0]
    """
    shift = zlib.crc32(host.encode()) % DAY_SECONDS
    return ((time - shift) // DAY_SECONDS + 1.0) * DAY_SECONDS + shift
