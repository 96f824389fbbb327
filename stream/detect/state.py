"""The state topic: reads the pages of partitions, merges them into shards, writes pages."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

import structlog
from aiokafka import TopicPartition

from detectors.errors import RowError
from detectors.host import Refusals
from detectors.samples import Sample
from detectors.signals import HostStatus, Signal
from stream.detect.orders import ObeyingShard
from stream.detect.outbox import Message, Publisher
from stream.detect.pages import PAGE_BYTES_MAXIMUM, Page, PageBook, PageRecord, Writer, decode_page, generation_of
from stream.errors import StateError
from stream.kafka import open_consumer
from stream.settings import KafkaSettings

log = structlog.get_logger()

READ_SECONDS = 1.0
FETCH_BYTES_MAXIMUM = 4 * 1024 * 1024


class ShardLike(ObeyingShard, Protocol):
    """What the stream needs of the models of one partition; detectors.shard.Shard is the one in use.

    Attributes:
        refusals: Counts of what was not taken in, since the start of this process.
    """

    refusals: Refusals

    def apply(self, samples: Sequence[tuple[int, Sample]]) -> list[Signal]:
        """Apply (samples-topic offset, sample) pairs in order."""

    def tick(self, now: float) -> list[Signal]:
        """Raise silence."""

    def roster(self, now: float) -> list[HostStatus]:
        """One entry a host."""

    def pause(self, host: str) -> None:
        """Stop learning on a host."""

    def resume(self, host: str) -> None:
        """Learn again."""

    def row_state(self, row: int) -> bytes:
        """The whole state of a row."""

    def load_row(self, data: bytes) -> int:
        """Take in a saved row; the copy with the higher applied offset stays."""

    def forget_offsets(self) -> None:
        """The samples topic was made anew: forget how far it was applied, and save every row again."""

    def take_dirty(self) -> dict[int, int]:
        """Row → oldest offset that changed it since this was last asked."""


class StateStore(Protocol):
    """Where pages are kept; `StateTopic` is the one in use."""

    async def read(self, partitions: Collection[int]) -> dict[int, dict[bytes, bytes]]:
        """All live pages, partition → key → value."""

    async def write(self, partition: int, records: Sequence[PageRecord]) -> None:
        """Append the records in this order; returns when all are durable."""


type ShardFactory = Callable[[int], ShardLike]


class StateTopic:
    """Access to the pages of all partitions of `topic`."""

    def __init__(self, kafka: KafkaSettings, topic: str, outbox: Publisher) -> None:
        self._kafka = kafka
        self._topic = topic
        self._outbox = outbox

    async def read(self, partitions: Collection[int]) -> dict[int, dict[bytes, bytes]]:
        """All live pages, partition → key → value, as of now. Raises KafkaError or UnreachableError."""
        pages: dict[int, dict[bytes, bytes]] = {partition: {} for partition in partitions}
        if not pages:
            return pages
        consumer = await open_consumer(
            self._kafka, client_id="tidegate-state", max_partition_fetch_bytes=FETCH_BYTES_MAXIMUM
        )
        try:
            sources = [TopicPartition(self._topic, partition) for partition in pages]
            consumer.assign(sources)
            ends = await consumer.end_offsets(sources)
            await consumer.seek_to_beginning(*sources)
            left = [source for source in sources if await consumer.position(source) < ends[source]]
            while left:
                for source, records in (await consumer.getmany(*left, timeout_ms=int(READ_SECONDS * 1000))).items():
                    for record in records:
                        merge_record(pages[source.partition], record.key, record.value)
                left = [source for source in left if await consumer.position(source) < ends[source]]
        finally:
            await consumer.stop()
        return pages

    async def write(self, partition: int, records: Sequence[PageRecord]) -> None:
        """Append the records in this order; returns when all are acknowledged. Raises KafkaError."""
        messages = [Message(key=record.key, value=record.value, partition=partition) for record in records]
        await self._outbox.publish(self._topic, messages)


def merge_record(pages: dict[bytes, bytes], key: bytes | None, value: bytes | None) -> None:
    """Keep of a compacted topic what its readers keep: the last value of each key."""
    if key is None:
        return
    if value is None:
        pages.pop(key, None)
    else:
        pages[key] = value


def restore(
    shard: ShardLike,
    pages: Mapping[bytes, bytes],
    writer: Writer,
    now_seconds: float,
    page_bytes_maximum: int = PAGE_BYTES_MAXIMUM,
) -> PageBook:
    """Load the pages of one partition into an empty shard, row by row, and begin a book of pages for `writer`.

    A page or row that cannot be read is told in the log and left where it is: its hosts are learned anew. Where pages
    of several lives of the samples topic are left, the offsets of all but the last say nothing, and are forgotten.
    """
    book = PageBook(writer, page_bytes_maximum)
    found: dict[bytes, list[int]] = {}
    through_offset = 0
    for key, page in by_life(pages):
        if book.life and page.life not in {"", book.life}:
            shard.forget_offsets()
            through_offset = 0
        book.life = page.life or book.life
        try:
            found[key] = [shard.load_row(row) for row in page.rows]
        except RowError as error:
            log.warning("state_page_refused", key=key, error=str(error))
            continue
        through_offset = max(through_offset, page.through_offset)
    book.adopt(found, through_offset, now_seconds)
    shard.take_dirty()
    return book


def by_life(pages: Mapping[bytes, bytes]) -> list[tuple[bytes, Page]]:
    """The pages that can be read, those of the latest life of the samples topic last.

    A worker that ends before all rows are saved again leaves pages of several lives; the latest is that of the newest
    generation. Should it be another, as in a cluster built anew, it is not the life that is read: nothing counts then.
    """
    read: list[tuple[bytes, Page]] = []
    newest: dict[str, int] = {}
    for key, value in pages.items():
        try:
            generation, page = generation_of(key), decode_page(key, value)
        except StateError as error:
            log.warning("state_page_refused", key=key, error=str(error))
            continue
        read.append((key, page))
        newest[page.life] = max(generation, newest.get(page.life, generation))
    return sorted(read, key=lambda one: (newest[one[1].life], one[1].life))
