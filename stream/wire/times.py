"""When a reading was taken: numbers of any usual unit, RFC 3339 text, else the time of the Kafka record."""

import math
import re
from datetime import UTC, datetime

from stream.wire.arrivals import Arrival
from stream.wire.refusals import Reason, Refused, shown

# Smallest magnitude of a number in each unit: seconds pass 1e11 in the year 5138, so today's units can not be mistaken.
UNITS = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3))
QUARTER_SECONDS, NEAR_SECONDS, ZONE_MAXIMUM_SECONDS = 900.0, 30.0, 51_000.0  # the last is 14 hours and some way
NUMBER = re.compile(r"[0-9]{1,20}(?:\.[0-9]{1,20})?")
RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.,][0-9]{1,9})?(?:[Zz]|[+-][0-9]{2}:?[0-9]{2})?"
)


def time_of(arrival: Arrival, candidates: list[object]) -> float:
    """The first readable candidate in epoch seconds, checked against the time window.

    No candidate that is present: the Kafka record's own time. All present ones unreadable: refused, never guessed.
    """
    present = [candidate for candidate in candidates if candidate is not None and candidate != ""]
    readable = (time for time in map(read_time, present) if time is not None)
    time = next(readable, None)
    if time is None and present:
        raise Refused(Reason.BAD_TIME, f"no epoch number and not RFC 3339: {shown(present[0])}")
    return within_window(arrival, record_time(arrival) if time is None else time)


def record_time(arrival: Arrival) -> float:
    """The Kafka record's time; a producer without one sends -1."""
    if not arrival.timestamp > 0:
        raise Refused(Reason.NO_TIME, "neither the value nor the Kafka record has a time")
    return arrival.timestamp


def within_window(arrival: Arrival, time: float) -> float:
    """`time`, unless it lies too far from now."""
    age = arrival.now - time
    limits = arrival.limits
    if not age <= limits.past_maximum_seconds:
        raise Refused(Reason.TOO_OLD, f"{age:.6g} s old, wanted at most {limits.past_maximum_seconds:.0f}")
    if not -age <= limits.future_maximum_seconds:
        zone = ": is it a local time without its zone?" if may_be_zone(-age) else ""
        ahead = f"{-age:.6g} s ahead, wanted at most {limits.future_maximum_seconds:.0f}"
        raise Refused(Reason.IN_FUTURE, ahead + zone)
    return time


def may_be_zone(seconds: float) -> bool:
    """Whether a time is ahead by what a time zone can be: whole quarters of an hour, less the way to us."""
    away = abs(seconds - round(seconds / QUARTER_SECONDS) * QUARTER_SECONDS)
    return away <= NEAR_SECONDS and QUARTER_SECONDS / 2 < seconds < ZONE_MAXIMUM_SECONDS


def read_time(value: object) -> float | None:
    """A number or text as epoch seconds; None if it is neither."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return seconds_of(float(value)) if math.isfinite(value) else None
    if not isinstance(value, str):
        return None
    text = value.strip()
    if NUMBER.fullmatch(text):
        return seconds_of(float(text))
    return read_rfc3339(text) if RFC3339.fullmatch(text) else None


def seconds_of(number: float) -> float:
    """A number of nanoseconds, microseconds, milliseconds or seconds, told apart by magnitude."""
    for magnitude, per_second in UNITS:
        if number >= magnitude:
            return number / per_second
    return number


def read_rfc3339(text: str) -> float | None:
    """RFC 3339 text as epoch seconds; without an offset it is UTC."""
    try:
        moment = datetime.fromisoformat(text.upper())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
