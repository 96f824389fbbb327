"""Which rows of a partition's state to save next, under which key, and what may then be committed. Pure.

The state topic is compacted. A page is a set of rows of one partition under the key `page@generation-writer`, where the
writer is new at every assignment: so no two writers ever share a key, and a worker that wakes from the dead cannot
overwrite (and compaction then not remove) what its successor wrote. A reader merges all pages row by row.

A page written by another writer is removed by a tombstone once every row it held the newest copy of is saved again;
never if its generation is newer than ours, for then it is we who are dead.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import msgspec

from stream.errors import StateError

PAGE_VERSION = 1
PAGE_BYTES_MAXIMUM = 256 * 1024


class Page(msgspec.Struct, frozen=True, array_like=True):
    """Value of a record of the state topic: rows as they were when every sample before `through_offset` was applied.

    `life` is that of the samples topic, in which its offset and those of the rows count; empty if it is not known.
    """

    version: int
    through_offset: int
    rows: tuple[bytes, ...]
    life: str = ""


class PageRecord(msgspec.Struct, frozen=True):
    """One record to write to the state topic; a value of None removes the key."""

    key: bytes
    value: bytes | None


class Writer(msgspec.Struct, frozen=True):
    """One assignment of one worker: the group's generation and a random name."""

    generation: int
    name: str

    def key(self, page: int) -> bytes:
        """Key of one of this writer's pages."""
        return f"{page}@{self.generation}-{self.name}".encode()


def generation_of(key: bytes) -> int:
    """The group generation that a page's key was written in; raises StateError for a key of another form."""
    _page, _at, writer = key.partition(b"@")
    generation, dash, _name = writer.partition(b"-")
    if not dash or not generation.isdigit():
        raise StateError(f"state record has key {key!r}, wanted page@generation-writer")
    return int(generation)


def decode_page(key: bytes, value: bytes) -> Page:
    """Read a page; raises StateError naming the key if it is damaged or of a version not known here."""
    try:
        page = msgspec.msgpack.decode(value, type=Page)
    except msgspec.DecodeError as error:
        raise StateError(f"state page {key!r} cannot be read: {error}") from error
    if page.version != PAGE_VERSION:
        raise StateError(f"state page {key!r} has version {page.version}, wanted {PAGE_VERSION}")
    return page


class _Slot:
    """One page of ours: its rows, and which of their changes are not saved."""

    __slots__ = ("key", "rows", "size_bytes", "unsaved_offset", "unsaved_since", "writing_offset", "writing_since")

    def __init__(self, key: bytes, rows: list[int]) -> None:
        self.key = key
        self.rows = rows
        self.size_bytes = 0
        self.unsaved_offset: int | None = None
        self.unsaved_since = 0.0
        self.writing_offset: int | None = None
        self.writing_since = 0.0

    def note(self, offset: int, since: float) -> None:
        """Some row of the page was changed by the record at `offset`."""
        if self.unsaved_offset is None:
            self.unsaved_offset, self.unsaved_since = offset, since
        else:
            self.unsaved_offset = min(offset, self.unsaved_offset)
            self.unsaved_since = min(since, self.unsaved_since)

    def begin_writing(self, offset: int, since: float) -> None:
        """The rows as they are now are on their way to the topic."""
        self.unsaved_offset = None
        self.writing_offset, self.writing_since = offset, since


class Writing(msgspec.Struct, frozen=True):
    """Pages on their way to the topic: the records in the order they must be appended."""

    records: tuple[PageRecord, ...]
    slots: tuple[_Slot, ...]

    @property
    def size_bytes(self) -> int:
        """Bytes of all values."""
        return sum(len(record.value or b"") for record in self.records)


