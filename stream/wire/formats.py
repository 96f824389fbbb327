"""The wire formats. A new one is a module with a decoder and a reader of signs of life, and a row here."""

from collections.abc import Callable

import msgspec

from detectors.samples import Source, UnreadSample
from stream.wire.arrivals import Arrival, Decoded, WireLimits
from stream.wire.auto_logs import auto_log_signs, decode_auto_logs
from stream.wire.json_logs import decode_json_logs, json_log_signs
from stream.wire.refusals import Reason, Refusal, Refused
from stream.wire.signs import salvaged
from stream.wire.telegraf import decode_telegraf, telegraf_signs
from stream.wire.text_logs import decode_text_logs, text_log_signs


class Format(msgspec.Struct, frozen=True):
    """How a record is read, and whom one that is refused is a sign of life of."""

    decode: Callable[[Arrival], Decoded]
    signs: Callable[[Arrival, Refusal], tuple[UnreadSample, ...]]


FORMATS: dict[str, Format] = {
    "telegraf": Format(decode_telegraf, telegraf_signs),
    "json": Format(decode_json_logs, json_log_signs),
    "text": Format(decode_text_logs, text_log_signs),
    "auto": Format(decode_auto_logs, auto_log_signs),
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
    arrival = Arrival(value or b"", key, timestamp, source, limits, now)
    if value is None:
        refusal = Refusal(Reason.TOMBSTONE, "the record has no value")
        raise Refused(refusal.reason, refusal.detail, salvaged(arrival, refusal))
    try:
        check_size(arrival)
        return FORMATS[format_name].decode(arrival)
    except Refused as refused:
        signs = refused.signs or FORMATS[format_name].signs(arrival, refused.refusal)
        raise Refused(refused.reason, refused.detail, signs) from refused


def check_size(arrival: Arrival) -> None:
    """Refuse what is too large before anything looks at it."""
    size, most = len(arrival.value), arrival.limits.record_bytes_maximum
    if size > most:
        raise Refused(Reason.OVERSIZE, f"{size} bytes, wanted at most {most}")
