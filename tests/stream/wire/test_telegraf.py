"""Telegraf JSON metrics: hosts, times, series names and values."""

import pytest

from detectors.samples import MetricSample, Source, UnreadSample
from stream.wire import Decoded, DropReason, Reason, Refused, WireLimits
from tests.stream.wire.records import CPU, KAFKA_TIME, NOW, SOURCE, changed, read, read_metric


def test_a_documented_record_becomes_one_sample() -> None:
    """Host in lower case and out of the series name; other tags sorted; the coordinates kept."""
    metric = changed(CPU, tags={"host": "Web-01", "cpu": "cpu-total", "az": "a"})
    expected = MetricSample(
        host="web-01",
        time=1795227599.0,
        values={"cpu.usage_idle{az=a,cpu=cpu-total}": 82.38, "cpu.usage_user{az=a,cpu=cpu-total}": 11.4},
        source=Source("metrics", 3, 41, 0),
    )
    assert expected == read_metric(metric)


TIMES = {
    "seconds": (1795227599, 1795227599.0),
    "milliseconds": (1795227599146, 1795227599.146),
    "microseconds": (1795227599146000, 1795227599.146),
    "nanoseconds": (1795227599146000000, 1795227599.146),
    "fractional seconds": (1795227599.146, 1795227599.146),
    "seconds as text": ("1795227599", 1795227599.0),
    "nanoseconds as text": ("1795227599146000000", 1795227599.146),
    "RFC 3339": ("2026-11-21T02:19:59Z", 1795227599.0),
    "RFC 3339 with nanoseconds": ("2026-11-21T02:19:59.146000000Z", 1795227599.146),
    "RFC 3339 with an offset": ("2026-11-21T03:19:59+01:00", 1795227599.0),
    "text without an offset is UTC": ("2026-11-21 02:19:59", 1795227599.0),
    "missing: the Kafka record's": (None, KAFKA_TIME),
}


@pytest.mark.parametrize(("timestamp", "expected"), TIMES.values(), ids=TIMES.keys())
def test_time_is_read_in_every_unit_of_telegraf(timestamp: object, expected: float) -> None:
    """Whatever `json_timestamp_units` or `json_timestamp_format` says, the sample's time is in seconds."""
    assert expected == pytest.approx(read_metric(changed(CPU, timestamp=timestamp)).time, abs=1e-6)


HOSTS = {
    "the host tag": ({"host": "web-01", "hostname": "other"}, b"key", "web-01", "m.v{hostname=other}"),
    "an ECS tag": ({"host.name": "web-01"}, None, "web-01", "m.v"),
    "a node tag": ({"node": "WEB-01"}, b"key", "web-01", "m.v"),
    "an instance without its port": ({"instance": "web-01.example.net:9100"}, None, "web-01.example.net", "m.v"),
    "an underscore and a dot at the end": ({"host": "Edge_01.example.net."}, None, "edge_01.example.net", "m.v"),
    "an instance that has no port": ({"instance": "web-01"}, None, "web-01", "m.v"),
    "a Kubernetes node": ({"k8s.node.name": "node-7"}, None, "node-7", "m.v"),
    "an empty host tag": ({"host": "", "hostname": "web-01"}, None, "web-01", "m.v{host=}"),
    "the record's key": ({}, b"web-01", "web-01", "m.v"),
    "no tags at all": (None, b"web-01", "web-01", "m.v"),
    "the longest name": ({"host": "a" * 253}, None, "a" * 253, "m.v"),
}


@pytest.mark.parametrize(("tags", "key", "host", "series"), HOSTS.values(), ids=HOSTS.keys())
def test_host_is_looked_for_in_order(tags: dict[str, str] | None, key: bytes | None, host: str, series: str) -> None:
    """Only the tag that named the host leaves the series name."""
    sample = read_metric(changed({"name": "m", "fields": {"v": 1}}, tags=tags), key)
    assert (host, {series: 1.0}) == (sample.host, sample.values)


DROPS = {
    "null": (b"null", DropReason.NULL),
    "NaN as Python writes it": (b"NaN", DropReason.NAN),
    "Infinity as Python writes it": (b"-Infinity", DropReason.INFINITE),
    "a number beyond doubles": (b"1e999", DropReason.INFINITE),
    "an integer of 5000 digits": (b"1" * 5000, DropReason.INFINITE),
    "an integer of 400 digits": (b"-" + b"1" * 400, DropReason.INFINITE),
    "text": (b'"active"', DropReason.TEXT),
    "text that looks like a number": (b'"1.5"', DropReason.TEXT),
    "an object": (b'{"a":1}', DropReason.NESTED),
    "an array": (b"[1]", DropReason.NESTED),
}


