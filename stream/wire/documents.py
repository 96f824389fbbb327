"""JSON from outside: parsed within limits, and looked up by ordered tables of paths."""

import json
import re

import orjson

from stream.wire.arrivals import Arrival
from stream.wire.refusals import Reason, Refused, shown

BYTE_ORDER_MARK = b"\xef\xbb\xbf"

# Possessive, and content with an unclosed string at the end: linear in the size of the input.
STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
OPENERS = frozenset(b"[{")
CLOSERS = frozenset(b"]}")


def parse_object(arrival: Arrival) -> dict[str, object]:
    """The record's value as a JSON object; refuses anything else."""
    value = arrival.value.removeprefix(BYTE_ORDER_MARK)
    text = decode_text(value)
    check_depth(value, arrival.limits.depth_maximum)
    document = parse(text)
    if not isinstance(document, dict):
        raise Refused(Reason.MALFORMED, f"wanted a JSON object, got {shown(document)}")
    return document


def decode_text(value: bytes) -> str:
    """The bytes as UTF-8 text."""
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise Refused(
            Reason.NOT_UTF8, f"byte {error.start} is not UTF-8: {shown(value[error.start : error.start + 4])}"
        ) from error


def check_depth(value: bytes, depth_maximum: int) -> None:
    """Refuse deep nesting before any parser sees it."""
    if value.count(b"[") + value.count(b"{") <= depth_maximum:
        return
    depth = 0
    for byte in STRING.sub(b"", value):
        if byte in OPENERS:
            depth += 1
            if depth > depth_maximum:
                raise Refused(Reason.TOO_DEEP, f"nested deeper than {depth_maximum}")
        elif byte in CLOSERS:
            depth -= 1


def parse(text: str) -> object:
    """Any JSON value. Also takes `NaN`, `Infinity` and overlong numbers, which Python producers write."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as strict:
        return parse_leniently(text, strict)


def parse_leniently(text: str, strict: orjson.JSONDecodeError) -> object:
    """A second look at what strict JSON forbids: numbers that are not finite, to be dropped one by one later."""
    try:
        document = json.loads(text, parse_int=float)
        orjson.dumps(document)  # Refuses lone surrogates, which the lenient parser lets through.
    except (ValueError, TypeError) as error:
        raise Refused(Reason.MALFORMED, f"not JSON: {shown(strict.msg)} at character {strict.pos}") from error
    return document


def find(document: dict[str, object], path: str) -> object:
    """The value at a dotted path, written as one flat key (`{"log.level": …}`) or nested; None if absent."""
    if path in document:
        return document[path]
    head, dot, rest = path.partition(".")
    inner = document.get(head) if dot else None
    return find(inner, rest) if isinstance(inner, dict) else None


def first_text(document: dict[str, object], paths: tuple[str, ...]) -> tuple[str, str] | None:
    """The first path that holds a non-empty string, with that string."""
    for path in paths:
        value = find(document, path)
        if isinstance(value, str) and value.strip():
            return path, value
    return None
