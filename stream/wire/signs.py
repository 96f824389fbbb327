"""Signs of life: the hosts that a record names which gives no reading. They were there to send it."""

import contextlib
import re
from collections.abc import Callable

from detectors.samples import Source, UnreadSample
from stream.wire.arrivals import Arrival
from stream.wire.documents import BYTE_ORDER_MARK, parse
from stream.wire.hosts import host_named, host_of_key
from stream.wire.refusals import Refusal, Refused
from stream.wire.times import read_time

PARSED_BYTES_MAXIMUM = 4 * 1024 * 1024
"""Of a larger record nothing is looked at but its key."""

# What a damaged record still says of its host; possessive, and so linear in the size of the input.
IN_BYTES = re.compile(rb'"(?:host|hostname|host\.name)"\s*+:\s*+(?:\{\s*+"name"\s*+:\s*+)?"([A-Za-z0-9._-]{1,253}+)"')


def sign_of(
    arrival: Arrival, host: Callable[[], str], times: list[object], refusal: Refusal, index: int = 0
) -> tuple[UnreadSample, ...]:
    """The sign of life in one element of a record: of the host that `host` gives, none if it raises Refused.

    `times` are what the element may give as its time.
    """
    try:
        name = host()
    except Refused:
        return ()
    time = next((found for found in map(read_time, times) if found is not None), 0.0)
    source = arrival.source
    place = Source(source.topic, source.partition, source.offset, index, source.life)
    return (UnreadSample(name, time, refusal.reason.value, refusal.detail, place),)


def salvaged(arrival: Arrival, refusal: Refusal) -> tuple[UnreadSample, ...]:
    """The sign of life in a record that can not be parsed: the host that its bytes, or else its key, seem to name."""
    found = IN_BYTES.search(arrival.value[:PARSED_BYTES_MAXIMUM])
    with contextlib.suppress(Refused):
        host = host_named(found[1].decode(), "the record") if found else host_of_key(arrival)
        reason, detail = refusal.reason.value, refusal.detail
        return (UnreadSample(host, 0.0, reason, detail, arrival.source, is_guess=True),)
    return ()


def parsed_anyhow(arrival: Arrival) -> dict[str, object] | None:
    """The object in a record that is refused as a whole, if there is one: too large, too deep, with bytes that are not
    UTF-8.
    """
    if len(arrival.value) > PARSED_BYTES_MAXIMUM:
        return None
    try:
        document = parse(arrival.value.removeprefix(BYTE_ORDER_MARK).decode(errors="replace"))
    except (Refused, RecursionError):
        return None
    return document if isinstance(document, dict) else None
