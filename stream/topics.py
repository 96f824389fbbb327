"""Tidegate's topics: what they must be, made where they are missing and checked where they exist."""

import asyncio
import time
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import (
    ConfigResource,
    ConfigResourceType,
)
from aiokafka.errors import (
    KafkaError,
    NoError,
    TopicAlreadyExistsError,
    UnknownTopicOrPartitionError,
    for_code,
)

from remediations.documents import shortened
from stream.errors import TopicError, UnreachableError
from stream.kafka import CONNECT_SECONDS, RECORD_BYTES_MAXIMUM, open_admin
from stream.settings import KafkaSettings, Settings

HOUR_MILLISECONDS = 3_600_000
DAY_MILLISECONDS = 24 * HOUR_MILLISECONDS
RECORD_OVERHEAD_BYTES = 100_000  # batch header, key, headers of a record of the largest size
CREATE_SECONDS = 30.0
POLL_SECONDS = 0.1

APPEND_TIME = {"message.timestamp.type": "LogAppendTime"}
LARGE = {"max.message.bytes": str(RECORD_BYTES_MAXIMUM + RECORD_OVERHEAD_BYTES)}
# Only closed segments are compacted: small ones keep what recovery reads near to what is alive.
COMPACTED_HOURLY = {
    "segment.bytes": str(64 * 1024 * 1024),
    "segment.ms": str(HOUR_MILLISECONDS),
    "min.cleanable.dirty.ratio": "0.3",
    "delete.retention.ms": str(HOUR_MILLISECONDS),
}
COMPACTED_DAILY = {"segment.ms": str(DAY_MILLISECONDS), "min.cleanable.dirty.ratio": "0.3"}


class Topic(msgspec.Struct, frozen=True):
    """One topic: how it is created, and which of that an existing one must have too."""

    name: str
    partitions: int
    must: Mapping[str, str] = {}
    """Settings without which a promise breaks: created so, and an existing topic is refused without them."""
    may: Mapping[str, str] = {}
    """Settings it is created with; an operator may have chosen others."""
    partitions_matter: bool = True
    """Whether an existing topic must have exactly `partitions`."""


def tidegate_topics(settings: Settings) -> tuple[Topic, ...]:
    """The table: every topic that Tidegate reads or writes."""
    names, many = settings.topics, settings.kafka.partitions
    return (
        Topic(names.metrics, many, partitions_matter=False),
        Topic(names.logs, many, partitions_matter=False),
        Topic(
            names.samples,
            many,
            must={"cleanup.policy": "delete"},
            may={"retention.ms": str(DAY_MILLISECONDS)} | APPEND_TIME,
        ),
        Topic(
            names.state,
            many,
            must={"cleanup.policy": "compact"} | LARGE,
            may=COMPACTED_HOURLY,
        ),
        Topic(
            names.models,
            many,
            must={"cleanup.policy": "compact,delete"} | LARGE,
            may=COMPACTED_DAILY | {"retention.ms": str(30 * DAY_MILLISECONDS)},
        ),
        Topic(
            names.signals,
            1,
            must={"cleanup.policy": "delete"},
            may={"retention.ms": str(7 * DAY_MILLISECONDS)} | APPEND_TIME,
        ),
        Topic(
            names.commands,
            1,
            must={"cleanup.policy": "delete"} | APPEND_TIME,
            may={"retention.ms": str(30 * DAY_MILLISECONDS)},
        ),
        Topic(
            names.audit,
            1,
            must={"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"} | APPEND_TIME,
        ),
        Topic(
            names.deadletter,
            many,
            must={"cleanup.policy": "delete"} | LARGE,
            may={"retention.ms": str(30 * DAY_MILLISECONDS)} | APPEND_TIME,
            partitions_matter=False,
        ),
    )


async def ensure_topics(
    settings: Settings, topics: Iterable[Topic] | None = None, *, wait_seconds: float = CONNECT_SECONDS
) -> None:
    """Create the topics that are missing and check the others; safe when several processes do it at once.

    TopicError tells of every topic that can not be created, or exists with settings that would break a promise;
    nothing that exists is ever changed. UnreachableError when no broker answers in time, or it goes in between.
    """
    wanted = tuple(topics) if topics is not None else tidegate_topics(settings)
    admin = await open_admin(settings.kafka, wait_seconds=wait_seconds)
    try:
        partitions = await _create_missing(admin, wanted, settings.kafka.replication_factor)
        configs = await _configs(admin, [topic.name for topic in wanted if topic.must])
    except (KafkaError, TimeoutError) as error:
        servers = settings.kafka.bootstrap_servers
        raise UnreachableError(f"The Kafka broker at {servers} went while topics were made: {error!r}") from error
    finally:
        await admin.close()
    faults = [
        fault for topic in wanted for fault in _faults(topic, partitions[topic.name], configs.get(topic.name, {}))
    ]
    if faults:
        raise TopicError("\n".join(faults))


