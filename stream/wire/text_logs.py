"""Log records as plain text: the default lines of rsyslog and syslog-ng, and bare lines of the host in the key."""

import re

import msgspec

from detectors.samples import LogSample, UnreadSample
from stream.wire.arrivals import Arrival, Decoded
from stream.wire.documents import BYTE_ORDER_MARK, decode_text
from stream.wire.hosts import host_named, host_of_key
from stream.wire.levels import LEVEL_OF_NAME, SYSLOG, level_in_text
from stream.wire.messages import clean_message
from stream.wire.refusals import Refusal
from stream.wire.signs import sign_of
from stream.wire.times import RFC3339, time_of

PRIORITY = r"(?:<(?P<priority>[0-9]{1,3})>)?"
TIME = rf"(?P<time>{RFC3339.pattern})"
TAG = r"[^\s:\[\]]{1,64}(?:\[[^\s\]]{1,32}\])?:"
STRUCTURED = r"(?:-|(?:\[(?:[^\]\\]|\\.)*+\])+)"

HEAD_BYTES = 65_536  # of a line that is too large, what is looked at for its host

# Tried in order. A line that has a time and a word, but no tag, is read as bare: that word may be no host.
SHAPES = (
    re.compile(rf"{PRIORITY}{TIME} (?P<host>\S{{1,255}}) {TAG}(?P<message>.*)", re.DOTALL),  # rsyslog, syslog-ng
    re.compile(  # RFC 5424
        rf"<(?P<priority>[0-9]{{1,3}})>1 {TIME} (?P<host>\S{{1,255}}) \S+ \S+ \S+ {STRUCTURED} ?(?P<message>.*)",
        re.DOTALL,
    ),
    re.compile(  # RFC 3164: no year and no zone, so the time is the Kafka record's
        rf"{PRIORITY}[A-Z][a-z]{{2}} [ 0-3][0-9] [0-9:]{{8}} (?P<host>\S{{1,255}}) {TAG}(?P<message>.*)", re.DOTALL
    ),
    re.compile(rf"{PRIORITY}{TIME}(?P<message>\s.*)", re.DOTALL),  # bare, with a time
    re.compile(rf"{PRIORITY}(?P<message>.*)", re.DOTALL),  # bare
)


class Line(msgspec.Struct, frozen=True):
    """The parts of a line; what it does not say is empty."""

    message: str
    host: str = ""
    time: str = ""
    priority: str = ""


def decode_text_logs(arrival: Arrival) -> Decoded:
    """One log sample."""
    line = split_line(decode_text(arrival.value.removeprefix(BYTE_ORDER_MARK)))
    sample = LogSample(
        host=host_of_line(arrival, line),
        time=time_of(arrival, [line.time]),
        level=SYSLOG[int(line.priority) % 8] if line.priority else level_in_text(line.message.strip()),
        message=clean_message(line.message, arrival.limits),
        source=arrival.source,
    )
    return Decoded((sample,))


def host_of_line(arrival: Arrival, line: Line) -> str:
    """The host that the line names, else the record's key."""
    return host_named(line.host, "the line's host") if line.host.strip("-") else host_of_key(arrival)


def text_log_signs(arrival: Arrival, refusal: Refusal) -> tuple[UnreadSample, ...]:
    """The sign of life in a line that is refused."""
    line = split_line(arrival.value[:HEAD_BYTES].removeprefix(BYTE_ORDER_MARK).decode(errors="replace"))
    return sign_of(arrival, lambda: host_of_line(arrival, line), [line.time or None], refusal)


def split_line(text: str) -> Line:
    """The line by the first shape that fits; `2026-... ERROR main: ...` does not come from a host called error."""
    matches = (shape.match(text) for shape in SHAPES)
    parts = next(found for match in matches if match and (found := match.groupdict()) and not names_a_level(found))
    return Line(**{name: part for name, part in parts.items() if part is not None})


def names_a_level(parts: dict[str, str | None]) -> bool:
    """Whether what stands in the host's place is a log level."""
    return (parts.get("host") or "").strip("[]").lower() in LEVEL_OF_NAME
