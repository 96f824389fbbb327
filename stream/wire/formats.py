"""The wire formats. A new one is a module with one decoder, and a row here."""

from collections.abc import Callable

from detectors.samples import Source
from stream.wire.arrivals import Arrival, Decoded, WireLimits
from stream.wire.auto_logs import decode_auto_logs
from stream.wire.json_logs import decode_json_logs
from stream.wire.refusals import Reason, Refused
from stream.wire.telegraf import decode_telegraf
from stream.wire.text_logs import decode_text_logs

type Decoder = Callable[[Arrival], Decoded]

FORMATS: dict[str, Decoder] = {
    "telegraf": decode_telegraf,
    "json": decode_json_logs,
    "text": decode_text_logs,
    "auto": decode_auto_logs,
}


def decode(
    format_name: str,
    value: bytes | None,
    key: bytes | None,
    timestamp: float,
    source: Source,
    limits: WireLimits,
    now: float,
) -> Decoded:
    """Read one Kafka record in one of `FORMATS`; `timestamp` (the record's) and `now` are epoch seconds.

    Raises Refused, and nothing else, for whatever the bytes hold.
    """
    if value is None:
        raise Refused(Reason.TOMBSTONE, "the record has no value")
    if len(value) > limits.record_bytes_maximum:
        raise Refused(Reason.OVERSIZE, f"{len(value)} bytes, wanted at most {limits.record_bytes_maximum}")
    return FORMATS[format_name](Arrival(value, key, timestamp, source, limits, now))
