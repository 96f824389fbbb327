"""Fakes for tests of the stream package: no Kafka, no models."""

from collections.abc import Sequence

import msgspec

from detectors.errors import RowError
from detectors.samples import Sample
from detectors.signals import HostStatus, Signal


class Tally(msgspec.Struct, array_like=True):
    """What a CountingShard keeps of a host: enough to see a sample lost, applied twice or out of order."""

    host: str
    applied_offset: int = -1
    samples: int = 0
    places: dict[str, int] = {}
    fingerprint: int = 0


class CountingShard:
    """Stands in for detectors.shard.Shard: counts samples and folds their places into a fingerprint, in order.

    Keeps the same promises: a sample at or below the last offset applied, or from a place at or below the last one
    applied of its source, changes nothing.
    """

    def __init__(self, partition: int) -> None:
        self.partition = partition
        self.tallies: list[Tally] = []
        self._rows: dict[str, int] = {}
        self._dirty: dict[int, int] = {}

    def apply(self, samples: Sequence[tuple[int, Sample]]) -> list[Signal]:
        """Count; never gives a signal."""
        for offset, sample in samples:
            row = self._rows.setdefault(sample.host, len(self.tallies))
            if row == len(self.tallies):
                self.tallies.append(Tally(sample.host))
            tally, source = self.tallies[row], sample.source
            place = (source.offset << 16) + source.index
            name = f"{source.topic}/{source.partition}"
            if offset <= tally.applied_offset or place <= tally.places.get(name, -1):
                continue
            self._dirty.setdefault(row, offset)
            tally.applied_offset = offset
            tally.samples += 1
            tally.places[name] = place
            tally.fingerprint = (tally.fingerprint * 1_000_003 + place) % (1 << 61)
        return []

    def tick(self, now: float) -> list[Signal]:  # noqa: ARG002 - a shard's signature
        """Nothing is ever silent."""
        return []

    def roster(self, now: float) -> list[HostStatus]:  # noqa: ARG002 - a shard's signature
        """Nobody is told."""
        return []

    def pause(self, host: str) -> None:
        """Counting does not learn."""

    def resume(self, host: str) -> None:
        """Counting does not learn."""

    def row_state(self, row: int) -> bytes:
        """The tally of a row."""
        return msgspec.msgpack.encode(self.tallies[row])

    def load_row(self, data: bytes) -> int:
        """Take in a tally; the copy with the higher applied offset stays. RowError if unreadable."""
        try:
            tally = msgspec.msgpack.decode(data, type=Tally)
        except msgspec.DecodeError as error:
            raise RowError(f"not a tally: {error}") from error
        row = self._rows.setdefault(tally.host, len(self.tallies))
        if row == len(self.tallies):
            self.tallies.append(tally)
        elif tally.applied_offset > self.tallies[row].applied_offset:
            self.tallies[row] = tally
        return row

    def take_dirty(self) -> dict[int, int]:
        """Row → oldest offset that changed it since this was last asked."""
        dirty, self._dirty = self._dirty, {}
        return dirty