@pytest.mark.parametrize(("literal", "reason"), DROPS.values(), ids=DROPS.keys())
def test_an_unusable_value_is_counted_and_the_others_are_kept(literal: bytes, reason: DropReason) -> None:
    """One bad value never costs the record."""
    decoded = read("telegraf", b'{"name":"m","tags":{"host":"h"},"fields":{"bad":' + literal + b',"good":2}}')
    (sample,) = decoded.samples
    assert isinstance(sample, MetricSample)
    assert ({"m.good": 2.0}, {reason: 1}) == (sample.values, decoded.dropped)


BAD_FIELD_NAMES = {"empty": "", "long": "f" * 129, "control character": "a\x1b[31m", "right-to-left mark": "a\u202eb"}


@pytest.mark.parametrize("field", BAD_FIELD_NAMES.values(), ids=BAD_FIELD_NAMES.keys())
def test_a_bad_field_name_drops_that_field(field: str) -> None:
    """A hostile field name is counted and never becomes a series."""
    decoded = read("telegraf", changed(CPU, fields={field: 1, "good": 2}))
    assert decoded.dropped == {DropReason.BAD_NAME: 1}


VALUES = {
    "true is 1": (True, 1.0),
    "false is 0": (False, 0.0),
    "an integer": (7, 7.0),
    "zero": (0, 0.0),
    "a counter of nanoseconds since 1970": (1733011200123456789, 1733011200123456789.0),
    "no limit, as a 64-bit number": (18446744073709551615, 18446744073709551615.0),
    "a whole number of 100 digits": (int("7" * 100), 7.777777777777778e99),
    "the largest double": (1.7976931348623157e308, 1.7976931348623157e308),
    "the smallest double": (-5e-324, -5e-324),
}


@pytest.mark.parametrize(("value", "expected"), VALUES.values(), ids=VALUES.keys())
def test_values_become_numbers(value: object, expected: float) -> None:
    """Booleans and integers are values like others."""
    assert {"m.v": expected} == read_metric({"name": "m", "tags": {"host": "h"}, "fields": {"v": value}}).values


GAPS = {
    "nothing left after NaN": (b"{}", {}, "no usable number: the metric has no fields"),
    "a map that Go never made": (b"null", {}, "no usable number: the metric has no fields"),
    "null only": (b'{"p50":null,"p99":null}', {DropReason.NULL: 2}, "no usable number among 2 fields: 2 null"),
    "NaN only": (b'{"rate":NaN}', {DropReason.NAN: 1}, "no usable number among 1 field: 1 nan"),
    "infinite only": (b'{"rate":-Infinity}', {DropReason.INFINITE: 1}, "no usable number among 1 field: 1 infinite"),
    "text only": (b'{"uptime_format":"1:02"}', {DropReason.TEXT: 1}, "no usable number among 1 field: 1 text"),
    "text and null": (
        b'{"state":"up","code":null}',
        {DropReason.TEXT: 1, DropReason.NULL: 1},
        "no usable number among 2 fields: 1 text, 1 null",
    ),
}


@pytest.mark.parametrize(("fields", "dropped", "detail"), GAPS.values(), ids=GAPS.keys())
def test_an_ordinary_gap_is_counted_and_a_sign_of_life(
    fields: bytes, dropped: dict[DropReason, int], detail: str
) -> None:
    """A healthy producer sends a metric without a number at every interval: that is no fault of the record's."""
    decoded = read("telegraf", b'{"name":"idle","tags":{"host":"H-1"},"timestamp":1795227599,"fields":' + fields + b"}")
    sign = UnreadSample("h-1", 1795227599.0, "no_values", detail, SOURCE)
    assert (decoded.samples, decoded.dropped, decoded.gaps, decoded.refusal) == ((sign,), dropped, 1, None)


def test_gaps_in_a_batch_cost_nothing() -> None:
    """The good metrics are used, and the record is no dead letter; so it is if there are only gaps, or no metric."""
    idle = changed(CPU, name="idle", fields={"p50": None})
    mixed = read("telegraf", {"metrics": [idle, CPU, changed(CPU, name="empty", fields={})]})
    assert [type(sample) for sample in mixed.samples] == [UnreadSample, MetricSample, UnreadSample]
    assert (mixed.gaps, mixed.refusal) == (2, None)
    only = read("telegraf", {"metrics": [idle, idle]})
    assert (only.gaps, only.refusal) == (2, None)
    assert read("telegraf", {"metrics": []}) == Decoded((), gaps=1)


FAULTS = {
    "nested": ({"a": [1]}, "no usable number among 1 field: 1 nested"),
    "a no-break space": (
        {"Bytes\xa0sent": 1, "b": None},
        "no usable number among 2 fields: 1 bad_name, 1 null ('Bytes\\xa0sent': has the character U+00A0 at 6)",
    ),
    "long": (
        {"f" * 140: 1},
        f"no usable number among 1 field: 1 bad_name ('{'f' * 39}...: has 140 characters, wanted at most 128)",
    ),
}