async def require_topics(kafka: KafkaSettings, *names: str) -> None:
    """Return if all of these topics are there; nothing is made. TopicError names one that is not."""
    admin = await open_admin(kafka)
    try:
        found = {topic["topic"] for topic in await admin.describe_topics()}
    except KafkaError as error:
        raise UnreachableError(f"The Kafka broker at {kafka.bootstrap_servers} has just gone: {error!r}") from error
    finally:
        await admin.close()
    for name in names:
        if name not in found:
            raise TopicError(
                f"Kafka at {kafka.bootstrap_servers} has no topic {shortened(name)}: is this the right Kafka, and is "
                "the name right? Tidegate's own topics are made when `tidegate up` or a role first starts."
            )


async def _create_missing(
    admin: AIOKafkaAdminClient, wanted: tuple[Topic, ...], replication_factor: int
) -> dict[str, int]:
    """Create until all topics are there with all their partitions led, and return the number of partitions of each."""
    deadline = time.monotonic() + CREATE_SECONDS
    while True:
        # Asked for all topics: asking for one by name would create it where the cluster creates topics by itself.
        found = {topic["topic"]: topic["partitions"] for topic in await admin.describe_topics()}
        missing = [topic for topic in wanted if topic.name not in found]
        leaderless = [topic.name for topic in wanted if any(part["leader"] < 0 for part in found.get(topic.name, []))]
        if not missing and not leaderless:
            return {topic.name: len(found[topic.name]) for topic in wanted}
        if time.monotonic() > deadline:
            names = ", ".join([topic.name for topic in missing] + leaderless)
            raise TopicError(f"After {CREATE_SECONDS:.0f} s these topics are missing or have no leader: {names}.")
        await _create(admin, missing, replication_factor)
        await asyncio.sleep(POLL_SECONDS)


async def _create(admin: AIOKafkaAdminClient, topics: list[Topic], replication_factor: int) -> None:
    if not topics:
        return
    safe = {"min.insync.replicas": str(replicas_in_sync(replication_factor))}
    answer = await admin.create_topics(
        [
            NewTopic(
                topic.name, topic.partitions, replication_factor, topic_configs={**safe, **topic.must, **topic.may}
            )
            for topic in topics
        ]
    )
    errors = [
        f"Topic {error['topic']} could not be created: {for_code(error['error_code']).__name__}: "
        f"{error['error_message'] or 'no further word from the broker'}"
        for error in answer.to_object()["topic_errors"]
        if for_code(error["error_code"]) not in {NoError, TopicAlreadyExistsError}
    ]
    if errors:
        raise TopicError("\n".join(errors))


def replicas_in_sync(replication_factor: int) -> int:
    """Brokers that must hold a write before it is acknowledged: two where one broker may then still be away."""
    return 2 if replication_factor >= 3 else 1  # noqa: PLR2004 - with two, the loss of one would stop all writing


async def _configs(admin: AIOKafkaAdminClient, names: list[str]) -> dict[str, dict[str, str]]:
    """Settings of topics by name. TopicError names a topic whose settings may not be read."""
    deadline = time.monotonic() + CREATE_SECONDS
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    while True:
        answers = [one for answer in await admin.describe_configs(resources) for one in answer.to_object()["resources"]]
        refused = [one for one in answers if one["error_code"] != 0]
        if not refused:
            return {one["resource_name"]: _values(one["config_entries"]) for one in answers}
        error = for_code(refused[0]["error_code"])
        if error is not UnknownTopicOrPartitionError or time.monotonic() > deadline:
            raise TopicError(f"Settings of topic {refused[0]['resource_name']} can not be read: {error.__name__}.")
        await asyncio.sleep(POLL_SECONDS)  # the broker asked has not heard of the new topic yet


def _values(entries: list[dict[str, Any]]) -> dict[str, str]:
    return {entry["config_names"]: entry["config_value"] for entry in entries}


def _faults(topic: Topic, partitions: int, config: Mapping[str, str]) -> list[str]:
    """Each way in which an existing topic is not what it must be, as a sentence."""
    faults = []
    if topic.partitions_matter and partitions != topic.partitions:
        faults.append(f"Topic {topic.name} has partitions={partitions}, wanted {topic.partitions}.")
    for setting, wanted in topic.must.items():
        found = config.get(setting, "unknown")
        if not _holds(setting, found, wanted):
            at_least = "at least " if setting == "max.message.bytes" else ""
            faults.append(f"Topic {topic.name} has {setting}={found}, wanted {at_least}{wanted}.")
    return faults


def _holds(setting: str, found: str, wanted: str) -> bool:
    if setting == "max.message.bytes":
        return found.isdecimal() and int(found) >= int(wanted)
    return found == wanted
