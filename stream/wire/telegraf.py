"""Telegraf's `data_format = "json"`: one metric an object, or many as `{"metrics": [...]}`."""

import math
import re
import sys
from collections import Counter

from detectors.hostnames import without_port
from detectors.samples import MetricSample, Source, UnreadSample
from stream.wire.arrivals import Arrival, Decoded
from stream.wire.documents import parse_object
from stream.wire.hosts import host_named, host_of_key
from stream.wire.refusals import DropReason, Reason, Refusal, Refused, shown
from stream.wire.signs import parsed_anyhow, salvaged, sign_of
from stream.wire.times import time_of

HOST_TAGS = ("host", "host.name", "nodename", "node", "hostname", "instance", "k8s.node.name")
"""Tags that may name the host, best first; the one used is not part of the series name."""

ORDINARY = {DropReason.NULL, DropReason.NAN, DropReason.INFINITE, DropReason.TEXT}
"""What healthy producers send in place of a number: idle summaries, first intervals, text such as an uptime."""

LARGEST = sys.float_info.max
BRIEF = 40  # characters that are shown of a name

# Keeps `{a=1,b=2}` from being both two tags and one tag of an odd value.
SPECIAL = re.compile(r"([\\,={}])")


def decode_telegraf(arrival: Arrival) -> Decoded:
    """One sample a metric. A batch of which only some metrics are refused gives the others, and the first refusal."""
    document = parse_object(arrival)
    metrics = batch_in(document)
    if metrics is None:
        sample, dropped = read_metric(arrival, document, 0)
        return Decoded((sample,), dict(dropped), gaps=int(isinstance(sample, UnreadSample)))
    return read_batch(arrival, metrics)


def batch_in(document: dict[str, object]) -> list[object] | None:
    """The metrics of a batch; None if the object is one metric."""
    metrics = document.get("metrics")
    return metrics if "name" not in document and isinstance(metrics, list) else None


def read_batch(arrival: Arrival, metrics: list[object]) -> Decoded:
    """Every metric by itself; refused as a whole if each of them is."""
    samples: list[MetricSample | UnreadSample] = []
    dropped: Counter[DropReason] = Counter()
    first: Refusal | None = None
    refused_count = gaps = 0
    for index, metric in enumerate(metrics):
        try:
            sample, left_out = read_metric(arrival, metric, index)
        except Refused as refused:
            first = first or Refusal(refused.reason, f"metrics[{index}]: {refused.detail}")
            refused_count += 1
            samples.extend(metric_signs(arrival, metric, refused.refusal, index))
            continue
        dropped.update(left_out)
        gaps += isinstance(sample, UnreadSample)
        samples.append(sample)
    if first and refused_count == len(metrics):
        raise Refused(first.reason, first.detail, tuple(one for one in samples if isinstance(one, UnreadSample)))
    return Decoded(tuple(samples), dict(dropped), first, gaps + (not metrics))


def telegraf_signs(arrival: Arrival, refusal: Refusal) -> tuple[UnreadSample, ...]:
    """The signs of life in a record that is refused."""
    document = parsed_anyhow(arrival)
    if document is None:
        return salvaged(arrival, refusal)
    signs = [
        sign
        for index, metric in enumerate(batch_in(document) or [document])
        for sign in metric_signs(arrival, metric, refusal, index)
    ]
    return tuple({sign.host: sign for sign in signs}.values())


def metric_signs(arrival: Arrival, metric: object, refusal: Refusal, index: int) -> tuple[UnreadSample, ...]:
    """The sign of life in a metric that is refused."""
    if not isinstance(metric, dict):
        return ()
    tags = metric.get("tags")
    known = tags if isinstance(tags, dict) else {}
    return sign_of(arrival, lambda: read_host(arrival, known)[0], [metric.get("timestamp")], refusal, index)


def read_metric(
    arrival: Arrival, metric: object, index: int
) -> tuple[MetricSample | UnreadSample, Counter[DropReason]]:
    """The sample of one metric with what was left out of it; a sign of life if it has no value, as is ordinary."""
    if not isinstance(metric, dict):
        raise Refused(Reason.MALFORMED, f"wanted an object as metric, got {shown(metric)}")
    tags = read_tags(arrival, metric.get("tags"))
    host, host_tag = read_host(arrival, tags)
    time = time_of(arrival, [metric.get("timestamp")])
    name = read_name(arrival, metric.get("name"))
    fields = fields_of(arrival, metric)
    values, dropped, faults = read_fields(arrival, fields, name, series_suffix(tags, host_tag))
    source = arrival.source
    place = Source(source.topic, source.partition, source.offset, index, source.life)
    if values:
        return MetricSample(host, time, values, place), dropped
    detail = "no usable number" + no_values_words(len(fields), dropped, faults)
    if not set(dropped) <= ORDINARY:
        raise Refused(Reason.NO_VALUES, detail)
    return UnreadSample(host, time, Reason.NO_VALUES.value, detail, place), dropped


def no_values_words(count: int, dropped: Counter[DropReason], faults: list[str]) -> str:
    """Why none of so many fields gives a value, with the first fault of a name."""
    if not count:
        return ": the metric has no fields"
    why = ", ".join(f"{times} {reason.value}" for reason, times in dropped.items())
    return f" among {count} field{'s' * (count > 1)}: {why}" + "".join(f" ({fault})" for fault in faults[:1])


