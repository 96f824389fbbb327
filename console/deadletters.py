"""`tidegate deadletter …`: what was refused, why, and what it looked like. Reads are bounded, nothing is changed."""

import asyncio
import heapq
import time
from collections import Counter
from collections.abc import Sequence
from typing import Annotated

import msgspec
import typer
from aiokafka import ConsumerRecord, TopicPartition
from rich.console import Group, RenderableType
from rich.text import Text

from console.errors import LetterNotFoundError
from console.groups import group
from console.options import AsJson, Config, Servers, settings_of, show
from console.rendering import plain
from console.sentences import ago, utc
from detectors.samples import Source
from stream.detect.deadletters import VALUE_BYTES_MAXIMUM
from stream.kafka import open_admin, open_consumer
from stream.settings import Settings
from stream.wire import FORMATS, Reason, Refusal, WireLimits
from stream.wire.arrivals import Arrival

GLANCED = 100  # that `tidegate hosts` looks at
SCANNED = 500  # of each partition, the newest ones that statistics look at
BYTES_MAXIMUM = 256 * 1024 * 1024
READ_SECONDS = 20.0
LINE_CHARACTERS = 100
SAMPLE_CHARACTERS = 2000
HOSTS_SHOWN = 5

deadletter = group("The records that were refused: list the newest, show one, count them by reason.")


class DeadLetter(msgspec.Struct, frozen=True):
    """A record that was refused. `partition`, `offset` and `time` are those of the letter, in the dead-letter topic.

    `source` is where the record came from (`topic/partition/offset`), `source_time` its Kafka time; `hosts` are those
    that it names. `key` and `sample`, its value, are printable ASCII, cut at 2000 letters; `value_bytes` is its size.
    """

    partition: int
    offset: int
    time: float
    reason: str
    detail: str
    topic: str
    source: str
    source_time: float
    hosts: tuple[str, ...]
    key: str
    sample: str
    value_bytes: int

    @property
    def place(self) -> str:
        """The name by which the letter is shown."""
        return f"{self.partition}/{self.offset}"


class LetterStats(msgspec.Struct, frozen=True):
    """What came and what was refused: `came` counts the records ever written to a topic of yours, `letters` those to
    the dead-letter topic.

    `reasons`, `topics` and `hosts` count the `scanned` newest letters; `latest` is the newest of them. `is_partial`:
    they were too large, or came too slowly, to look at all of them.
    """

    came: dict[str, int]
    letters: int
    scanned: int
    reasons: dict[str, int]
    topics: dict[str, int]
    hosts: dict[str, int]
    latest: DeadLetter | None = None
    is_partial: bool = False


@deadletter.command("list")
def list_letters(
    *,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, max=SCANNED, help="How many of the newest.")] = 20,
    reason: Annotated[str, typer.Option(help="Only letters with this reason, of the newest 500.")] = "",
    host: Annotated[str, typer.Option(help="Only letters of records that name this host, of the newest 500.")] = "",
    config: Config = None,
    bootstrap_servers: Servers = "",
    as_json: AsJson = False,
) -> None:
    """The newest refused records, newest first: when, why, whose, and where they came from."""
    settings = settings_of(config, bootstrap_servers)
    letters, _ = asyncio.run(read_letters(settings, SCANNED if reason or host else lines))
    wanted = [one for one in letters if reason in {"", one.reason} and (not host or host.lower() in one.hosts)]
    found = tuple(wanted[:lines])
    show(found, draw_letters(found, time.time()), as_json=as_json)


@deadletter.command("show")
def show_letter(
    letter: Annotated[str, typer.Argument(metavar="PARTITION/OFFSET", help="The letter, as `list` names it.")],
    *,
    config: Config = None,
    bootstrap_servers: Servers = "",
    as_json: AsJson = False,
) -> None:
    """One refused record with all that is known of it."""
    found = asyncio.run(read_letter(settings_of(config, bootstrap_servers), letter))
    show(found, draw_letter(found, time.time()), as_json=as_json)


@deadletter.command()
def stats(*, config: Config = None, bootstrap_servers: Servers = "", as_json: AsJson = False) -> None:
    """How many records came and how many were refused; the newest ones by reason, topic and host."""
    answer = asyncio.run(read_stats(settings_of(config, bootstrap_servers)))
    show(answer, draw_stats(answer, time.time()), as_json=as_json)


async def read_stats(settings: Settings, scanned: int = SCANNED) -> LetterStats:
    """What came and what was refused, by so many of the newest letters. Raises UnreachableError."""
    names = settings.topics
    written = await written_of(settings, (names.metrics, names.logs, names.deadletter))
    letters, is_partial = await read_letters(settings, scanned)
    return LetterStats(
        came={name: sum(written.get(name, {}).values()) for name in (names.metrics, names.logs)},
        letters=sum(written.get(names.deadletter, {}).values()),
        scanned=len(letters),
        reasons=dict(Counter(one.reason for one in letters).most_common()),
        topics=dict(Counter(one.topic for one in letters).most_common()),
        hosts=dict(Counter(host for one in letters for host in one.hosts).most_common()),
        latest=letters[0] if letters else None,
        is_partial=is_partial,
    )


