"""The audit log: read from its beginning with its chain, appended to one record at a time.

An append is over when its record has been read back and folded: from then on the engine's own state contains it.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

import msgspec
import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from remediations.chain import GENESIS, ChainReport, Link, advance, verify
from remediations.records import Entry, Record, Seen
from stream.audit.cloudevents import HEADERS, AuditEvent, decode, encode, partition_key
from stream.errors import AppendLostError, AuditError, HeadError, UnreachableError, UnreadError
from stream.kafka import open_consumer, open_producer
from stream.settings import KafkaSettings

type Clock = Callable[[], float]
type Fold = Callable[[Entry], object]

READ_SECONDS = 0.2
STOP_SECONDS = 5.0


class Client(Protocol):
    """What producers and consumers have in common."""

    async def stop(self) -> None:
        """Disconnect."""


async def stop_client(client: Client) -> None:
    """Disconnect a client, for as long as it may take with Kafka away.

    aiokafka lets the cancellation of its own tasks out of `stop` when it is waiting for a broker; it is not ours.
    """
    stop = asyncio.ensure_future(client.stop())
    await asyncio.wait([stop], timeout=STOP_SECONDS)
    if not stop.cancel() and not stop.cancelled() and stop.exception() is not None:
        structlog.get_logger("tidegate.audit").warning("kafka.stop_failed", error=repr(stop.exception()))


class AuditRead(msgspec.Struct, frozen=True):
    """One record as read: its entry, its raw value, its event (None when damaged, see `damage`), the head after it."""

    entry: Entry
    value: bytes
    event: AuditEvent | None
    damage: str
    head: Seen


def read_record(message: ConsumerRecord, before: Seen) -> AuditRead:
    """Decode one Kafka record; `before` is the head before it. A damaged record still belongs to the chain."""
    value, time = message.value or b"", message.timestamp / 1000
    head = advance(before, message.offset, value)
    try:
        event = decode(value)
    except msgspec.DecodeError as error:
        return AuditRead(Entry(message.offset, time, None, Seen(-1, "")), value, None, str(error), head)
    return AuditRead(Entry(message.offset, time, event.record, event.seen), value, event, "", head)


class AuditReader:
    """Reads the log from its first record on and computes the chain; made by `open_reader`.

    Attributes:
        head: Offset and chain value of the last record read.
    """

    def __init__(self, consumer: AIOKafkaConsumer, topic: str) -> None:
        self.head = GENESIS
        self._consumer = consumer
        self._partition = TopicPartition(topic, 0)

    async def close(self) -> None:
        """Disconnect."""
        await stop_client(self._consumer)

    async def seek_to_beginning(self) -> None:
        """Stand before the first record. Raises AuditError if the log's beginning is gone."""
        topic = self._partition.topic
        try:
            first = (await self._consumer.beginning_offsets([self._partition]))[self._partition]
        except KafkaError as error:
            raise UnreadError(f"audit topic {topic} can not be read: {error!r}") from error
        if first != 0:
            raise AuditError(f"audit topic {topic} begins at offset {first}, not 0: its first records are gone")
        self._consumer.assign([self._partition])
        self._consumer.seek(self._partition, 0)

    async def end(self) -> int:
        """The offset that the next record will get, asked from the broker now. Raises AuditError."""
        try:
            return int((await self._consumer.end_offsets([self._partition]))[self._partition])
        except KafkaError as error:
            raise UnreadError(f"the end of audit topic {self._partition.topic} can not be asked: {error!r}") from error

    async def read(self, timeout_seconds: float) -> list[AuditRead]:
        """The next records; none if none came in time. Raises AuditError when the log is not what was read before."""
        topic = self._partition.topic
        try:
            found = await self._consumer.getmany(self._partition, timeout_ms=int(timeout_seconds * 1000))
        except OffsetOutOfRangeError as error:
            gone = f"audit topic {topic} no longer holds offset {self.head.offset + 1}: it was cut or made anew"
            raise AuditError(gone) from error
        except KafkaError as error:
            raise UnreadError(f"audit topic {topic} can not be read: {error!r}") from error
        return [self._step(message) for message in found.get(self._partition, [])]

    async def read_all(self) -> AsyncIterator[AuditRead]:
        """Every record that is not read yet, up to the end as it is now."""
        end = await self.end()
        while self.head.offset < end - 1:
            for read in await self.read(READ_SECONDS):
                yield read

    async def follow(self) -> AsyncIterator[AuditRead]:
        """Every record that is not read yet, and then each new one as it comes, for ever."""
        while True:
            for read in await self.read(READ_SECONDS):
                yield read

    def _step(self, message: ConsumerRecord) -> AuditRead:
        read = read_record(message, self.head)
        self.head = read.head
        return read


