"""Log records as JSON objects: ECS, Filebeat, Fluent Bit, Vector, Logstash, rsyslog, syslog-ng, GELF, applications.

The producers differ only in what they call things: four ordered tables, the first name that fits is used.
"""

from detectors.samples import LogSample, UnreadSample
from stream.wire.arrivals import Arrival, Decoded
from stream.wire.documents import find, first_text, parse_object
from stream.wire.hosts import host_named, host_of_key
from stream.wire.levels import level_in_text, level_of, level_of_otel_number
from stream.wire.messages import clean_message
from stream.wire.refusals import Reason, Refusal, Refused
from stream.wire.signs import parsed_anyhow, salvaged, sign_of
from stream.wire.times import time_of

HOSTS = (
    "host.name",  # ECS, Logstash
    "host",  # Vector, rsyslog, GELF, Logstash before 7
    "host.hostname",  # ECS
    "hostname",  # pino, bunyan, rsyslog templates
    "HOST",  # syslog-ng
    "_HOSTNAME",  # journald
    "kubernetes.host",  # Fluent Bit, Fluentd
    "kubernetes.node.name",  # Filebeat
    "k8s.node.name",  # OpenTelemetry
    "agent.name",  # Filebeat without add_host_metadata
    "agent.hostname",
    "beat.hostname",  # Filebeat 6
)
TIMES = ("@timestamp", "timestamp", "time", "ts", "ISODATE", "date", "asctime")
LEVELS = (
    "log.level",  # ECS
    "level",  # most application loggers, GELF, Fluent Bit
    "severity",  # rsyslog, Fluentd, Google's loggers
    "loglevel",  # Logstash
    "levelname",  # Python
    "log_level",
    "lvl",
    "severityText",  # OpenTelemetry
    "severity_text",
    "syslog.severity.code",
    "PRIORITY",  # journald 0-7, syslog-ng names
    "priority",
)
OTEL_LEVELS = ("severityNumber", "severity_number")
MESSAGES = (
    "message",  # ECS, Filebeat, Vector, Logstash, rsyslog
    "MESSAGE",  # syslog-ng, journald
    "log",  # Fluent Bit, Fluentd
    "msg",  # pino, zap, logrus
    "short_message",  # GELF
    "event",  # structlog
    "event.original",
    "body",  # OpenTelemetry, flattened
    "text",
)


def decode_json_logs(arrival: Arrival) -> Decoded:
    """One log sample."""
    document = parse_object(arrival)
    host = read_host(arrival, document)
    time = time_of(arrival, [find(document, path) for path in TIMES])
    message = read_message(arrival, document)
    return Decoded((LogSample(host, time, read_level(document, message), message, arrival.source),))


def json_log_signs(arrival: Arrival, refusal: Refusal) -> tuple[UnreadSample, ...]:
    """The sign of life in a record that is refused."""
    document = parsed_anyhow(arrival)
    if document is None:
        return salvaged(arrival, refusal)
    times = [find(document, path) for path in TIMES]
    return sign_of(arrival, lambda: read_host(arrival, document), times, refusal)


def read_host(arrival: Arrival, document: dict[str, object]) -> str:
    """The first name in the table, else the record's key."""
    found = first_text(document, HOSTS)
    return host_named(found[1], found[0]) if found else host_of_key(arrival)


def read_level(document: dict[str, object], message: str) -> str:
    """The first field that is a known level; without one, what the message says."""
    levels = [level_of(find(document, path)) for path in LEVELS]
    levels += [level_of_otel_number(find(document, path)) for path in OTEL_LEVELS]
    return next((level for level in levels if level), "") or level_in_text(message)


def read_message(arrival: Arrival, document: dict[str, object]) -> str:
    """The text of the record."""
    found = first_text(document, MESSAGES)
    if found is None:
        raise Refused(Reason.NO_MESSAGE, "none of the known message fields holds text")
    return clean_message(found[1], arrival.limits)