async def written_of(settings: Settings, topics: Sequence[str]) -> dict[str, dict[int, int]]:
    """The end of each partition of the topics that there are. Raises UnreachableError."""
    parts = await partitions_of(settings, topics)
    consumer = await open_consumer(settings.kafka)
    try:
        ends = await consumer.end_offsets(parts) if parts else {}
    finally:
        await consumer.stop()
    return {topic: {part.partition: ends[part] for part in parts if part.topic == topic} for topic in topics}


async def partitions_of(settings: Settings, topics: Sequence[str]) -> list[TopicPartition]:
    """The partitions of those topics that there are; asking makes none."""
    admin = await open_admin(settings.kafka)
    try:
        found = await admin.describe_topics()
    finally:
        await admin.close()
    return [
        TopicPartition(topic["topic"], part["partition"])
        for topic in found
        if topic["topic"] in topics
        for part in topic["partitions"]
    ]


async def read_letters(settings: Settings, newest: int) -> tuple[list[DeadLetter], bool]:
    """The newest letters, at most so many, newest first; and whether reading was given up before all were seen."""
    parts = await partitions_of(settings, (settings.topics.deadletter,))
    if not parts:
        return [], False
    consumer = await open_consumer(settings.kafka)
    found: list[tuple[tuple[int, int, int], DeadLetter]] = []
    size, deadline = 0, time.monotonic() + READ_SECONDS
    try:
        consumer.assign(parts)
        begins, ends = await consumer.beginning_offsets(parts), await consumer.end_offsets(parts)
        waiting = {part for part in parts if begins[part] < ends[part]}
        for part in parts:
            consumer.seek(part, max(begins[part], ends[part] - newest))
        while waiting and size < BYTES_MAXIMUM and time.monotonic() < deadline:
            for records in (await consumer.getmany(timeout_ms=300)).values():
                size += sum(len(one.value or b"") for one in records)
                keyed = [((one.timestamp, one.partition, one.offset), letter_of(one, settings)) for one in records]
                found = heapq.nlargest(newest, found + keyed, key=lambda pair: pair[0])
            waiting = {part for part in waiting if await consumer.position(part) < ends[part]}
    finally:
        await consumer.stop()
    return [letter for _, letter in found], bool(waiting)


async def read_letter(settings: Settings, place: str) -> DeadLetter:
    """The letter at PARTITION/OFFSET. Raises LetterNotFoundError."""
    number, _, offset = place.partition("/")
    if not (number.isdecimal() and offset.isdecimal()):
        raise LetterNotFoundError(f"{place!r} names no letter, wanted PARTITION/OFFSET as `deadletter list` has it")
    part = TopicPartition(settings.topics.deadletter, int(number))
    if part not in await partitions_of(settings, (settings.topics.deadletter,)):
        raise LetterNotFoundError(f"topic {part.topic} has no partition {number}: see `tidegate deadletter list`")
    consumer = await open_consumer(settings.kafka)
    try:
        consumer.assign([part])
        begin, end = (await consumer.beginning_offsets([part]))[part], (await consumer.end_offsets([part]))[part]
        if not begin <= int(offset) < end:
            kept = f"it has {begin} to {end - 1}" if end > begin else "it is empty"
            raise LetterNotFoundError(f"partition {number} of {part.topic} has no letter {offset}: {kept}")
        consumer.seek(part, int(offset))
        async with asyncio.timeout(READ_SECONDS):
            record = await consumer.getone(part)
    except TimeoutError as error:
        raise LetterNotFoundError(f"letter {place} could not be read within {READ_SECONDS:g} s") from error
    finally:
        await consumer.stop()
    if record.offset != int(offset):
        raise LetterNotFoundError(f"there is no letter at {place}, the next one is {number}/{record.offset}")
    return letter_of(record, settings)


def letter_of(record: ConsumerRecord[bytes, bytes], settings: Settings) -> DeadLetter:
    """A record of the dead-letter topic, also one that somebody else wrote there."""
    headers = {name: value.decode("ascii", "backslashreplace") for name, value in record.headers}
    topic = headers.get("src.topic", "")
    value = record.value
    whole = headers.get("src.value.bytes", "")
    source_time = headers.get("src.timestamp", "")
    return DeadLetter(
        partition=record.partition,
        offset=record.offset,
        time=record.timestamp / 1000.0,
        reason=printable(headers.get("error.reason", "")) or "unknown",
        detail=printable(headers.get("error.detail", "")),
        topic=printable(topic),
        source=printable(f"{topic}/{headers.get('src.partition', '')}/{headers.get('src.offset', '')}"),
        source_time=int(source_time) / 1000.0 if source_time.isdecimal() else 0.0,
        hosts=hosts_of(record, topic, settings),
        key="" if record.key is None else printable(record.key[:SAMPLE_CHARACTERS]),
        sample="" if value is None else printable(value[:SAMPLE_CHARACTERS]),
        value_bytes=int(whole) if whole.isdecimal() else len(value or b""),
    )


