"""Whatever the bytes are: refused or read, never anything else."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.samples import MetricSample
from stream.wire import FORMATS, Decoded, Refused
from tests.stream.wire.records import read

NAMES = st.sampled_from(
    ["name", "fields", "tags", "timestamp", "metrics", "host", "message", "log", "level", "@timestamp", "event", "time"]
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["web-01", "2026-11-21T02:20:00Z", 1795227599, 1795227599146000000, "[x]", "\x1b["])
)
DOCUMENTS = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(NAMES | st.text(), inner, max_size=6)
)
LINE_PARTS = st.sampled_from(
    [
        "<34>",
        "1 ",
        "2026-11-21T02:20:00Z",
        "Nov 21 02:20:00",
        " ",
        "web-01",
        "-",
        "nginx[7]:",
        "[",
        "]",
        '"',
        "\\",
        "ERROR",
    ]
)
VALUES = (
    st.binary()
    | DOCUMENTS.map(lambda document: json.dumps(document).encode())
    | DOCUMENTS.map(lambda document: json.dumps({"metrics": document, "name": "m", "fields": document}).encode())
    | st.lists(LINE_PARTS | st.text()).map(lambda parts: "".join(parts).encode(errors="replace"))
)
METRICS = st.fixed_dictionaries(
    {"name": st.just("m"), "fields": st.dictionaries(st.text(min_size=1), LEAVES, min_size=1)},
    optional={"timestamp": st.integers() | st.floats() | st.text(), "tags": st.dictionaries(NAMES, st.text())},
)


def outcome(format_name: str, value: bytes, key: bytes | None) -> Decoded | str:
    """What decoding came to, as something to compare."""
    try:
        return read(format_name, value, key)
    except Refused as refused:
        return str(refused)


@pytest.mark.parametrize("format_name", FORMATS)
@given(value=VALUES, key=st.none() | st.binary() | st.just(b"web-01"))
def test_any_bytes_are_read_or_refused(format_name: str, value: bytes, key: bytes | None) -> None:
    """No input raises anything but Refused, and the same input gives the same answer."""
    assert outcome(format_name, value, key) == outcome(format_name, value, key)


@given(METRICS)
def test_decoded_values_are_finite(metric: dict[str, object]) -> None:
    """A model never sees a number that could ruin it, and nothing is lost without being counted."""
    decoded = outcome("telegraf", json.dumps(metric).encode(), b"web-01")
    if isinstance(decoded, str):
        return
    values = [value for s in decoded.samples if isinstance(s, MetricSample) for value in s.values.values()]
    assert all(math.isfinite(value) for value in values)
    fields = metric["fields"]
    assert isinstance(fields, dict)
    assert len(fields) == len(values) + sum(decoded.dropped.values())


HOSTILE = {
    "unclosed strings": b'"\\' * 30_000,
    "openers": b"[" * 65_000,
    "openers in a string": b'{"message":"' + b"[" * 60_000 + b'"}',
    "escapes": b"\x1b]" * 30_000,
    "control sequences": b"\x1b[0" * 20_000,
    "structured data": b"<1>1 2026-11-21T02:20:00Z h a b c " + b"[\\" * 30_000,
    "structured data blocks": b"<1>1 2026-11-21T02:20:00Z h a b c " + b"[a]" * 20_000 + b"[",
    "spaces": b" " * 65_000,
    "digits": b'{"name":"m","timestamp":' + b"1" * 60_000 + b"}",
    "colons": b"2026-11-21T02:20:00Z h " + b"a" * 65_000,
    "levels": b"level=" * 10_000,
}


@pytest.mark.timeout(10)
@pytest.mark.parametrize("format_name", FORMATS)
@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_input_costs_linear_time(format_name: str, value: bytes) -> None:
    """The worst record of the largest size is dealt with at once: a quadratic step would take minutes."""
    first, *others = [outcome(format_name, value, b"web-01") for _ in range(3)]
    assert others == [first, first]
