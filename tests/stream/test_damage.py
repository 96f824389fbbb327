"""What is read of bytes that Kafka's client refuses: tables of batches, built by the client and then broken."""

import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from aiokafka import TopicPartition
from aiokafka.record.util import calc_crc32c

from stream.damage import Aborted, DamageReason, Salvage, readable_bytes, salvage
from tests.batches import GZIP, LZ4, ZSTD, batch, bomb, control_batch, legacy_message, packed_batch, with_checksum

SOURCE = TopicPartition("metrics", 3)
END = 1000
CHECKSUM_PLACE = 17
LAST_DELTA_PLACE = 23


def read(data: bytes, offset: int = 0, *aborted: Aborted) -> Salvage:
    """All of a log that ends at END."""
    return salvage(SOURCE, data, offset, END, aborted)


def values(found: Salvage) -> list[tuple[int, bytes | None]]:
    """Offsets and values of the records."""
    return [(record.offset, record.value) for record in found.records]


def flip_value(data: bytes) -> bytes:
    """Another last byte: the checksum no longer fits."""
    return data[:-1] + bytes([data[-1] ^ 0xFF])


def of_magic_9(data: bytes) -> bytes:
    """A format of the future."""
    return data[:16] + b"\x09" + data[17:]


def of_codec_7(data: bytes) -> bytes:
    """A codec of the future."""
    return with_checksum(data[:22] + bytes([data[22] | 7]) + data[23:])


def unpackable(data: bytes) -> bytes:
    """Said to be gzip, and is none."""
    return with_checksum(data[:22] + bytes([data[22] | 1]) + data[23:])


BROKEN_BATCHES = [
    pytest.param(flip_value, DamageReason.CHECKSUM, id="checksum"),
    pytest.param(of_magic_9, DamageReason.MAGIC, id="magic"),
    pytest.param(of_codec_7, DamageReason.COMPRESSION, id="codec"),
    pytest.param(unpackable, DamageReason.COMPRESSION, id="can not be unpacked"),
]


@pytest.mark.parametrize(
    "codec", [pytest.param(GZIP, id="gzip"), pytest.param(LZ4, id="lz4"), pytest.param(ZSTD, id="zstd")]
)
def test_a_batch_that_unpacks_to_too_much_is_damage_and_takes_no_memory(codec: int) -> None:
    """A few kilobytes of 300 MB: the client gets what stands before it, the batch is told, what follows is read."""
    before, exploding = batch(0, b"a"), bomb(1, codec, 300)
    log = before + exploding + batch(2, b"b")
    used_bytes = peak_bytes(reset=True)
    assert readable_bytes(log) == len(before)
    found = read(log)
    assert peak_bytes() - used_bytes < 150 << 20
    assert values(found) == [(0, b"a")]
    (damage,) = found.damage
    assert (damage.record.offset, damage.last_offset, damage.reason) == (1, 1, DamageReason.UNPACKED_SIZE)
    assert damage.record.value == exploding
    assert values(read(log, found.next_offset)) == [(2, b"b")]