def hosts_of(record: ConsumerRecord[bytes, bytes], topic: str, settings: Settings) -> tuple[str, ...]:
    """The hosts that a refused record names, as the reader of its topic would find them."""
    wire_format = FORMATS["auto" if topic == settings.topics.logs else "telegraf"]
    source, limits = (
        Source(topic, record.partition, record.offset),
        WireLimits(record_bytes_maximum=VALUE_BYTES_MAXIMUM),
    )
    arrival = Arrival(record.value or b"", record.key, 0.0, source, limits, 0.0)
    signs = wire_format.signs(arrival, Refusal(Reason.MALFORMED, ""))
    return tuple(dict.fromkeys(sign.host for sign in signs))


def printable(value: bytes | str) -> str:
    """What came from outside as ASCII that any terminal shows, cut; all else is escaped."""
    text = value.decode(errors="backslashreplace") if isinstance(value, bytes) else value
    shown = "".join(
        one if " " <= one <= "~" else one.encode("unicode_escape").decode() for one in text[:SAMPLE_CHARACTERS]
    )
    return shown[:SAMPLE_CHARACTERS]


def draw_letters(letters: Sequence[DeadLetter], now: float) -> RenderableType:
    """Three lines a letter."""
    if not letters:
        return Text("There is no such letter: nothing was refused.")
    lines: list[Text] = []
    for one in letters:
        named = f" {named_hosts(one)}" if one.hosts else ""
        lines += [
            Text.assemble(
                plain(one.place, "bold"), f" {ago(one.time, now)}: ", plain(one.reason, "yellow"), plain(named)
            ),
            plain(f"  {one.source}: {one.detail}"),
            plain(f"  {shortened(one)}", "dim"),
        ]
    return Group(*lines, Text("`tidegate deadletter show PARTITION/OFFSET` has more of each", style="dim"))


def draw_letter(letter: DeadLetter, now: float) -> RenderableType:
    """A line a fact, then the value."""
    facts = {
        "letter": letter.place,
        "refused": f"{utc(letter.time)}, {ago(letter.time, now)}",
        "reason": letter.reason,
        "detail": letter.detail,
        "came from": letter.source,
        "its time": utc(letter.source_time),
        "hosts": ", ".join(letter.hosts) or "none is named",
        "key": letter.key or "none",
        "value": f"{letter.value_bytes} bytes" + (", cut" if letter.value_bytes > SAMPLE_CHARACTERS else ""),
    }
    lines = [Text.assemble((f"{name:<10}", "bold dim"), plain(words)) for name, words in facts.items()]
    return Group(*lines, plain(letter.sample))


def draw_stats(answer: LetterStats, now: float) -> RenderableType:
    """How many came, how many were refused, and why."""
    lines = [plain(words) for words in told(answer, now)]
    for title, counts in (("by reason", answer.reasons), ("by topic", answer.topics), ("by host", answer.hosts)):
        shown = dict(list(counts.items())[: None if title == "by reason" else HOSTS_SHOWN])
        more = f", and {len(counts) - len(shown)} more" if len(counts) > len(shown) else ""
        words = ", ".join(f"{name} {count}" for name, count in shown.items())
        lines += [Text.assemble((f"{title}: ", "bold dim"), plain(words + more))] if counts else []
    return Group(*lines)


def told(answer: LetterStats, now: float) -> list[str]:
    """What came and what was refused, in sentences, with the latest refusal."""
    came = ", ".join(f"{count:,} to {topic}" for topic, count in answer.came.items() if count)
    sentences = [f"Records that came: {came}." if came else f"No record has come to {' or '.join(answer.came)}."]
    if answer.latest is None:
        gone = f"Refused: {answer.letters:,}, none of which is kept any more."
        return [*sentences, gone if answer.letters else "None was refused: the dead letter is empty."]
    latest = answer.latest
    counts = ", ".join(f"{reason} {count}" for reason, count in answer.reasons.items())
    among = "" if answer.scanned == answer.letters else f", of the newest {answer.scanned}"
    partial = " (not all were looked at: they are large, or come slowly)" if answer.is_partial else ""
    named = f" ({named_hosts(latest)})" if latest.hosts else ""
    return [
        *sentences,
        f"Refused: {answer.letters:,}{among}: {counts}{partial}.",
        f"The latest, {ago(latest.time, now)}, from {latest.source}{named}: {latest.reason}: {latest.detail}",
        f"  {shortened(latest)}",
    ]


def named_hosts(letter: DeadLetter) -> str:
    """The first host that a letter names, and how many more there are."""
    more = len(letter.hosts) - 1
    return letter.hosts[0] + (f" and {more} more" if more else "")


def shortened(letter: DeadLetter) -> str:
    """The beginning of the value of a letter."""
    sample = letter.sample
    return (sample if len(sample) <= LINE_CHARACTERS else sample[: LINE_CHARACTERS - 3] + "...") or "(no value)"
