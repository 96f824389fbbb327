"""What a decoder is given, and what it gives back."""

import msgspec

from detectors.samples import Sample, Source
from stream.wire.refusals import DropReason, Refusal


class WireLimits(msgspec.Struct, frozen=True):
    """How much a record may hold and how far its time may lie from now; the first three come from the settings."""

    record_bytes_maximum: int = 65_536
    past_maximum_seconds: float = 86_400.0
    future_maximum_seconds: float = 60.0
    depth_maximum: int = 8
    fields_maximum: int = 200
    tags_maximum: int = 32
    name_characters_maximum: int = 128
    tag_value_characters_maximum: int = 256
    series_characters_maximum: int = 512
    message_characters_maximum: int = 3000


class Arrival(msgspec.Struct, frozen=True):
    """One Kafka record as it came, with all that it is judged by.

    `timestamp` is the record's Kafka time and `now` the reader's clock, both in epoch seconds.
    """

    value: bytes
    key: bytes | None
    timestamp: float
    source: Source
    limits: WireLimits
    now: float


class Decoded(msgspec.Struct, frozen=True):
    """What a record said. `dropped` counts the values left out, `gaps` the metrics without any value.

    `refusal` is set if some elements of a batch were refused while `samples` holds the good ones: the record then
    belongs in the dead letter as well. Of a host whose element gave no reading there is an `UnreadSample`.
    """

    samples: tuple[Sample, ...]
    dropped: dict[DropReason, int] = {}
    refusal: Refusal | None = None
    gaps: int = 0
