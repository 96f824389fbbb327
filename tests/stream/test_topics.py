"""Topics are created with the settings that our promises need, or checked against them."""

from stream.topics import ensure_topics
from tests.kafka import Kafka


async def test_again(kafka: Kafka) -> None:
    """A second call finds everything in order."""
    settings = kafka.settings()
    await ensure_topics(settings)
    await ensure_topics(settings)
