"""Each reason to refuse a record, by its name."""

import pytest

from detectors.samples import Source
from stream.wire import Reason, Refused, WireLimits, decode
from tests.stream.wire.records import CPU, KAFKA_TIME, NOW, bytes_of, changed

LOG: dict[str, object] = {"@timestamp": "2026-11-21T02:19:59Z", "host": "web-01", "message": "hello"}

# reason, variant → format, value, key
CASES: dict[tuple[Reason, str], tuple[str, object, bytes | None]] = {
    (Reason.OVERSIZE, "metrics"): ("telegraf", b" " * 65_537, b"h"),
    (Reason.OVERSIZE, "text"): ("auto", b"x" * 65_537, b"h"),
    (Reason.NOT_UTF8, "JSON"): ("telegraf", b'{"name":"\xff"}', b"h"),
    (Reason.NOT_UTF8, "text"): ("auto", b"caf\xe9 closed", b"h"),
    (Reason.NOT_UTF8, "encoded surrogate"): ("auto", b"\xed\xa0\x80", b"h"),
    (Reason.MALFORMED, "empty"): ("telegraf", b"", b"h"),
    (Reason.MALFORMED, "half an object"): ("telegraf", b'{"name":"cpu","fields":{"a":1', b"h"),
    (Reason.MALFORMED, "two objects"): ("telegraf", b"{}{}", b"h"),
    (Reason.MALFORMED, "influx line protocol"): ("telegraf", b"cpu,host=a usage=1 1795227599146000000", b"h"),
    (Reason.MALFORMED, "an array"): ("telegraf", [CPU], b"h"),
    (Reason.MALFORMED, "a lone surrogate"): ("telegraf", b'{"name":"\\ud800","fields":{"a":NaN}}', b"h"),
    (Reason.MALFORMED, "a raw control character"): ("json", b'{"message":"\x01"}', b"h"),
    (Reason.MALFORMED, "tags as an array"): ("telegraf", changed(CPU, tags=["host"]), b"h"),
    (Reason.MALFORMED, "log cut in the middle"): ("auto", b'{"message":"hel', b"h"),
    (Reason.TOO_DEEP, "nine levels"): ("telegraf", b"[" * 9 + b"]" * 9, b"h"),
    (Reason.TOO_DEEP, "more than any parser takes"): ("json", b'{"a":' * 10_000, b"h"),
    (Reason.TOO_MANY_FIELDS, ""): ("telegraf", changed(CPU, fields={f"f{n}": n for n in range(201)}), None),
    (Reason.TOO_MANY_TAGS, ""): ("telegraf", changed(CPU, tags={f"t{n}": "x" for n in range(33)}), b"h"),
    (Reason.BAD_NAME, "no name"): ("telegraf", changed(CPU, name=None), None),
    (Reason.BAD_NAME, "not text"): ("telegraf", changed(CPU, name=7), None),
    (Reason.BAD_NAME, "too long"): ("telegraf", changed(CPU, name="x" * 129), None),
    (Reason.BAD_NAME, "escape sequence"): ("telegraf", changed(CPU, name="\x1b[2J"), None),
    (Reason.BAD_NAME, "tag key"): ("telegraf", changed(CPU, tags={"host": "h", "": "x"}), None),
    (Reason.BAD_NAME, "tag value"): ("telegraf", changed(CPU, tags={"host": "h", "a": "x" * 257}), None),
    (Reason.NO_HOST, "metrics"): ("telegraf", changed(CPU, tags={"cpu": "0"}), None),
    (Reason.NO_HOST, "empty key"): ("telegraf", changed(CPU, tags=None), b""),
    (Reason.NO_HOST, "JSON log"): ("auto", changed(LOG, host=None), None),
    (Reason.NO_HOST, "text log"): ("auto", b"Connection reset: peer", None),
    (Reason.NO_HOST, "text with a time and no tag"): ("auto", b"2026-11-21T02:19:59Z Connection reset", None),
    (Reason.BAD_HOST, "a path"): ("telegraf", changed(CPU, tags={"host": "../../etc"}), None),
    (Reason.BAD_HOST, "a template"): ("telegraf", changed(CPU, tags={"host": "{{ lookup('pipe','id') }}"}), None),
    (Reason.BAD_HOST, "an IPv6 address"): ("telegraf", changed(CPU, tags={"instance": "2001:db8::77"}), None),
    (Reason.BAD_HOST, "a pattern"): ("telegraf", changed(CPU, tags={"host": "web*"}), None),
    (Reason.BAD_HOST, "a newline"): ("json", changed(LOG, host="web\n01"), None),
    (Reason.BAD_HOST, "too long"): ("json", changed(LOG, host="a" * 254), None),
    (Reason.BAD_HOST, "other letters"): ("json", changed(LOG, host="wéb"), None),
    (Reason.BAD_HOST, "binary key"): ("auto", b"hello", b"\xff\x00"),
    (Reason.BAD_TIME, "not a time"): ("telegraf", changed(CPU, timestamp="yesterday"), None),
    (Reason.BAD_TIME, "no such day"): ("telegraf", changed(CPU, timestamp="2026-02-30T00:00:00Z"), None),
    (Reason.BAD_TIME, "an object"): ("telegraf", changed(CPU, timestamp={"s": 1}), None),
    (Reason.BAD_TIME, "a boolean"): ("telegraf", changed(CPU, timestamp=True), None),
    (Reason.BAD_TIME, "not finite"): ("telegraf", b'{"name":"m","timestamp":NaN,"fields":{"a":1}}', b"h"),
    (Reason.BAD_TIME, "log"): ("json", changed(LOG, **{"@timestamp": "21/Nov/2026:02:19:59 +0000"}), None),
    (Reason.TOO_OLD, "just"): ("telegraf", changed(CPU, timestamp=NOW - 86_401), None),
    (Reason.TOO_OLD, "epoch"): ("telegraf", changed(CPU, timestamp=0), None),
    (Reason.TOO_OLD, "log"): ("auto", b"2020-01-01T00:00:00Z web-01 nginx: hello", None),
    (Reason.IN_FUTURE, "just"): ("telegraf", changed(CPU, timestamp=NOW + 61), None),
    (Reason.IN_FUTURE, "far"): ("telegraf", changed(CPU, timestamp=1e300), None),
    (Reason.NO_VALUES, "no fields"): ("telegraf", changed(CPU, fields=None), None),
    (Reason.NO_VALUES, "fields as an array"): ("telegraf", changed(CPU, fields=[1]), None),
    (Reason.NO_VALUES, "nested and text"): ("telegraf", changed(CPU, fields={"a": [], "b": "text"}), None),
    (Reason.NO_MESSAGE, "JSON"): ("json", changed(LOG, message=None), None),
    (Reason.NO_MESSAGE, "only spaces"): ("json", changed(LOG, message="  "), None),
    (Reason.NO_MESSAGE, "only control characters"): ("json", changed(LOG, message="\x1b[0m\x00"), None),
    (Reason.NO_MESSAGE, "empty text"): ("text", b"\n", b"h"),
}