def peak_bytes(*, reset: bool = False) -> int:
    """The most memory that this process has had since the last reset."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) << 10


PACKED = [
    pytest.param(packed_batch(0, GZIP, b"no gzip" * 20_000), id="no gzip"),
    pytest.param(packed_batch(0, ZSTD, b"no zstd" * 20_000), id="no zstd"),
    pytest.param(bomb(0, GZIP, 60), id="60 MB of gzip"),
    pytest.param(bomb(0, ZSTD, 60), id="60 MB of zstd"),
    pytest.param(batch(0, b"x" * 100_000, codec=2), id="snappy"),
    pytest.param(legacy_message(0, b"old"), id="an old format"),
    pytest.param(batch(0, b"a")[:-1], id="half a batch"),
    pytest.param(flip_value(batch(0, b"a")), id="wrong checksum"),
]


@pytest.mark.parametrize("data", PACKED)
def test_what_harms_nobody_is_left_to_the_client(data: bytes) -> None:
    """What it can not read it refuses by itself."""
    assert readable_bytes(data) == len(data)


def test_a_batch_of_unknown_magic_is_kept_from_the_client() -> None:
    """It would be taken for one of the newest known, as the magic number is not under the checksum."""
    assert readable_bytes(batch(0, b"a") + of_magic_9(batch(1, b"b"))) == len(batch(0, b"a"))


@pytest.mark.parametrize(("spoil", "reason"), BROKEN_BATCHES)
def test_a_batch_that_can_not_be_read_is_damage_as_a_whole(
    spoil: Callable[[bytes], bytes], reason: DamageReason
) -> None:
    """Its range and its bytes are told, the records before it are read, and reading goes on after it."""
    broken = spoil(batch(2, b"c", b"d"))
    found = read(batch(0, b"a", b"b") + broken + batch(4, b"e"))
    assert values(found) == [(0, b"a"), (1, b"b")]
    (damage,) = found.damage
    assert (damage.record.offset, damage.last_offset, damage.reason) == (2, 3, reason)
    assert damage.record.value == broken
    assert found.next_offset == 4
    assert values(read(broken + batch(4, b"e"), 4)) == [(4, b"e")]


def test_a_header_key_that_is_not_utf8_costs_its_record_alone() -> None:
    """Where the record ends is known, so the others of its batch are read; its key and value are kept."""
    found = read(batch(5, b"a", b"b", b"c", header_of=1, header=b"caf\xe9"))
    assert values(found) == [(5, b"a"), (7, b"c")]
    (damage,) = found.damage
    assert (damage.record.offset, damage.last_offset, damage.reason) == (6, 6, DamageReason.HEADER_KEY)
    assert (damage.record.key, damage.record.value) == (b"k", b"b")
    assert found.next_offset == 8


def test_the_end_of_a_batch_that_lies_about_itself_is_where_the_next_one_begins() -> None:
    """A damaged batch may claim any offsets: what follows it is believed first, the end of the log limits it."""
    lying = bytearray(batch(2, b"c", b"d"))
    lying[LAST_DELTA_PLACE : LAST_DELTA_PLACE + 4] = struct.pack(">i", 2_000_000_000)
    assert read(bytes(lying) + batch(4, b"e"), 2).next_offset == 4
    assert read(bytes(lying), 2).next_offset == 3


def test_records_of_aborted_transactions_are_neither_read_nor_damage() -> None:
    """Up to the mark that ends the transaction; the same producer's next one is read."""
    log = (
        batch(0, b"no", producer_id=7)
        + batch(1, b"yes")
        + control_batch(2, producer_id=7, commits=False)
        + batch(3, b"again", producer_id=7)
        + control_batch(4, producer_id=7, commits=True)
    )
    found = read(log, 0, Aborted(7, 0))
    assert values(found) == [(1, b"yes"), (3, b"again")]
    assert (found.damage, found.next_offset) == ([], 5)


def test_records_that_are_cut_off_in_their_batch_are_damage() -> None:
    """Fewer bytes than the batch says: what is there is read, the rest of its range is told."""
    whole = batch(0, b"aaaa", b"bbbb")
    cut = whole[:-6]
    cut = cut[:8] + struct.pack(">i", len(cut) - 12) + cut[12:]
    found = read(with_checksum(cut))
    assert values(found) == [(0, b"aaaa")]
    assert [(one.record.offset, one.last_offset, one.reason) for one in found.damage] == [
        (1, 1, DamageReason.STRUCTURE)
    ]
    assert found.next_offset == 2


def test_a_record_that_claims_a_gigabyte_of_key_is_not_read_beyond_its_end() -> None:
    """The checksum is sound; the compiled reader of such numbers would leave the batch, and the process would end."""
    record = bytes([20, 0, 0, 0, 0x80, 0x80, 0x80, 0x80, 8, 0, 0])
    found = read(packed_batch(0, 0, record) + batch(1, b"b"))
    assert [(one.record.offset, one.reason) for one in found.damage] == [(0, DamageReason.STRUCTURE)]
    assert found.next_offset == 1


def test_messages_of_old_formats_are_read() -> None:
    """Logs that older brokers wrote hold them still; a broken one is damage."""
    good = legacy_message(0, b"old")
    assert values(read(good + legacy_message(1, b"too"))) == [(0, b"old"), (1, b"too")]
    found = read(flip_value(good) + legacy_message(1, b"too"))
    assert [one.reason for one in found.damage] == [DamageReason.CHECKSUM]
    assert found.next_offset == 1


def test_nothing_is_made_of_half_a_batch() -> None:
    """It is fetched again."""
    assert read(batch(0, b"a")[:-1]) == Salvage([], [], 0)


def test_every_flipped_byte_leads_to_an_end() -> None:
    """Whatever one wrong byte makes of a batch, reading stays inside the log and gets beyond it, or gets nothing."""
    whole = batch(0, b"a", b"b")
    for place in range(len(whole)):
        for fits in (False, True):
            spoiled = whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :]
            found = read(with_checksum(spoiled) if fits and place > 20 else spoiled)
            assert 0 <= found.next_offset <= END
            assert all(0 <= one.record.offset <= one.last_offset < END for one in found.damage)


def test_checksums_of_these_tests_are_those_of_kafka() -> None:
    """The tool of the tests writes what the client would."""
    whole = batch(0, b"a")
    assert struct.unpack_from(">I", whole, CHECKSUM_PLACE)[0] == calc_crc32c(whole[21:])
    assert with_checksum(whole) == whole