@pytest.mark.parametrize(("fields", "detail"), FAULTS.values(), ids=FAULTS.keys())
def test_why_no_field_gives_a_value_is_told(fields: dict[str, object], detail: str) -> None:
    """What no healthy producer sends is for somebody to look at, and the detail says what is wrong with it."""
    with pytest.raises(Refused) as caught:
        read("telegraf", changed(CPU, fields=fields))
    assert (caught.value.reason, caught.value.detail) == (Reason.NO_VALUES, detail)


NAMES = {
    "a long command line": ({"cmd": "java " * 80}, "tags.'cmd': no tag value, has 400 characters, wanted at most 256"),
    "a zero-width space": ({"dc": "ams\u200b1"}, "tags.'dc': no tag value, has the character U+200B at 4"),
    "a number": ({"cpu": 7}, "tags.'cpu': no tag value, is no text: 7"),
    "an empty tag name": ({"": "x"}, "tags: no tag name, is empty: ''"),
    "a bare IPv6 address": ({"instance": "2001:db8::7"}, "tags.instance is no host name: '2001:db8::7'"),
    "an IPv6 address with a port": ({"instance": "[fd00::7]:9100"}, "tags.instance is no host name: 'fd00::7'"),
}


@pytest.mark.parametrize(("tags", "detail"), NAMES.values(), ids=NAMES.keys())
def test_what_is_wrong_with_a_tag_is_told(tags: dict[str, object], detail: str) -> None:
    """Its name, and its length or the character that is not allowed."""
    with pytest.raises(Refused) as caught:
        read("telegraf", changed(CPU, tags=tags), b"h")
    assert caught.value.detail.startswith(detail)


def test_a_batch_gives_one_sample_a_metric() -> None:
    """Each sample of a batch knows its place in the record."""
    batch = {"metrics": [CPU, changed(CPU, name="cpu2", tags={"host": "web-02"})]}
    decoded = read("telegraf", batch)
    assert [(sample.host, sample.source.index) for sample in decoded.samples] == [("web-01", 0), ("web-02", 1)]
    assert decoded.refusal is None


def test_a_bad_metric_of_a_batch_leaves_the_others() -> None:
    """Good metrics keep their index; the first refusal is told, so that the record is dead-lettered as well."""
    batch = {"metrics": [changed(CPU, tags={"host": "no host!"}), 7, CPU]}
    decoded = read("telegraf", batch)
    assert [sample.source.index for sample in decoded.samples] == [2]
    assert decoded.refusal is not None
    assert Reason.BAD_HOST is decoded.refusal.reason
    assert decoded.refusal.detail.startswith("metrics[0]: tags.host is no host name")


def test_a_batch_of_bad_metrics_is_refused() -> None:
    """With nothing good in it the record is refused for the first reason."""
    with pytest.raises(Refused) as caught:
        read("telegraf", {"metrics": [7, changed(CPU, timestamp=0)]})
    assert Reason.MALFORMED is caught.value.reason


def test_series_names_are_unambiguous() -> None:
    """A tag value can not pose as a further tag."""
    one = read_metric(changed(CPU, fields={"v": 1}, tags={"host": "h", "a": "1,b=2"}))
    two = read_metric(changed(CPU, fields={"v": 1}, tags={"host": "h", "a": "1", "b": "2"}))
    assert (one.values, two.values) == ({r"cpu.v{a=1\,b\=2}": 1.0}, {"cpu.v{a=1,b=2}": 1.0})


def test_an_endless_series_name_is_dropped() -> None:
    """Many tags at their length limit do not add up to a huge name."""
    tags = {"host": "h"} | {f"t{number}": "x" * 200 for number in range(3)}
    with pytest.raises(Refused) as caught:
        read("telegraf", changed(CPU, tags=tags))
    assert Reason.NO_VALUES is caught.value.reason


def test_of_duplicate_keys_the_last_counts() -> None:
    """As in every JSON library in use; documented."""
    value = b'{"name":"m","tags":{"host":"a","host":"b"},"fields":{"v":1,"v":2}}'
    sample = read_metric(value)
    assert (sample.host, sample.values) == ("b", {"m.v": 2.0})


def test_a_byte_order_mark_and_a_newline_do_not_matter() -> None:
    """Windows shippers write the one, Telegraf the other."""
    value = b'\xef\xbb\xbf{"name":"m","tags":{"host":"a"},"fields":{"v":1}}\n'
    assert read_metric(value).values == {"m.v": 1.0}


def test_limits_are_arguments() -> None:
    """Operators may set the time window and the size."""
    old = changed(CPU, timestamp=NOW - 100)
    with pytest.raises(Refused) as caught:
        read("telegraf", old, limits=WireLimits(past_maximum_seconds=99.0))
    assert Reason.TOO_OLD is caught.value.reason
    assert len(read("telegraf", old, limits=WireLimits(past_maximum_seconds=101.0)).samples) == 1
