"""Batches as they travel to a Kafka and lie in its log, built by the client's own classes, to be broken in tests."""

import struct
import zlib

import cramjam
from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import NotLeaderForPartitionError
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy
from aiokafka.record.legacy_records import _LegacyRecordBatchBuilderPy
from aiokafka.record.util import calc_crc32c

from stream.kafka import connection
from stream.settings import KafkaSettings

TIME = 1_700_000_000_000
CHECKSUM_PLACE, CHECKED_PLACE = 17, 21
CONTROL = 0x20
HEAD_BYTES = 61
GZIP, LZ4, ZSTD = 1, 3, 4


class HeaderKey(str):
    """The key of a header that is not UTF-8, given in hex."""

    __slots__ = ()

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:  # noqa: ARG002 - as of a str
        """The bytes."""
        return bytes.fromhex(self)


def batch(
    base_offset: int,
    *values: bytes,
    codec: int = 0,
    producer_id: int = -1,
    header_of: int = -1,
    header: bytes = b"",
    key: bytes = b"k",
) -> bytes:
    """A batch; the record numbered `header_of` has a header whose key has these bytes."""
    is_transactional = producer_id >= 0
    builder = _DefaultRecordBatchBuilderPy(2, codec, is_transactional, producer_id, 0, 0, 1 << 20)
    for place, value in enumerate(values):
        headers = [(HeaderKey(header.hex()), b"v")] if place == header_of else []
        builder.append(place, TIME, key, value, headers)
    return struct.pack(">q", base_offset) + bytes(builder.build())[8:]


def bomb(base_offset: int, codec: int, megabytes: int) -> bytes:
    """A batch that unpacks to so much."""
    piece = bytes(1 << 20)
    if codec == GZIP:
        packer = zlib.compressobj(wbits=31)
        packed = b"".join([packer.compress(piece) for _ in range(megabytes)]) + packer.flush()
    else:
        pack = cramjam.lz4.compress if codec == LZ4 else cramjam.zstd.compress
        packed = bytes(pack(piece)) * megabytes if codec == ZSTD else bytes(pack(bytes(megabytes << 20)))
    return packed_batch(base_offset, codec, packed)


def packed_batch(base_offset: int, codec: int, packed: bytes) -> bytes:
    """A batch of one record that holds these bytes for its packed records."""
    head = bytearray(batch(base_offset, b"")[:HEAD_BYTES])
    head[8:12] = struct.pack(">i", HEAD_BYTES - 12 + len(packed))
    head[22] |= codec
    return with_checksum(bytes(head) + packed)


def control_batch(base_offset: int, *, producer_id: int, commits: bool) -> bytes:
    """The mark that ends a transaction."""
    data = batch(base_offset, b"\x00" * 6, producer_id=producer_id, key=struct.pack(">hh", 0, int(commits)))
    return with_checksum(data[:22] + bytes([data[22] | CONTROL]) + data[23:])


def with_checksum(data: bytes) -> bytes:
    """The batch with the checksum that fits its bytes."""
    return data[:CHECKSUM_PLACE] + struct.pack(">I", calc_crc32c(data[CHECKED_PLACE:])) + data[CHECKED_PLACE:]


def legacy_message(offset: int, value: bytes) -> bytes:
    """A record of the format before Kafka 0.11."""
    builder = _LegacyRecordBatchBuilderPy(1, 0, 1 << 20)
    builder.append(0, TIME, b"k", value)
    return struct.pack(">q", offset) + bytes(builder.build())[8:]


async def write_batch(kafka: KafkaSettings, topic: str, partition: int, data: bytes) -> None:
    """Hand a batch to the broker as it is, as a producer would that has its own idea of the format."""
    client = AIOKafkaClient(**connection(kafka))
    await client.bootstrap()
    try:
        await client.set_topics([topic])
        leader = client.cluster.leader_for_partition(TopicPartition(topic, partition))
        request = ProduceRequest(None, -1, 10_000, [(topic, [(partition, data)])])
        code = NotLeaderForPartitionError.errno
        while code == NotLeaderForPartitionError.errno:  # while the topic is new
            answer = await client.send(leader, request)
            ((_topic, ((_partition, code, *_rest),)),) = answer.topics
        assert code == 0
    finally:
        await client.close()
