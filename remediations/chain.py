"""The hash chain over the audit log: h(n) = SHA-256(h(n-1) ‖ value bytes of record n), h(-1) = 32 zero bytes.

Every reader computes it in log order, and every record carries `seen`, the offset and h of the last record its writer
had read. So a change anywhere contradicts what later records saw. A change that restamps all later records contradicts
a checkpoint that was kept outside of the log, as does a truncation.
"""

import enum
import hashlib
import itertools
import re
from collections import deque
from collections.abc import Iterable, Sequence

import msgspec

from remediations.records import Seen

GENESIS = Seen(offset=-1, chain="00" * 32)
_WIDTH = 32
_CHAIN = re.compile(r"[0-9a-f]{64}")
_LOOK_AHEAD = 64  # records that may lie between a writer's last look and its write; more only widens the suspects


def advance(head: Seen, offset: int, value: bytes) -> Seen:
    """Give the head after one more record. The caller sees to it that `offset` is the next one."""
    return Seen(offset=offset, chain=_link(bytes.fromhex(head.chain), value).hex())


class Link(msgspec.Struct, frozen=True):
    """One record as verification reads it. `seen` is None when the value holds none, which is a fault in itself."""

    offset: int
    value: bytes
    seen: Seen | None


class FaultKind(enum.Enum):
    """What is wrong with the log."""

    CHANGED = "changed"
    MISSING = "missing"
    MISPLACED = "misplaced"
    UNSTAMPED = "unstamped"
    CHECKPOINT = "checkpoint"
    TRUNCATED = "truncated"


class Fault(msgspec.Struct, frozen=True):
    """The first contradiction, in offsets `first` to `last`. The record `found_by` shows it; -1: a checkpoint does."""

    kind: FaultKind
    first: int
    last: int
    found_by: int
    detail: str


class ChainReport(msgspec.Struct, frozen=True):
    """What verification came to. `head` is the last sound record: keep it outside of the log as a checkpoint."""

    head: Seen
    records: int
    fault: Fault | None = None


def verify(links: Iterable[Link], start: Seen = GENESIS, checkpoints: Sequence[Seen] = ()) -> ChainReport:
    """Read the log from just after `start` and report the first contradiction, or the head if there is none.

    A change of the newest record, that nobody has seen yet, shows only against a checkpoint. Costs 32 bytes a record.
    """
    stream = iter(links)
    known = {checkpoint.offset: checkpoint.chain for checkpoint in checkpoints}
    log = _Log(start)
    for link in stream:
        fault = _misfit(link, log) or _contradiction(link, log, stream)
        if fault is None:
            log.append(link.value)
            fault = _checkpoint_fault(log, known)
        if fault is not None:
            return ChainReport(head=log.head, records=log.records, fault=fault)
    return ChainReport(head=log.head, records=log.records, fault=_truncation(log, known))


class _Log:
    """The chain values of what was read, and up to which offset later records confirmed them."""

    def __init__(self, start: Seen) -> None:
        self._start = start.offset
        self._links = bytearray(bytes.fromhex(start.chain))
        self._recent: deque[bytes] = deque(maxlen=_LOOK_AHEAD)
        self.confirmed = start.offset

    @property
    def records(self) -> int:
        return len(self._links) // _WIDTH - 1

    @property
    def next_offset(self) -> int:
        return self._start + self.records + 1

    @property
    def head(self) -> Seen:
        return Seen(offset=self.next_offset - 1, chain=self._links[-_WIDTH:].hex())

    def append(self, value: bytes) -> None:
        self._links += _link(bytes(self._links[-_WIDTH:]), value)
        self._recent.append(value)

    def confirm(self, offset: int) -> None:
        self.confirmed = max(self.confirmed, offset)

    def values_after(self, offset: int) -> list[bytes]:
        """Give the values of the records after an offset that nobody has confirmed yet."""
        count = self.next_offset - 1 - offset
        return list(self._recent)[-count:] if count else []

    def at(self, offset: int) -> str | None:
        """Give the chain value at an offset, None before the start."""
        place = (offset - self._start) * _WIDTH
        return None if place < 0 else self._links[place : place + _WIDTH].hex()


def _link(previous: bytes, value: bytes) -> bytes:
    return hashlib.sha256(previous + value).digest()


def _misfit(link: Link, log: _Log) -> Fault | None:
    """Judge the record by its place alone."""
    expected, offset = log.next_offset, link.offset
    if offset > expected:
        detail = f"offsets {expected} to {offset - 1} are not in the log"
        return Fault(kind=FaultKind.MISSING, first=expected, last=offset - 1, found_by=offset, detail=detail)
    if offset < expected:
        detail = f"offset {offset} came where {expected} was due"
        return Fault(kind=FaultKind.MISPLACED, first=offset, last=offset, found_by=offset, detail=detail)
    if link.seen is None:
        detail = f"the record at offset {offset} does not say what its writer had seen"
        return Fault(kind=FaultKind.UNSTAMPED, first=offset, last=offset, found_by=offset, detail=detail)
    if not GENESIS.offset <= link.seen.offset < offset:
        detail = f"the record at offset {offset} says that its writer had seen offset {link.seen.offset}"
        return Fault(kind=FaultKind.MISPLACED, first=offset, last=offset, found_by=offset, detail=detail)
    return None


def _contradiction(link: Link, log: _Log, following: Iterable[Link]) -> Fault | None:
    """Compare what the record's writer had seen with what the log holds now."""
    seen = link.seen or GENESIS
    held = log.at(seen.offset)
    if held is None or held == seen.chain:
        log.confirm(seen.offset)
        return None
    first, last = _suspects(link, seen, log, following)
    detail = f"the record at offset {link.offset} saw chain {seen.chain} at offset {seen.offset}, the log gives {held}"
    return Fault(kind=FaultKind.CHANGED, first=first, last=last, found_by=link.offset, detail=detail)


def _suspects(link: Link, seen: Seen, log: _Log, following: Iterable[Link]) -> tuple[int, int]:
    """Narrow the change down to what the witness had seen, if a later record bears the witness out."""
    if seen.offset <= log.confirmed or _CHAIN.fullmatch(seen.chain) is None:
        return link.offset, link.offset
    first = log.confirmed + 1
    chain, offset = bytes.fromhex(seen.chain), seen.offset
    for value in (*log.values_after(seen.offset), link.value):
        chain, offset = _link(chain, value), offset + 1
    trusted = {link.offset: chain.hex()}
    for later in itertools.islice(following, _LOOK_AHEAD):
        if later.seen is not None and later.seen.offset >= link.offset:
            agrees = trusted.get(later.seen.offset) == later.seen.chain
            return (first, seen.offset) if agrees else (first, link.offset)
        chain = _link(chain, later.value)
        trusted[later.offset] = chain.hex()
    return first, link.offset


def _checkpoint_fault(log: _Log, known: dict[int, str]) -> Fault | None:
    head = log.head
    wanted = known.get(head.offset, head.chain)
    if wanted == head.chain:
        return None
    detail = f"the checkpoint of offset {head.offset} has chain {wanted}, the log gives {head.chain}"
    return Fault(kind=FaultKind.CHECKPOINT, first=log.confirmed + 1, last=head.offset, found_by=-1, detail=detail)


def _truncation(log: _Log, known: dict[int, str]) -> Fault | None:
    last = max(known, default=-1)
    if last < log.next_offset:
        return None
    detail = f"a checkpoint was taken at offset {last}, the log ends at {log.head.offset}"
    return Fault(kind=FaultKind.TRUNCATED, first=log.next_offset, last=last, found_by=-1, detail=detail)