class PageBook:
    """The pages of one partition: rows are grouped as they appear, rewritten oldest unsaved change first.

    `writer` names the keys; a page is split when its rows together exceed `page_bytes_maximum` (one larger row is a
    page of its own).

    Attributes:
        life: Of the samples topic, as its pages say.
    """

    def __init__(self, writer: Writer, page_bytes_maximum: int = PAGE_BYTES_MAXIMUM) -> None:
        self.life = ""
        self._writer = writer
        self._page_bytes_maximum = page_bytes_maximum
        self._slots: list[_Slot] = []
        self._slot_of: dict[int, _Slot] = {}
        # Key of another writer → our pages that hold its rows and were not written yet.
        self._replacing: dict[bytes, set[_Slot]] = {}
        self._newer: dict[bytes, set[_Slot]] = {}  # the same of those whose writer came after us

    # Recovery

    def adopt(self, found: Mapping[bytes, Sequence[int]], through_offset: int, now_seconds: float) -> None:
        """Take over recovered pages: key → the rows it holds, each already merged to its newest copy in memory.

        A row of several keys is saved again soon, so that its older copies can go; `through_offset` is the highest of
        all pages found.
        """
        for key, rows in found.items():
            fresh = [row for row in dict.fromkeys(rows) if row not in self._slot_of]
            if fresh:
                self._add(fresh)
            if len(fresh) < len(rows):
                self.changed(dict.fromkeys(rows, through_offset), now_seconds)
            replaced = self._replacing if generation_of(key) <= self._writer.generation else self._newer
            replaced[key] = {self._slot_of[row] for row in rows}

    def outlive(self, life: str) -> None:
        """The samples topic was made anew: pages of its old life go, whoever wrote them. All rows must be changed now.

        In a cluster built anew generations count from 1 again: a newer one than ours does not mean that we are dead.
        """
        self.life = life
        self._replacing |= self._newer
        self._newer = {}

    # Changes

    def changed(self, rows: Mapping[int, int], now_seconds: float) -> None:
        """Rows, each with the offset of the first record that changed it; `now_seconds` is any steady clock."""
        for row, offset in rows.items():
            (self._slot_of.get(row) or self._place(row)).note(offset, now_seconds)

    def committable(self, processed_offset: int) -> int:
        """Offset that may be committed when everything before `processed_offset` is processed."""
        oldest = processed_offset
        for slot in self._slots:
            for offset in (slot.unsaved_offset, slot.writing_offset):
                if offset is not None and offset < oldest:
                    oldest = offset
        return oldest

    def unsaved_since(self) -> float | None:
        """When the oldest change that no saved page holds was made; None if all is saved."""
        return min((slot.unsaved_since for slot in self._slots if slot.unsaved_offset is not None), default=None)

    # Writing

    def take(
        self, row_state: Callable[[int], bytes], through_offset: int, budget_bytes: float, before_seconds: float
    ) -> Writing:
        """Encode pages with changes up to `before_seconds`, oldest first, until `budget_bytes` are used up.

        The rows must stand as every sample before `through_offset` left them. Each page taken is to be given back by
        `saved` or `failed`; a page that is being written is not taken again.
        """
        records: list[PageRecord] = []
        slots: list[_Slot] = []
        for slot in self._due(before_seconds):
            if budget_bytes <= 0:
                break
            for record, part in self._encode(slot, row_state, through_offset):
                records.append(record)
                slots.append(part)
                budget_bytes -= len(record.value or b"")
        return Writing(records=tuple(records), slots=tuple(slots))

    def saved(self, writing: Writing) -> tuple[PageRecord, ...]:
        """All records of `writing` are durable. Returns the removals that may be written now."""
        for slot in writing.slots:
            slot.writing_offset = None
            for replacing in self._replacing.values():
                replacing.discard(slot)
        replaced = [key for key, replacing in self._replacing.items() if not replacing]
        for key in replaced:
            del self._replacing[key]
        return tuple(PageRecord(key=key, value=None) for key in replaced)

    def failed(self, writing: Writing) -> None:
        """The records of `writing` may not be durable: their changes count as unsaved again."""
        for slot in writing.slots:
            if slot.writing_offset is not None:
                slot.note(slot.writing_offset, slot.writing_since)
                slot.writing_offset = None

    # Inside

    def _due(self, before_seconds: float) -> list[_Slot]:
        """Unsaved pages, oldest change first; of equals the later page first: it may hold rows split off the other."""
        due = [
            slot
            for slot in reversed(self._slots)
            if slot.unsaved_offset is not None and slot.writing_offset is None and slot.unsaved_since <= before_seconds
        ]
        return sorted(due, key=lambda slot: slot.unsaved_since)

    def _add(self, rows: list[int]) -> _Slot:
        slot = _Slot(self._writer.key(len(self._slots)), rows)
        self._slots.append(slot)
        self._slot_of.update(dict.fromkeys(rows, slot))
        return slot

    def _place(self, row: int) -> _Slot:
        """The page of a new row: the last one while it has room by what its rows took when last written."""
        slot = self._slots[-1] if self._slots else None
        if slot is None or not self._has_room(slot):
            return self._add([row])
        slot.rows.append(row)
        self._slot_of[row] = slot
        return slot

    def _has_room(self, slot: _Slot) -> bool:
        mean_bytes = slot.size_bytes / len(slot.rows)
        return slot.size_bytes + mean_bytes <= self._page_bytes_maximum

    def _encode(
        self, slot: _Slot, row_state: Callable[[int], bytes], through_offset: int
    ) -> Iterator[tuple[PageRecord, _Slot]]:
        """Records of one page, split where it has grown too large; the shrunken page itself comes last.

        In that order no row is ever without a durable copy.
        """
        if slot.unsaved_offset is None:
            return
        offset, since = slot.unsaved_offset, slot.unsaved_since
        first, *others = self._split([(row, row_state(row)) for row in slot.rows])
        for part in (*others, first):
            rows = [row for row, _state in part]
            target = slot if part is first else self._split_off(slot, rows)
            target.rows = rows
            target.begin_writing(offset, since)
            value = msgspec.msgpack.encode(
                Page(PAGE_VERSION, through_offset, tuple(state for _row, state in part), self.life)
            )
            target.size_bytes = len(value)
            yield PageRecord(key=target.key, value=value), target

    def _split_off(self, slot: _Slot, rows: list[int]) -> _Slot:
        """A new page of rows of `slot`; what waits for `slot` now waits for it as well."""
        part = self._add(rows)
        for replacing in self._replacing.values():
            if slot in replacing:
                replacing.add(part)
        return part

    def _split(self, rows: Iterable[tuple[int, bytes]]) -> list[list[tuple[int, bytes]]]:
        parts: list[list[tuple[int, bytes]]] = [[]]
        size_bytes = 0
        for row, state in rows:
            if parts[-1] and size_bytes + len(state) > self._page_bytes_maximum:
                parts.append([])
                size_bytes = 0
            parts[-1].append((row, state))
            size_bytes += len(state)
        return parts
