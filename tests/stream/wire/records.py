"""Records as they come from producers, and a short way to decode them."""

import json

from detectors.samples import LogSample, MetricSample, Source
from stream.wire import Decoded, WireLimits, decode

NOW = 1795227600.0  # 2026-11-21T02:20:00Z
KAFKA_TIME = NOW - 2.0
SOURCE = Source("metrics", 3, 41)

CPU: dict[str, object] = {
    "fields": {"usage_idle": 82.38, "usage_user": 11.4},
    "name": "cpu",
    "tags": {"cpu": "cpu-total", "host": "web-01"},
    "timestamp": 1795227599,
}


def changed(document: dict[str, object], **changes: object) -> dict[str, object]:
    """The document with some members replaced, or left out where the change is None."""
    return {name: value for name, value in (document | changes).items() if value is not None}


def bytes_of(value: object) -> bytes:
    """A record value: bytes as they are, all else as JSON."""
    return value if isinstance(value, bytes) else json.dumps(value).encode()


def read(format_name: str, value: object, key: bytes | None = None, limits: WireLimits | None = None) -> Decoded:
    """Decode at NOW, from a record written two seconds before."""
    return decode(format_name, bytes_of(value), key, KAFKA_TIME, SOURCE, limits or WireLimits(), NOW)


def read_metric(value: object, key: bytes | None = None) -> MetricSample:
    """The one metric sample in a Telegraf record."""
    (sample,) = read("telegraf", value, key).samples
    assert isinstance(sample, MetricSample)
    return sample


def read_log(format_name: str, value: object, key: bytes | None = None) -> LogSample:
    """The one log sample in a record."""
    (sample,) = read(format_name, value, key).samples
    assert isinstance(sample, LogSample)
    return sample