@asynccontextmanager
async def open_reader(kafka: KafkaSettings, topic: str) -> AsyncIterator[AuditReader]:
    """A reader before the first record. UnreachableError without a broker, AuditError if records are gone."""
    # With no reset rule a log that lost records raises; any rule would hide it.
    reader = AuditReader(await open_consumer(kafka, auto_offset_reset="none"), topic)
    try:
        await reader.seek_to_beginning()
        yield reader
    finally:
        await reader.close()


async def verify_log(kafka: KafkaSettings, topic: str, checkpoints: Sequence[Seen] = ()) -> ChainReport:
    """Check the whole log as it is now, against itself and against heads that were kept outside of it.

    Reads as it goes, so the log may be larger than memory. Raises as `open_reader`.
    """
    async with open_reader(kafka, topic) as reader:
        end, loop = await reader.end(), asyncio.get_running_loop()

        def links() -> Iterator[Link]:
            while reader.head.offset < end - 1:
                for read in asyncio.run_coroutine_threadsafe(reader.read(READ_SECONDS), loop).result():
                    yield Link(read.entry.offset, read.value, read.event.seen if read.event else None)

        return await asyncio.to_thread(verify, links(), GENESIS, checkpoints)


class Sent(msgspec.Struct, frozen=True):
    """A record that Kafka has acknowledged; `back` is done when it has been read back and folded."""

    event_id: str
    back: asyncio.Future[Entry]


