"""Topics are created with the settings that our promises need, and existing ones are checked, never changed."""

import asyncio
from collections.abc import Callable

import msgspec
import pytest
from aiokafka.admin import NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from stream.broker.embedded import EmbeddedBroker
from stream.errors import TopicError, UnreachableError
from stream.kafka import open_admin, open_producer
from stream.settings import Settings
from stream.topics import ensure_topics, replicas_in_sync, tidegate_topics
from tests.kafka import Kafka

DAY = 24 * 3_600_000
EXPECTED = {
    "metrics": (3, {}),
    "logs": (3, {}),
    "samples": (
        3,
        {"cleanup.policy": "delete", "retention.ms": str(DAY), "message.timestamp.type": "LogAppendTime"},
    ),
    "state": (
        3,
        {
            "cleanup.policy": "compact",
            "max.message.bytes": "2100000",
            "segment.bytes": "67108864",
            "segment.ms": "3600000",
            "min.cleanable.dirty.ratio": "0.3",
            "delete.retention.ms": "3600000",
        },
    ),
    "models": (
        3,
        {
            "cleanup.policy": "compact,delete",
            "max.message.bytes": "2100000",
            "retention.ms": str(30 * DAY),
            "segment.ms": str(DAY),
            "min.cleanable.dirty.ratio": "0.3",
        },
    ),
    "signals": (
        1,
        {"cleanup.policy": "delete", "retention.ms": str(7 * DAY), "message.timestamp.type": "LogAppendTime"},
    ),
    "commands": (
        1,
        {"cleanup.policy": "delete", "retention.ms": str(30 * DAY), "message.timestamp.type": "LogAppendTime"},
    ),
    "audit": (
        1,
        {
            "cleanup.policy": "delete",
            "retention.ms": "-1",
            "retention.bytes": "-1",
            "message.timestamp.type": "LogAppendTime",
        },
    ),
    "deadletter": (
        3,
        {
            "cleanup.policy": "delete",
            "retention.ms": str(30 * DAY),
            "max.message.bytes": "2100000",
            "message.timestamp.type": "LogAppendTime",
        },
    ),
}
"""By field of the topic settings: partitions and settings of each topic that was created for 3 partitions."""

WRONG = {
    "audit with two partitions": ("audit", 2, {}, "has partitions=2, wanted 1."),
    "audit compacted": ("audit", 1, {"cleanup.policy": "compact"}, "has cleanup.policy=compact, wanted delete."),
    "audit that forgets by time": ("audit", 1, {"retention.ms": "60000"}, "has retention.ms=60000, wanted -1."),
    "audit that forgets by size": ("audit", 1, {"retention.bytes": "9999"}, "has retention.bytes=9999, wanted -1."),
    "audit whose writers set the time": (
        "audit",
        1,
        {"message.timestamp.type": "CreateTime"},
        "has message.timestamp.type=CreateTime, wanted LogAppendTime.",
    ),
    "state that is not compacted": (
        "state",
        2,
        {"cleanup.policy": "delete"},
        "has cleanup.policy=delete, wanted compact.",
    ),
    "state that also forgets": (
        "state",
        2,
        {"cleanup.policy": "compact,delete"},
        "has cleanup.policy=compact,delete, wanted compact.",
    ),
    "models that are kept for ever": (
        "models",
        2,
        {"cleanup.policy": "compact"},
        "has cleanup.policy=compact, wanted compact,delete.",
    ),
    "state of small records": (
        "state",
        2,
        {"max.message.bytes": "1048588"},
        "has max.message.bytes=1048588, wanted at least 2100000.",
    ),
    "state of other partitions": ("state", 5, {}, "has partitions=5, wanted 2."),
    "samples of other partitions": ("samples", 5, {}, "has partitions=5, wanted 2."),
    "samples compacted": ("samples", 2, {"cleanup.policy": "compact"}, "has cleanup.policy=compact, wanted delete."),
    "signals with two partitions": ("signals", 2, {}, "has partitions=2, wanted 1."),
    "commands with two partitions": ("commands", 2, {}, "has partitions=2, wanted 1."),
}
"""By name of the case: topic, its partitions, its settings that differ, and the fault to be told."""


async def create(settings: Settings, field: str, partitions: int, changes: dict[str, str]) -> str:
    """Create one of Tidegate's topics as somebody else would, and return its name."""
    name = getattr(settings.topics, field)
    (planned,) = [topic for topic in tidegate_topics(settings) if topic.name == name]
    admin = await open_admin(settings.kafka)
    config = {**planned.must, **planned.may, **changes}
    answer = await admin.create_topics([NewTopic(name, partitions, 1, topic_configs=config)])
    await admin.close()
    assert [error for _, error, *_ in answer.topic_errors] == [0]
    return str(name)