def read_name(arrival: Arrival, name: object) -> str:
    """The measurement's name."""
    fault = text_fault(name, arrival.limits.name_characters_maximum)
    if fault or not isinstance(name, str):
        raise Refused(Reason.BAD_NAME, f"name: no metric name, {fault}: {shown(name, BRIEF)}")
    return escaped(name)


def read_tags(arrival: Arrival, tags: object) -> dict[str, str]:
    """The tags, which are part of what a series is called; absent ones are none."""
    if tags is None:
        return {}
    if not isinstance(tags, dict):
        raise Refused(Reason.MALFORMED, f"tags: wanted an object, got {shown(tags)}")
    limits = arrival.limits
    if len(tags) > limits.tags_maximum:
        raise Refused(Reason.TOO_MANY_TAGS, f"{len(tags)} tags, wanted at most {limits.tags_maximum}")
    for key, value in tags.items():
        if fault := text_fault(key, limits.name_characters_maximum):
            raise Refused(Reason.BAD_NAME, f"tags: no tag name, {fault}: {shown(key, BRIEF)}")
        fault = text_fault(value, limits.tag_value_characters_maximum)
        if fault and value != "":
            raise Refused(Reason.BAD_NAME, f"tags.{shown(key, BRIEF)}: no tag value, {fault}: {shown(value, BRIEF)}")
    return tags


def read_host(arrival: Arrival, tags: dict[str, str]) -> tuple[str, str]:
    """The host, and the tag that named it; the tag is empty if the record's key did."""
    tag = next((tag for tag in HOST_TAGS if tags.get(tag) and isinstance(tags[tag], str)), "")
    if not tag:
        return host_of_key(arrival), ""
    name = without_port(tags[tag]) if tag == "instance" else tags[tag]
    return host_named(name, f"tags.{tag}"), tag


def series_suffix(tags: dict[str, str], host_tag: str) -> str:
    """`{key=value,...}` of all tags but the host's, sorted; empty if there are none."""
    pairs = sorted((key, value) for key, value in tags.items() if key != host_tag)
    text = ",".join(f"{escaped(key)}={escaped(value)}" for key, value in pairs)
    return f"{{{text}}}" if pairs else ""


def fields_of(arrival: Arrival, metric: dict[str, object]) -> dict[str, object]:
    """The fields of a metric; `null` is none, as Go writes an empty map."""
    if "fields" not in metric:
        raise Refused(Reason.NO_VALUES, "the metric has no `fields`, wanted an object with values")
    fields = metric["fields"]
    if fields is None:
        return {}
    if not isinstance(fields, dict):
        raise Refused(Reason.NO_VALUES, f"fields: wanted an object with values, got {shown(fields)}")
    if len(fields) > arrival.limits.fields_maximum:
        raise Refused(Reason.TOO_MANY_FIELDS, f"{len(fields)} fields, wanted at most {arrival.limits.fields_maximum}")
    return fields


def read_fields(
    arrival: Arrival, fields: dict[str, object], name: str, suffix: str
) -> tuple[dict[str, float], Counter[DropReason], list[str]]:
    """The finite values by series name, a count of the others, and what is wrong with names."""
    limits = arrival.limits
    values: dict[str, float] = {}
    dropped: Counter[DropReason] = Counter()
    faults: list[str] = []
    for field, value in fields.items():
        series = f"{name}.{escaped(field)}{suffix}"
        reading = read_value(value)
        fault = text_fault(field, limits.name_characters_maximum)
        if not fault and len(series) > limits.series_characters_maximum:
            fault = f"its series name has {len(series)} characters, wanted at most {limits.series_characters_maximum}"
        if fault:
            reading = DropReason.BAD_NAME
            faults.append(f"{shown(field, BRIEF)}: {fault}")
        if isinstance(reading, DropReason):
            dropped[reading] += 1
        else:
            values[series] = reading
    return values, dropped, faults


def read_value(value: object) -> float | DropReason:
    """A finite number, or why there is none. Booleans are 0 and 1; text stays text, also if it looks like a number."""
    if isinstance(value, (float, int)) and -LARGEST <= value <= LARGEST:
        return float(value)
    if value is None:
        return DropReason.NULL
    if isinstance(value, str):
        return DropReason.TEXT
    if not isinstance(value, (float, int)):
        return DropReason.NESTED
    return DropReason.NAN if math.isnan(value) else DropReason.INFINITE


def escaped(part: str) -> str:
    """A part of a series name with the marks that join parts made plain."""
    return SPECIAL.sub(r"\\\1", part) if SPECIAL.search(part) else part


def text_fault(text: object, characters_maximum: int) -> str:
    """What is wrong with a name or a tag value; empty if it is short text, free of control and invisible characters."""
    if not isinstance(text, str):
        return "is no text"
    if not text:
        return "is empty"
    if len(text) > characters_maximum:
        return f"has {len(text)} characters, wanted at most {characters_maximum}"
    if text.isprintable():
        return ""
    place, character = next((place, one) for place, one in enumerate(text) if not one.isprintable())
    return f"has the character U+{ord(character):04X} at {place + 1}"
