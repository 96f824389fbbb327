"""Where the reading of each partition begins: at what is committed, if that was committed in this life of its topic."""

from collections.abc import Collection, Mapping
from typing import NamedTuple

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import OffsetAndMetadata

from stream.detect.offsets import Partition
from stream.lives import NO_LIFE

log = structlog.get_logger()

CUT = "-"


class Start(NamedTuple):
    """The first offset to read, the life it counts in, and whether that life is another one than was committed in."""

    offset: int
    life: str
    is_anew: bool = False


class Before(NamedTuple):
    """What this process has seen: the lives of topics, and partitions whose log ended before what was read of it."""

    lives: Mapping[str, str]
    went_back: Collection[Partition]


class LogRange(NamedTuple):
    """What there is of a partition now."""

    begin_offset: int
    end_offset: int
    life: str


def start_of(
    found: LogRange, committed: OffsetAndMetadata | None, *, known_life: str | None = None, went_back: bool = False
) -> Start:
    """Where to begin, given what the group has committed with the life as its metadata.

    A topic of the same id whose end lies before that has lost records, and gives their offsets to others: it lives
    anew, told apart by the offset that was committed.
    """
    if committed is None or committed.offset < 0:
        return Start(found.begin_offset, found.life, is_anew=known_life not in {None, found.life})
    told = committed.metadata or found.life
    if found.life and told.partition(CUT)[0] != found.life:
        return Start(found.begin_offset, found.life, is_anew=True)
    if committed.offset > found.end_offset or went_back:
        return Start(found.begin_offset, f"{found.life}{CUT}{committed.offset}", is_anew=True)
    return Start(committed.offset, told)


async def find_starts(
    consumer: AIOKafkaConsumer,
    sources: Collection[TopicPartition],
    lives: Mapping[str, str],
    before: Before,
) -> dict[Partition, Start]:
    """The start of each partition. One whose topic is gone begins at 0: it will be assigned anew when it is there."""
    here = [source for source in sources if source.topic in lives]
    starts = {Partition(*source): Start(0, NO_LIFE) for source in sources}
    if not here:
        return starts
    committed = await consumer._coordinator.fetch_committed_offsets(here)  # noqa: SLF001 - all in one request
    begins = await consumer.beginning_offsets(here)
    ends = await consumer.end_offsets(here)
    for source in here:
        found, place = LogRange(begins[source], ends[source], lives[source.topic]), Partition(*source)
        starts[place] = start_of(
            found,
            committed.get(source),
            known_life=before.lives.get(place.topic),
            went_back=place in before.went_back,
        )
        if starts[place].is_anew:
            log.warning(
                "topic_made_anew",
                topic=place.topic,
                partition=place.partition,
                committed=committed.get(source),
                life=starts[place].life,
                begin_offset=found.begin_offset,
                end_offset=found.end_offset,
            )
    return starts
