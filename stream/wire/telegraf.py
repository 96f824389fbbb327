"""Telegraf's `data_format = "json"`: one metric an object, or many as `{"metrics": [...]}`."""

import math
import re
from collections import Counter

from detectors.samples import MetricSample, Source
from stream.wire.arrivals import Arrival, Decoded
from stream.wire.documents import parse_object
from stream.wire.hosts import host_named, host_of_key
from stream.wire.refusals import DropReason, Reason, Refusal, Refused, shown
from stream.wire.times import time_of

HOST_TAGS = ("host", "host.name", "nodename", "node", "hostname", "instance", "k8s.node.name")
"""Tags that may name the host, best first; the one used is not part of the series name."""

# Keeps `{a=1,b=2}` from being both two tags and one tag of an odd value.
SPECIAL = re.compile(r"([\\,={}])")


def decode_telegraf(arrival: Arrival) -> Decoded:
    """One sample a metric. A batch of which only some metrics are refused gives the others, and the first refusal."""
    document = parse_object(arrival)
    metrics = document.get("metrics")
    if "name" in document or not isinstance(metrics, list):
        sample, dropped = read_metric(arrival, document, 0)
        return Decoded((sample,) if sample else (), dict(dropped))
    return read_batch(arrival, metrics)


def read_batch(arrival: Arrival, metrics: list[object]) -> Decoded:
    """Every metric by itself; refused as a whole if nothing in it can be read."""
    samples: list[MetricSample] = []
    dropped: Counter[DropReason] = Counter()
    first: Refusal | None = None
    for index, metric in enumerate(metrics):
        try:
            sample, left_out = read_metric(arrival, metric, index)
        except Refused as refused:
            first = first or Refusal(refused.reason, f"metrics[{index}]: {refused.detail}")
            continue
        dropped.update(left_out)
        if sample:
            samples.append(sample)
    if not metrics:
        raise Refused(Reason.NO_VALUES, "the batch is empty")
    if first and not samples:
        raise Refused(first.reason, first.detail)
    return Decoded(tuple(samples), dict(dropped), first)


def read_metric(arrival: Arrival, metric: object, index: int) -> tuple[MetricSample | None, Counter[DropReason]]:
    """The sample of one metric with what was left out of it; None if it had text fields only."""
    if not isinstance(metric, dict):
        raise Refused(Reason.MALFORMED, f"wanted an object as metric, got {shown(metric)}")
    tags = read_tags(arrival, metric.get("tags"))
    host, host_tag = read_host(arrival, tags)
    time = time_of(arrival, [metric.get("timestamp")])
    name = read_name(arrival, metric.get("name"))
    values, dropped = read_fields(arrival, metric.get("fields"), name, series_suffix(tags, host_tag))
    if not values:
        return None, dropped
    source = arrival.source
    place = Source(source.topic, source.partition, source.offset, index, source.life)
    return MetricSample(host, time, values, place), dropped


def read_name(arrival: Arrival, name: object) -> str:
    """The measurement's name."""
    if not isinstance(name, str) or not name_is_good(name, arrival.limits.name_characters_maximum):
        raise Refused(Reason.BAD_NAME, f"name is no metric name: {shown(name)}")
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
        if not name_is_good(key, limits.name_characters_maximum):
            raise Refused(Reason.BAD_NAME, f"tags: no tag name: {shown(key)}")
        if not isinstance(value, str) or len(value) > limits.tag_value_characters_maximum or not value.isprintable():
            raise Refused(Reason.BAD_NAME, f"tags.{shown(key)}: no tag value: {shown(value)}")
    return tags


def read_host(arrival: Arrival, tags: dict[str, str]) -> tuple[str, str]:
    """The host, and the tag that named it; the tag is empty if the record's key did."""
    tag = next((tag for tag in HOST_TAGS if tags.get(tag)), "")
    if not tag:
        return host_of_key(arrival), ""
    name = tags[tag].rpartition(":")[0] or tags[tag] if tag == "instance" else tags[tag]
    return host_named(name, f"tags.{tag}"), tag


def series_suffix(tags: dict[str, str], host_tag: str) -> str:
    """`{key=value,...}` of all tags but the host's, sorted; empty if there are none."""
    pairs = sorted((key, value) for key, value in tags.items() if key != host_tag)
    text = ",".join(f"{escaped(key)}={escaped(value)}" for key, value in pairs)
    return f"{{{text}}}" if pairs else ""


def read_fields(
    arrival: Arrival, fields: object, name: str, suffix: str
) -> tuple[dict[str, float], Counter[DropReason]]:
    """The finite values by series name, and a count of the others."""
    limits = arrival.limits
    if not isinstance(fields, dict) or not fields:
        raise Refused(Reason.NO_VALUES, f"fields: wanted an object with values, got {shown(fields)}")
    if len(fields) > limits.fields_maximum:
        raise Refused(Reason.TOO_MANY_FIELDS, f"{len(fields)} fields, wanted at most {limits.fields_maximum}")
    values: dict[str, float] = {}
    dropped: Counter[DropReason] = Counter()
    for field, value in fields.items():
        series = f"{name}.{escaped(field)}{suffix}"
        reading = read_value(value, limits.value_magnitude_maximum)
        if not name_is_good(field, limits.name_characters_maximum) or len(series) > limits.series_characters_maximum:
            reading = DropReason.BAD_NAME
        if isinstance(reading, DropReason):
            dropped[reading] += 1
        else:
            values[series] = reading
    # A metric of nothing but text is a healthy Telegraf's (`system.uptime_format`); all else without a value is not.
    if not values and set(dropped) != {DropReason.TEXT}:
        raise Refused(Reason.NO_VALUES, f"no usable value among {len(fields)} fields")
    return values, dropped


def read_value(value: object, magnitude_maximum: float) -> float | DropReason:
    """A finite number, or why there is none. Booleans are 0 and 1; text stays text, also if it looks like a number."""
    if isinstance(value, (float, int)) and -magnitude_maximum <= value <= magnitude_maximum:
        return float(value)
    if value is None:
        return DropReason.NULL
    if isinstance(value, str):
        return DropReason.TEXT
    if not isinstance(value, (float, int)):
        return DropReason.NESTED
    if math.isnan(value):
        return DropReason.NAN
    return DropReason.INFINITE if math.isinf(value) else DropReason.OUT_OF_RANGE


def escaped(part: str) -> str:
    """A part of a series name with the marks that join parts made plain."""
    return SPECIAL.sub(r"\\\1", part) if SPECIAL.search(part) else part


def name_is_good(name: str, characters_maximum: int) -> bool:
    """Whether a name is short, not empty, and free of control and invisible characters."""
    return 0 < len(name) <= characters_maximum and name.isprintable()
