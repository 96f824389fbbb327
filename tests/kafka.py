"""Test tools: a Kafka that tests share, and settings which keep one test's topics apart from another's."""

import os
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest

from stream.broker.embedded import EmbeddedBroker
from stream.settings import DetectSettings, KafkaSettings, Settings, TopicSettings


class Kafka(msgspec.Struct, frozen=True):
    """A running Kafka."""

    bootstrap_servers: str

    def settings(self, *, partitions: int = 2, prefix: str | None = None) -> Settings:
        """Settings for this Kafka with topics and a consumer group of their own: names begin with a unique prefix."""
        prefix = prefix or f"t{uuid.uuid4().hex[:8]}"
        defaults = TopicSettings()
        names = {field: f"{prefix}.{getattr(defaults, field)}" for field in TopicSettings.__struct_fields__}
        return Settings(
            kafka=KafkaSettings(bootstrap_servers=self.bootstrap_servers, partitions=partitions),
            topics=TopicSettings(**names),
            detect=DetectSettings(group=f"{prefix}.detect", health_port=0),
        )


@contextmanager
def running_kafka(folder: Path) -> Iterator[Kafka]:
    """The Kafka that the environment asks for.

    KAFKA_BOOTSTRAP_SERVERS names one; TIDEGATE_TEST_KAFKA=testcontainers starts one in Docker; else it is embedded.
    """
    servers = os.environ.get("KAFKA_BOOTSTRAP_SERVERS")
    kind = os.environ.get("TIDEGATE_TEST_KAFKA", "embedded")
    if servers:
        yield Kafka(servers)
    elif kind == "testcontainers":
        with container_servers() as found:
            yield Kafka(found)
    elif kind == "embedded":
        with EmbeddedBroker(folder) as broker:
            yield Kafka(broker.bootstrap_servers)
    else:
        pytest.exit(f"TIDEGATE_TEST_KAFKA is {kind!r}, wanted 'embedded' or 'testcontainers'.", returncode=2)


@contextmanager
def container_servers() -> Iterator[str]:
    """Bootstrap servers of a Kafka that testcontainers runs; without Docker the tests are skipped, and say so."""
    docker = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    if not answers(docker):
        pytest.skip(f"TIDEGATE_TEST_KAFKA=testcontainers needs Docker, and nothing listens at {docker}")
    containers = pytest.importorskip("testcontainers.community.kafka")
    with containers.KafkaContainer().with_kraft() as container:  # the image of its default is the one it is made for
        yield container.get_bootstrap_server()


def answers(docker: str) -> bool:
    """Whether something listens at a DOCKER_HOST; docker's own client leaves its socket open when nothing does."""
    url = urlsplit(docker)
    family, address = (
        (socket.AF_UNIX, url.path) if url.scheme == "unix" else (socket.AF_INET, (url.hostname, url.port or 2375))
    )
    with socket.socket(family) as client:
        client.settimeout(5)
        return client.connect_ex(address) == 0