async def describe(settings: Settings, field: str) -> tuple[int, dict[str, str]]:
    """Number of partitions and all settings of a topic, as the broker tells them."""
    name = getattr(settings.topics, field)
    admin = await open_admin(settings.kafka)
    (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
    (topic,) = await admin.describe_topics([name])
    await admin.close()
    (resource,) = answer.to_object()["resources"]
    config = {entry["config_names"]: entry["config_value"] for entry in resource["config_entries"]}
    return len(topic["partitions"]), config


@pytest.mark.parametrize("field", EXPECTED)
async def test_created_with_exactly_these_settings(kafka: Kafka, field: str) -> None:
    """A missing topic gets its partitions and settings, as the broker itself describes them."""
    settings = kafka.settings(partitions=3)
    await ensure_topics(settings)

    partitions, config = await describe(settings, field)

    expected_partitions, expected = EXPECTED[field]
    assert partitions == expected_partitions
    assert {name: config[name] for name in expected} == expected
    assert config["min.insync.replicas"] == "1"


async def test_again_changes_nothing(kafka: Kafka) -> None:
    """A second call, with settings of topics that an operator chose in between, finds everything in order."""
    settings = kafka.settings()
    await create(settings, "samples", 2, {"retention.ms": "3600000"})
    await ensure_topics(settings)
    await ensure_topics(settings)

    _, config = await describe(settings, "samples")
    assert config["retention.ms"] == "3600000"


@pytest.mark.parametrize(("field", "partitions", "changes", "fault"), WRONG.values(), ids=WRONG)
async def test_wrong_topic_is_refused(
    kafka: Kafka, field: str, partitions: int, changes: dict[str, str], fault: str
) -> None:
    """A topic that would break a promise is refused by topic, setting, value found and value wanted."""
    settings = kafka.settings()
    name = await create(settings, field, partitions, changes)

    with pytest.raises(TopicError) as caught:
        await ensure_topics(settings)

    assert str(caught.value) == f"Topic {name} {fault}"


async def test_all_faults_are_told_at_once(kafka: Kafka) -> None:
    """Whoever has several topics to repair need not find them one by one."""
    settings = kafka.settings()
    audit = await create(settings, "audit", 3, {"cleanup.policy": "compact"})
    state = await create(settings, "state", 1, {})

    with pytest.raises(TopicError) as caught:
        await ensure_topics(settings)

    assert str(caught.value).splitlines() == [
        f"Topic {state} has partitions=1, wanted 2.",
        f"Topic {audit} has partitions=3, wanted 1.",
        f"Topic {audit} has cleanup.policy=compact, wanted delete.",
    ]


@pytest.mark.parametrize("field", ["metrics", "logs"])
async def test_topics_of_the_user_are_the_users(kafka: Kafka, field: str) -> None:
    """The user's own topics may be as they like."""
    settings = kafka.settings()
    await create(settings, field, 7, {"cleanup.policy": "compact", "retention.ms": "1000"})

    await ensure_topics(settings)

    partitions, config = await describe(settings, field)
    assert (partitions, config["cleanup.policy"]) == (7, "compact")


async def test_several_creators_at_once(kafka: Kafka) -> None:
    """Processes that start together create each topic once, and none of them fails."""
    settings = kafka.settings()

    await asyncio.gather(*(ensure_topics(settings) for _ in range(4)))

    partitions, _ = await describe(settings, "samples")
    assert partitions == 2


async def test_refused_creation_is_told(kafka: Kafka) -> None:
    """What the broker says against a topic reaches the operator."""
    settings = kafka.settings()
    lonely = msgspec.structs.replace(settings.kafka, replication_factor=3)
    if len(settings.kafka.bootstrap_servers.split(",")) > 1:
        pytest.skip("this cluster has replicas enough")

    with pytest.raises(TopicError, match=f"Topic {settings.topics.audit} could not be created: InvalidReplication"):
        await ensure_topics(msgspec.structs.replace(settings, kafka=lonely))


@pytest.mark.parametrize("field", ["state", "deadletter"])
async def test_takes_the_largest_record(kafka: Kafka, field: str) -> None:
    """A record as large as our producers may send is taken."""
    settings = kafka.settings()
    await ensure_topics(settings)
    producer = await open_producer(settings.kafka)
    value = bytes(1_990_000)

    sent = await producer.send_and_wait(getattr(settings.topics, field), value, key=b"key", partition=0)
    await producer.stop()

    assert sent.offset == 0


async def test_broker_that_goes_in_between(private_broker: Callable[[], EmbeddedBroker]) -> None:
    """At whatever moment the broker goes, the error is one for the operator, and names the servers."""
    broker = private_broker()
    kafka = Kafka(broker.bootstrap_servers)

    async def create_many() -> None:
        while True:
            await ensure_topics(kafka.settings(), wait_seconds=0.5)

    creating = asyncio.create_task(create_many())
    await asyncio.sleep(0.3)
    await asyncio.to_thread(broker.kill)

    with pytest.raises(UnreachableError, match=kafka.bootstrap_servers):
        await creating


@pytest.mark.parametrize(("replicas", "expected"), [(1, 1), (2, 1), (3, 2), (5, 2)])
def test_acknowledged_writes_survive_a_broker(replicas: int, expected: int) -> None:
    """With three replicas a write is on two before it is acknowledged, and one broker may be away."""
    assert replicas_in_sync(replicas) == expected
