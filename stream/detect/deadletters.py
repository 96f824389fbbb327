"""Dead letters: records that could not be used, kept whole with the reason and the place they came from."""

import enum
from collections.abc import Iterable, Sequence
from importlib.metadata import version

import msgspec
from aiokafka import ConsumerRecord

from stream.damage import Damage
from stream.detect.outbox import Message, Publisher

# Kafka's usual limit of a record is 1 MiB; key, headers and framing need the rest.
VALUE_BYTES_MAXIMUM = 1_000_000
KEY_BYTES_MAXIMUM = 16_384
DETAIL_CHARACTERS_MAXIMUM = 500

TIDEGATE_VERSION = version("tidegate")


class LetterReason(enum.Enum):
    """Reasons besides those of stream/wire/refusals.py and `stream.damage.DamageReason`."""

    BAD_SAMPLE = "bad_sample"
    """A record of the samples topic is none: somebody else wrote there."""
    BAD_COMMAND = "bad_command"
    """A record of the commands topic is none: a field is missing or wrong, or its type is not known."""
    PROCESSING_FAILED = "processing_failed"
    """A fault of Tidegate: reading or scoring the record raised, again and again."""


class Letter(msgspec.Struct, frozen=True):
    """A record and why it could not be used; `reason` is the value of a `Reason`, `LetterReason` or `DamageReason`.

    `last_offset` is set where it stands for several records, from the record's own offset on.
    """

    record: ConsumerRecord[bytes, bytes]
    reason: str
    detail: str
    last_offset: int | None = None

    def message(self) -> Message:
        """The dead letter as it is written: the original key and value, cut to what Kafka takes, and headers."""
        record = self.record
        value = record.value
        headers = [
            ("src.topic", record.topic.encode()),
            ("src.partition", b"%d" % record.partition),
            ("src.offset", b"%d" % record.offset),
            *([] if self.last_offset is None else [("src.offset.last", b"%d" % self.last_offset)]),
            ("src.timestamp", b"%d" % record.timestamp),
            ("error.reason", self.reason.encode()),
            ("error.detail", self.detail[:DETAIL_CHARACTERS_MAXIMUM].encode(errors="backslashreplace")),
            ("tidegate.version", TIDEGATE_VERSION.encode()),
        ]
        if value is not None and len(value) > VALUE_BYTES_MAXIMUM:
            headers.append(("src.value.bytes", b"%d" % len(value)))
            value = value[:VALUE_BYTES_MAXIMUM]
        key = None if record.key is None else record.key[:KEY_BYTES_MAXIMUM]
        return Message(key=key, value=value, headers=tuple(headers))


def letters_of(damage: Iterable[Damage]) -> list[Letter]:
    """The dead letters for what could not be read."""
    return [
        Letter(
            one.record, one.reason.value, one.detail, None if one.last_offset == one.record.offset else one.last_offset
        )
        for one in damage
    ]


class DeadLetters:
    """Writes dead letters to `topic`."""

    def __init__(self, outbox: Publisher, topic: str) -> None:
        self._outbox = outbox
        self._topic = topic

    async def bury(self, letters: Sequence[Letter]) -> None:
        """Write the letters; returns when all are acknowledged. Raises KafkaError if they cannot be written."""
        await self._outbox.publish(self._topic, [letter.message() for letter in letters])
