"""A record that gives no reading is still a sign of life of the host that it names."""

import json

import pytest

from detectors.samples import Source, UnreadSample
from stream.wire import Refused, WireLimits, decode
from tests.stream.wire.records import CPU, KAFKA_TIME, NOW, SOURCE, bytes_of, changed, read

TAGS = {"host": "App-3"}
LATER: dict[str, object] = {"name": "load", "tags": TAGS, "fields": {"one": 0.5}, "timestamp": NOW + 7200}
LOG: dict[str, object] = {"ts": NOW - 90_000, "host": {"name": "app-3"}, "msg": "done"}

# format, value, key, the sign: host, event time, reason, whether it is a guess
SIGNS: dict[str, tuple[str, object, bytes | None, tuple[str, float, str, bool]]] = {
    "ahead of us": ("telegraf", LATER, None, ("app-3", NOW + 7200, "in_future", False)),
    "ahead of us, by its key": ("telegraf", LATER | {"tags": {}}, b"App-9", ("app-9", NOW + 7200, "in_future", False)),
    "a log that is too old": ("auto", LOG, None, ("app-3", NOW - 90_000, "too_old", False)),
    "a time that is none": ("telegraf", LATER | {"timestamp": "noon"}, None, ("app-3", 0.0, "bad_time", False)),
    "too many fields": (
        "telegraf",
        LATER | {"timestamp": NOW, "fields": {f"f{n}": 1 for n in range(300)}},
        None,
        ("app-3", NOW, "too_many_fields", False),
    ),
    "a tag that is too long": (
        "telegraf",
        LATER | {"timestamp": NOW, "tags": TAGS | {"cmd": "x" * 999}},
        None,
        ("app-3", NOW, "bad_name", False),
    ),
    "only nested fields": (
        "telegraf",
        LATER | {"timestamp": NOW, "fields": {"a": {"b": 1}}},
        None,
        ("app-3", NOW, "no_values", False),
    ),
    "too large": (
        "telegraf",
        LATER | {"timestamp": NOW, "note": "x" * 70_000},
        None,
        ("app-3", NOW, "oversize", False),
    ),
    "too large, text": (
        "auto",
        b"2026-11-21T02:19:59Z app-3 app[1]: " + b"x" * 70_000,
        None,
        ("app-3", NOW - 1, "oversize", False),
    ),
    "too deep": ("telegraf", LATER | {"x": [[[[[[[[[1]]]]]]]]]}, None, ("app-3", NOW + 7200, "too_deep", False)),
    "one byte that is not UTF-8": (
        "telegraf",
        b'{"name":"a","tags":{"host":"app-3","x":"\xff"},"fields":{"v":1}}',
        None,
        ("app-3", 0.0, "not_utf8", False),
    ),
    "text that is not UTF-8": ("text", b"caf\xe9 closed", b"app-3", ("app-3", 0.0, "not_utf8", False)),
    "cut off": ("telegraf", b'{"tags":{"az":"b","host" : "app-3"},"fiel', None, ("app-3", 0.0, "malformed", True)),
    "a log that is cut off": ("json", b'{"host":{"name":"app-3"},"mess', None, ("app-3", 0.0, "malformed", True)),
    "no JSON at all, by its key": ("telegraf", b"load 0.5", b"app-3", ("app-3", 0.0, "malformed", True)),
    "no text": ("json", {"host": "app-3", "msg": "  "}, None, ("app-3", 0.0, "no_message", False)),
    "a tombstone": ("telegraf", None, b"app-3", ("app-3", 0.0, "tombstone", True)),
}


@pytest.mark.parametrize(("format_name", "value", "key", "sign"), SIGNS.values(), ids=SIGNS.keys())
def test_whatever_became_of_a_record_its_host_lives(
    format_name: str, value: object, key: bytes | None, sign: tuple[str, float, str, bool]
) -> None:
    """Host and event time as they would have been read, with the reason; a guess where the record is damaged."""
    raw = None if value is None else bytes_of(value)
    with pytest.raises(Refused) as caught:
        decode(format_name, raw, key, KAFKA_TIME, SOURCE, WireLimits(), NOW)
    host, time, reason, is_guess = sign
    detail = caught.value.detail
    assert caught.value.signs == (UnreadSample(host, time, reason, detail, SOURCE, is_guess=is_guess),)


NAMELESS: dict[str, tuple[str, object, bytes | None]] = {
    "no host": ("telegraf", LATER | {"tags": {}}, None),
    "a host that is none": ("telegraf", LATER | {"tags": {"host": "a b"}}, b"app-3"),
    "a key that is none": ("telegraf", b"load 0.5", b"\xff"),
}


@pytest.mark.parametrize(("format_name", "value", "key"), NAMELESS.values(), ids=NAMELESS.keys())
def test_a_record_that_names_no_host_is_a_sign_of_nobody(format_name: str, value: object, key: bytes | None) -> None:
    """No other host is kept alive by it, least of all the one in the key of a record that names another."""
    with pytest.raises(Refused) as caught:
        read(format_name, value, key)
    assert caught.value.signs == ()


def test_each_host_of_a_batch_lives() -> None:
    """Each with its own reason and its place, in the order of the batch; also if none of them gives a reading."""
    late = changed(CPU, tags={"host": "b"}, timestamp=NOW - 90_000)
    nested = changed(CPU, tags={"host": "c"}, fields={"a": []})
    decoded = read("telegraf", {"metrics": [late, CPU, nested]})
    found = [(one.host, one.source.index, isinstance(one, UnreadSample) and one.reason) for one in decoded.samples]
    assert found == [("b", 0, "too_old"), ("web-01", 1, False), ("c", 2, "no_values")]
    with pytest.raises(Refused) as caught:
        read("telegraf", {"metrics": [late, nested]})
    assert [(one.host, one.reason) for one in caught.value.signs] == [("b", "too_old"), ("c", "no_values")]


def test_each_host_of_a_batch_that_is_too_large_lives() -> None:
    """A batch of the producer's default size is over our limit; nobody in it is silent for that."""
    batch = {"metrics": [changed(CPU, tags={"host": f"n-{n % 40}", "id": str(n)}) for n in range(1000)]}
    raw = json.dumps(batch).encode()
    with pytest.raises(Refused) as caught:
        decode("telegraf", raw, None, KAFKA_TIME, Source("metrics", 0, 1), WireLimits(), NOW)
    assert caught.value.reason.value == "oversize"
    assert sorted(one.host for one in caught.value.signs) == sorted(f"n-{n}" for n in range(40))