@pytest.mark.parametrize(
    ("reason", "case"),
    [(reason, case) for (reason, _), case in CASES.items()],
    ids=[f"{reason.value}-{variant}" for reason, variant in CASES],
)
def test_record_is_refused(reason: Reason, case: tuple[str, object, bytes | None]) -> None:
    """A record that can not be trusted is refused with its own reason, and a detail that can be shown anywhere."""
    format_name, value, key = case
    with pytest.raises(Refused) as caught:
        decode(format_name, bytes_of(value), key, KAFKA_TIME, Source("t", 0, 0), WireLimits(), NOW)
    assert reason is caught.value.reason
    assert caught.value.detail.isascii()
    assert caught.value.detail.isprintable()
    assert len(caught.value.detail) < 200


def test_a_tombstone_is_refused() -> None:
    """A record without value says nothing."""
    with pytest.raises(Refused) as caught:
        decode("telegraf", None, b"h", KAFKA_TIME, Source("t", 0, 0), WireLimits(), NOW)
    assert Reason.TOMBSTONE is caught.value.reason


@pytest.mark.parametrize("timestamp", [-1.0, 0.0, float("nan")])
def test_a_record_without_any_time_is_refused(timestamp: float) -> None:
    """Kafka writes -1 where a producer gave no time."""
    with pytest.raises(Refused) as caught:
        decode("text", b"hello", b"h", timestamp, Source("t", 0, 0), WireLimits(), NOW)
    assert Reason.NO_TIME is caught.value.reason


def test_every_reason_has_a_case() -> None:
    """A reason that nothing can give is no reason."""
    assert set(Reason) == {reason for reason, _ in CASES} | {Reason.TOMBSTONE, Reason.NO_TIME}


AHEAD = {
    "5 h 45 m": (NOW + 20_697, ": is it a local time without its zone?"),
    "14 h": (NOW + 50_400, ": is it a local time without its zone?"),
    "two minutes": (NOW + 120, ""),
    "50 minutes": (NOW + 3000, ""),
    "a day": (NOW + 86_400, ""),
    "far": (1e300, ""),
}


@pytest.mark.parametrize(("timestamp", "ending"), AHEAD.values(), ids=AHEAD.keys())
def test_a_time_that_is_ahead_by_a_time_zone_is_told_so(timestamp: float, ending: str) -> None:
    """Whole quarters of an hour, less the way to us."""
    with pytest.raises(Refused) as caught:
        decode("telegraf", bytes_of(changed(CPU, timestamp=timestamp)), None, NOW, Source("t", 0, 0), WireLimits(), NOW)
    assert caught.value.detail.endswith(f"ahead, wanted at most 60{ending}")


def test_an_address_is_told_whole_and_with_what_to_do() -> None:
    """An IPv6 address in the host's place loses no group to a port that it does not have."""
    value = bytes_of(changed(CPU, tags={"instance": "2001:db8::77"}))
    with pytest.raises(Refused, match=r"'2001:db8::77' is an IPv6 address: give the host a name"):
        decode("telegraf", value, None, KAFKA_TIME, Source("t", 0, 0), WireLimits(), NOW)