class AuditLog:
    """The log as one engine uses it: every record is folded once, in log order; appends return when they are folded.

    Made by `open_log`. `head_file` remembers how far this engine has seen the log.

    Attributes:
        damaged: How many records could not be decoded. They stay in the chain and change nothing else.
        lookups: How many appends had an unknown outcome and had to be looked up in the log.
    """

    def __init__(
        self, kafka: KafkaSettings, topic: str, reader: AuditReader, *, writer: str, head_file: Path, fold: Fold
    ) -> None:
        self.damaged = 0
        self.lookups = 0
        self._kafka = kafka
        self._topic = topic
        self._reader = reader
        self._source = f"/tidegate/engine/{writer}"
        self._head_file = head_file
        self._fold = fold
        self._producer: AIOKafkaProducer | None = None
        self._waiting: dict[str, asyncio.Future[Entry]] = {}
        self._life = secrets.token_hex(6)
        self._appended = 0
        self._failure: AuditError | None = None
        self._moved = asyncio.Event()
        self._log = structlog.get_logger("tidegate.audit")

    @property
    def head(self) -> Seen:
        """Offset and chain value of the last folded record."""
        return self._reader.head

    def check(self) -> None:
        """Raise the AuditError that ended the following of the log, if one did."""
        if self._failure is not None:
            raise self._failure

    def is_sound(self) -> bool:
        """Whether the log is followed and can be written, as far as is known."""
        return self._failure is None

    async def append(self, record: Record, now: float) -> Entry:
        """Write a record and wait until it is read back and folded; `now` is told to people, the broker's time counts.

        Blocks while Kafka is away. Raises AuditError when the record is not in the log although it was sent, or
        when the log itself failed: then nothing that rests on the record may happen.
        """
        return await self.read_back(await self.send(record, now))

    async def send(self, record: Record, now: float) -> Sent:
        """The first half of an append: acknowledged by Kafka, not yet read back."""
        self.check()
        self._appended += 1
        sent = Sent(f"{self._life}.{self._appended}", asyncio.get_running_loop().create_future())
        value = encode(record, self.head, event_id=sent.event_id, source=self._source, now=now)
        self._waiting[sent.event_id] = sent.back
        try:
            await self._produce(partition_key(record), value)
        except KafkaError as error:
            await self._look_up(sent, error)
        return sent

    async def read_back(self, sent: Sent) -> Entry:
        """The second half of an append."""
        try:
            entry = await sent.back
        finally:
            self._waiting.pop(sent.event_id, None)
        write_head(self._head_file, self.head)
        return entry

    async def catch_up(self) -> None:
        """Wait until everything that is in the log now is folded."""
        end: int | None = None
        while end is None:
            end = await self._end()
        while self.head.offset < end - 1:
            self.check()
            await self._moved.wait()
        self.check()

    async def fold_present(self) -> None:
        """Fold everything that is there now, and check that it is the log that was seen before."""
        remembered = read_head(self._head_file)
        async for read in self._reader.read_all():
            self._take(read)
            if read.head.offset == remembered.offset and read.head != remembered:
                raise AuditError(self._refusal(remembered, "that record is another one"))
        if self.head.offset < remembered.offset:
            raise AuditError(self._refusal(remembered, f"it ends at offset {self.head.offset}"))

    async def follow(self) -> None:
        """Fold what comes, until cancelled. A log that can not be followed fails every append from then on."""
        try:
            async for read in self._reader.follow():
                self._take(read)
        except AuditError as error:
            self._log.critical("audit.failed", error=str(error))
            self._failure = error
            self._wake()
            for back in self._waiting.values():
                if not back.done():
                    back.set_exception(error)

    async def drop_producer(self) -> None:
        """Disconnect the writing side; the next append connects anew."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await stop_client(producer)

    async def _produce(self, key: str, value: bytes) -> None:
        while self._producer is None:
            try:
                self._producer = await open_producer(self._kafka, client_id="tidegate-engine")
            except UnreachableError as error:
                self._log.warning("audit.unreachable", error=str(error))
        await self._producer.send_and_wait(self._topic, value, key=key.encode(), partition=0, headers=HEADERS)

    async def _end(self) -> int | None:
        """The end of the log, None when it can not be told now."""
        try:
            return await self._reader.end()
        except AuditError as error:
            self._log.warning("audit.unreachable", error=str(error))
            await asyncio.sleep(READ_SECONDS)
            return None

    async def _look_up(self, sent: Sent, error: KafkaError) -> None:
        """Find out what became of a send whose answer was lost. Never sends again: that could write it twice."""
        self.lookups += 1
        self._log.warning("audit.append_unknown", record=sent.event_id, error=repr(error))
        await self.drop_producer()
        await self.catch_up()
        if not sent.back.done():
            self._waiting.pop(sent.event_id, None)
            raise AppendLostError(
                f"audit record {sent.event_id} is not in {self._topic}: sending it failed with {error!r}"
            )

    def _take(self, read: AuditRead) -> None:
        if read.event is None:
            self.damaged += 1
            self._log.error("audit.record_damaged", offset=read.entry.offset, reason=read.damage)
        self._fold(read.entry)
        self._wake()
        back = self._waiting.get(read.event.id) if read.event else None
        if back is not None and not back.done():
            back.set_result(read.entry)

    def _wake(self) -> None:
        """Wake everyone who waits now; a new event for those who will wait from here on."""
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    def _refusal(self, remembered: Seen, problem: str) -> str:
        return (
            f"audit topic {self._topic} at {self._kafka.bootstrap_servers} is not the log that this engine knows: "
            f"it saw record {remembered.offset} with chain {remembered.chain[:16]}…, but {problem}. Wrong cluster, or "
            f"a lost log: nothing is run. To begin with this log all the same, remove {self._head_file}"
        )


@asynccontextmanager
async def open_log(
    kafka: KafkaSettings, topic: str, *, writer: str, head_file: Path, fold: Fold
) -> AsyncIterator[AuditLog]:
    """The log, wholly folded and followed in the background.

    Raises UnreachableError without a broker, and AuditError for a log that is not the one this engine saw before.
    """
    async with open_reader(kafka, topic) as reader:
        log = AuditLog(kafka, topic, reader, writer=writer, head_file=head_file, fold=fold)
        await log.fold_present()
        following = asyncio.create_task(log.follow(), name="audit log")
        try:
            yield log
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            await log.drop_producer()


def read_head(path: Path) -> Seen:
    """The remembered head, the genesis when there is none yet. Raises HeadError when the file is damaged."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Seen)
    except FileNotFoundError:
        return GENESIS
    except msgspec.DecodeError as error:
        raise HeadError(f"{path} does not hold the head of the audit log: {error}") from error


def write_head(path: Path, head: Seen) -> None:
    """Remember the head; the file is whole at every moment."""
    temporary = path.with_suffix(".new")
    temporary.write_bytes(msgspec.json.encode(head))
    temporary.replace(path)
