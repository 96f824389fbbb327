"""Reads what a broker gave as far as it can be read, and says what can not: the client throws away all of it.

Pure: bytes in, records and damage out. Kafka's formats are read by aiokafka's own classes; what this module adds is
where a record ends that they refuse, and where the next batch begins.
"""

import enum
import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.legacy_records import _LegacyRecordBatchPy
from aiokafka.record.util import decode_varint_py as decode_varint  # the compiled one reads beyond the end

from stream.unpacking import TooLargeError, check_unpacking

type KafkaRecord = ConsumerRecord[bytes, bytes]

# Base offset and length of a batch; its magic number follows the leader's epoch (or, before magic 2, the checksum).
HEADING = struct.Struct(">qi")
MAGIC_PLACE = 16
NEWEST_MAGIC = 2
ABORT = b"\x00\x00\x00\x00"  # key of the control record that ends an aborted transaction: version 0, type 0
NO_TIME = -1
CODEC_BITS = 0x07
LEGACY_ATTRIBUTES_PLACE = 17
# A broker takes batches of 1 MiB, unless it is told otherwise; readings shrink to a twentieth at best.
UNPACKED_BYTES_MAXIMUM = 64 * 1024 * 1024


class DamageReason(enum.Enum):
    """Why records can not be read."""

    HEADER_KEY = "bad_header_key"
    """The key of a header is not UTF-8."""
    CHECKSUM = "bad_checksum"
    """The bytes of the batch are not those that were written."""
    COMPRESSION = "bad_compression"
    """The codec of the batch is not known, or can not unpack it."""
    UNPACKED_SIZE = "unpacks_too_large"
    """The batch unpacks to more than 64 MiB."""
    MAGIC = "unknown_magic"
    """The batch is of a format that is not known."""
    STRUCTURE = "bad_structure"
    """The bytes are no records."""
    UNREADABLE = "unreadable_log"
    """The broker itself can not read its log there."""


class Damage(msgspec.Struct, frozen=True):
    """One record, or a range of them, that can not be read.

    Attributes:
        record: What is left: the record as far as it is known, or the bytes of the whole batch as its value.
        last_offset: Of the range that begins at `record.offset`.
    """

    record: KafkaRecord
    last_offset: int
    reason: DamageReason
    detail: str


class Salvage(NamedTuple):
    """What a partition held, each in order of offsets; reading goes on at `next_offset`."""

    records: list[KafkaRecord]
    damage: list[Damage]
    next_offset: int


class Aborted(NamedTuple):
    """A transaction that was aborted, as the broker tells it with a fetch."""

    producer_id: int
    first_offset: int


class Unreadable(Exception):  # noqa: N818 - a finding, told as Damage
    """A batch that can not be read at all."""

    def __init__(self, reason: DamageReason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class _Batch(NamedTuple):
    """The bytes of one batch, and where the next one begins, if that is known."""

    data: bytes
    base_offset: int
    following_offset: int | None


def salvage(source: TopicPartition, data: bytes, offset: int, end_offset: int, aborted: Sequence[Aborted]) -> Salvage:
    """Read from `offset` on, up to and with the first damage; `end_offset` is the end of the log.

    `next_offset` is `offset` if `data` holds no whole batch.
    """
    found = Salvage([], [], offset)
    lost = _LostTransactions(aborted)
    for batch in _batches(data):
        if found.damage:
            break
        if batch.following_offset is not None and batch.following_offset <= offset:
            continue
        found = _read(source, batch, found, end_offset, lost)
    return found


def readable_bytes(data: bytes) -> int:
    """How many bytes the client may be given: up to a batch of a format that it does not know, or takes for another.

    The same for one that unpacks to too much. What else is wrong with a batch the client finds out by itself.
    """
    place = 0
    for batch in _batches(data):
        try:
            _check_form(batch.data)
        except Unreadable as error:
            if error.reason in {DamageReason.MAGIC, DamageReason.UNPACKED_SIZE}:
                return place
        place += len(batch.data)
    return len(data)


def damaged_range(source: TopicPartition, first: int, last: int, reason: DamageReason, detail: str) -> Damage:
    """Damage of which no bytes are left."""
    return Damage(_record(source, first, None, None), last, reason, detail)


def _batches(data: bytes) -> Iterator[_Batch]:
    places = []
    place = 0
    while place + HEADING.size <= len(data):
        base_offset, length = HEADING.unpack_from(data, place)
        end = place + HEADING.size + length
        if length <= MAGIC_PLACE - HEADING.size or end > len(data):
            break
        places.append((place, end, base_offset))
        place = end
    for number, (begin, end, base_offset) in enumerate(places, 1):
        following = places[number][2] if number < len(places) else None
        yield _Batch(data[begin:end], base_offset, following)


def _read(source: TopicPartition, batch: _Batch, found: Salvage, end_offset: int, lost: "_LostTransactions") -> Salvage:
    """What was found so far, and this batch."""
    offset = found.next_offset
    try:
        records, damage, next_offset = _read_batch(source, batch, lost)
        _check_place(batch, next_offset, end_offset)
    except Unreadable as error:
        next_offset = _end_of_damaged(batch, offset, end_offset)
        left = _record(source, offset, None, batch.data)
        damage = [Damage(left, next_offset - 1, error.reason, error.detail)]
        records = []
    records = [record for record in records if record.offset >= offset]
    damage = [one for one in damage if one.last_offset >= offset]
    return Salvage([*found.records, *records], damage, max(next_offset, offset))


def _check_place(batch: _Batch, next_offset: int, end_offset: int) -> None:
    """The place of a batch is not under its checksum. Raises Unreadable."""
    if not 0 <= batch.base_offset < next_offset <= end_offset:
        claim = f"batch claims the offsets from {batch.base_offset} to {next_offset - 1}, the log ends at {end_offset}"
        raise Unreadable(DamageReason.STRUCTURE, claim)


def _end_of_damaged(batch: _Batch, offset: int, end_offset: int) -> int:
    """Where reading may go on: what the next batch or this one says, if that can be, else only one offset further."""
    if batch.following_offset is not None and offset < batch.following_offset <= end_offset:
        return batch.following_offset
    told = _DefaultRecordBatchPy.HEADER_STRUCT
    if batch.data[MAGIC_PLACE] >= NEWEST_MAGIC and len(batch.data) >= told.size:
        following = batch.base_offset + int(told.unpack_from(batch.data)[6]) + 1
    else:
        following = batch.base_offset + 1
    return following if offset < following <= end_offset else offset + 1


def _read_batch(source: TopicPartition, batch: _Batch, lost: "_LostTransactions") -> Salvage:
    """All records of a batch. Raises Unreadable."""
    magic = _check_magic(batch.data)
    if magic < NEWEST_MAGIC:
        return _read_legacy(source, batch, magic)
    try:
        parsed = _DefaultRecordBatchPy(batch.data)
    except struct.error as error:
        raise Unreadable(DamageReason.STRUCTURE, f"{len(batch.data)} bytes are no batch: {error}") from error
    if not parsed.validate_crc():
        raise Unreadable(DamageReason.CHECKSUM, f"checksum of the batch at offset {batch.base_offset} is wrong")
    nothing = Salvage([], [], parsed.next_offset)
    if lost.holds(parsed) or parsed.is_control_batch:
        return nothing
    _check_form(batch.data)
    try:
        parsed._maybe_uncompress()  # noqa: SLF001 - its iterator does the same, and then gives all up at one bad record
    except Exception as error:  # each codec has exceptions of its own
        codec = parsed.compression_type
        raise Unreadable(DamageReason.COMPRESSION, f"codec {codec}: {type(error).__name__}: {error}") from error
    return _read_records(source, parsed, nothing)


def _check_magic(data: bytes) -> int:
    """The magic number. Raises Unreadable if it is unknown; no checksum tells, as it is not under one."""
    magic = data[MAGIC_PLACE]
    if magic > NEWEST_MAGIC:
        raise Unreadable(DamageReason.MAGIC, f"batch has magic {magic}, wanted at most {NEWEST_MAGIC}")
    return magic


def _check_form(data: bytes) -> None:
    """Raises Unreadable if the format is unknown, or what is packed is no sound packing or too much."""
    codec, packed = _packed(data, _check_magic(data))
    try:
        check_unpacking(codec, packed, UNPACKED_BYTES_MAXIMUM)
    except TooLargeError as error:
        raise Unreadable(DamageReason.UNPACKED_SIZE, str(error)) from error
    except Exception as error:  # each codec has exceptions of its own
        raise Unreadable(DamageReason.COMPRESSION, f"codec {codec}: {type(error).__name__}: {error}") from error


def _packed(data: bytes, magic: int) -> tuple[int, bytes]:
    """Codec and packed bytes of a batch or of an old message; nothing if it ends before them."""
    head = _DefaultRecordBatchPy.HEADER_STRUCT
    if magic == NEWEST_MAGIC:
        return (head.unpack_from(data)[5] & CODEC_BITS, data[head.size :]) if len(data) >= head.size else (0, b"")
    try:
        codec = data[LEGACY_ATTRIBUTES_PLACE] & CODEC_BITS
        place = LEGACY_ATTRIBUTES_PLACE + 1 + 8 * magic  # messages of magic 1 have a time
        (key_length,) = struct.unpack_from(">i", data, place)
        return codec, data[place + 4 + max(0, key_length) + 4 :]
    except (IndexError, struct.error):
        return 0, b""


def _read_records(source: TopicPartition, parsed: _DefaultRecordBatchPy, found: Salvage) -> Salvage:
    """Record by record; one that is refused ends where its length says, if there is such a place."""
    offset, last = parsed.base_offset, parsed.next_offset - 1
    for _ in range(parsed._num_records):  # noqa: SLF001 - has no accessor
        begin = parsed._pos  # noqa: SLF001 - as above
        try:
            message = parsed._read_msg(decode_varint)  # noqa: SLF001 - as above
        except Exception as error:  # noqa: BLE001 - whatever the bytes lead to
            damage, end = _refused(source, parsed, begin, offset, error)
            found.damage.append(damage)
            if end is None:
                return found
            parsed._pos, offset = end, damage.last_offset + 1  # noqa: SLF001 - as above
            if offset > last:
                return found
            continue
        found.records.append(_record(source, message.offset, message.key, message.value, message))
        offset = message.offset + 1
    return found


def _refused(
    source: TopicPartition, parsed: _DefaultRecordBatchPy, begin: int, offset: int, error: Exception
) -> tuple[Damage, int | None]:
    """A record that can not be read, and where it ends; with None it stands for the rest of the batch."""
    reason = DamageReason.HEADER_KEY if isinstance(error, UnicodeDecodeError) else DamageReason.STRUCTURE
    data = bytes(parsed._buffer)  # noqa: SLF001 - has no accessor
    detail = f"{type(error).__name__}: {error}"
    try:
        length, body = decode_varint(bytearray(data), begin)
        if not 0 < length <= len(data) - body:
            raise ValueError(f"record has {length} bytes, and {len(data) - body} are left")  # noqa: TRY301 - told as the others
        end = body + length
    except (ValueError, IndexError) as more:
        left = _record(source, offset, None, data[begin:])
        last = max(offset, parsed.next_offset - 1)
        return Damage(left, last, DamageReason.STRUCTURE, f"{detail}; {more}"), None
    try:
        told, key, value = _contents(data, body)
        place = parsed.base_offset + told
        if not offset <= place < parsed.next_offset:
            place = offset
    except (ValueError, IndexError):
        place, key, value = offset, None, data[body:end]
    return Damage(_record(source, place, key, value), place, reason, detail), end


def _contents(data: bytes, body: int) -> tuple[int, bytes | None, bytes | None]:
    """Offset in the batch, key and value of a record; its headers are not looked at."""
    buffer = bytearray(data)
    _attributes, place = decode_varint(buffer, body)
    _time, place = decode_varint(buffer, place)
    offset, place = decode_varint(buffer, place)
    texts: list[bytes | None] = []
    for _ in range(2):
        length, place = decode_varint(buffer, place)
        if length > len(data) - place:
            raise ValueError(f"{length} bytes wanted, {len(data) - place} are left")
        texts.append(data[place : place + length] if length >= 0 else None)
        place += max(0, length)
    return offset, texts[0], texts[1]


def _read_legacy(source: TopicPartition, batch: _Batch, magic: int) -> Salvage:
    """A message of the formats before Kafka 0.11, which holds one record or, compressed, several."""
    _check_form(batch.data)
    try:
        parsed = _LegacyRecordBatchPy(batch.data, magic)
        is_sound = parsed.validate_crc()
        found = [_record(source, one.offset, one.key, one.value, one) for one in parsed] if is_sound else []
    except Exception as error:  # each codec has exceptions of its own
        detail = f"{type(error).__name__}: {error}"
        raise Unreadable(DamageReason.COMPRESSION, detail) from error
    if not is_sound:
        raise Unreadable(DamageReason.CHECKSUM, f"checksum of the message at offset {batch.base_offset} is wrong")
    return Salvage(found, [], parsed.next_offset)


class _LostTransactions:
    """Which batches belong to aborted transactions, told in order of offsets."""

    def __init__(self, aborted: Sequence[Aborted]) -> None:
        self._ahead = sorted(aborted, key=lambda one: one.first_offset, reverse=True)
        self._producers: set[int] = set()

    def holds(self, batch: _DefaultRecordBatchPy) -> bool:
        """Whether nobody may read this batch, the next one in the log."""
        while self._ahead and self._ahead[-1].first_offset <= batch.base_offset:
            self._producers.add(self._ahead.pop().producer_id)
        if batch.is_control_batch and _ends_aborted(batch):
            self._producers.discard(batch.producer_id)
        return batch.is_transactional and batch.producer_id in self._producers


def _ends_aborted(batch: _DefaultRecordBatchPy) -> bool:
    try:
        return bool(batch._read_msg(decode_varint).key == ABORT)  # noqa: SLF001 - has no accessor
    except (ValueError, IndexError):
        return False


def _record(
    source: TopicPartition, offset: int, key: bytes | None, value: bytes | None, message: object | None = None
) -> KafkaRecord:
    """A record as the client would give it; of a damaged one the time is not known."""
    time = getattr(message, "timestamp", NO_TIME)
    kind = getattr(message, "timestamp_type", 0)
    headers = tuple(getattr(message, "headers", ()))
    sizes = [-1 if text is None else len(text) for text in (key, value)]
    return ConsumerRecord(source.topic, source.partition, offset, time, kind, key, value, None, *sizes, headers)
