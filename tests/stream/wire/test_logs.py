"""Log records: the documented shapes of each producer, levels, and messages made harmless."""

import pytest

from detectors.samples import LogSample
from tests.stream.wire.records import KAFKA_TIME, SOURCE, read_log

AT = 1795227599.853

# producer → value, key, expected (host, time, level, message)
JSON_SHAPES: dict[str, tuple[object, bytes | None, tuple[str, float, str, str]]] = {
    "Filebeat": (
        {
            "@timestamp": "2026-11-21T02:19:59.853Z",
            "@metadata": {"beat": "filebeat", "type": "_doc", "version": "9.1.0"},
            "host": {"name": "web-01"},
            "log": {"level": "warn", "offset": 12, "file": {"path": "/var/log/app.log"}},
            "event": {"dataset": "nginx.error"},
            "message": "upstream timed out",
        },
        None,
        ("web-01", AT, "warn", "upstream timed out"),
    ),
    "Filebeat 6": (
        {"@timestamp": "2026-11-21T02:19:59.853Z", "beat": {"hostname": "web-01"}, "message": "[error] 7#0: timed out"},
        None,
        ("web-01", AT, "error", "[error] 7#0: timed out"),
    ),
    "an ECS logger with flat keys": (
        {"@timestamp": "2026-11-21T02:19:59.853Z", "log.level": "ERROR", "host.name": "web-01", "message": "boom"},
        None,
        ("web-01", AT, "error", "boom"),
    ),
    "Fluent Bit with Kubernetes": (
        {"@timestamp": AT, "log": "GET / 200\n", "stream": "stdout", "kubernetes": {"host": "node-7", "pod_name": "p"}},
        None,
        ("node-7", AT, "info", "GET / 200"),
    ),
    "Fluent Bit from journald": (
        {"@timestamp": AT, "MESSAGE": "OOM", "PRIORITY": "2", "_HOSTNAME": "db-1", "SYSLOG_IDENTIFIER": "kernel"},
        None,
        ("db-1", AT, "fatal", "OOM"),
    ),
    "Fluent Bit GELF": (
        {"version": "1.1", "host": "web-01", "short_message": "late", "timestamp": AT, "level": 4, "_x": "y"},
        None,
        ("web-01", AT, "warn", "late"),
    ),
    "Fluentd without time": (
        {"message": "slow query", "severity": "WARNING", "hostname": "db-1"},
        None,
        ("db-1", KAFKA_TIME, "warn", "slow query"),
    ),
    "Vector": (
        {
            "file": "/var/log/app.log",
            "host": "web-01",
            "message": "level=error msg=boom",
            "source_type": "file",
            "timestamp": "2026-11-21T02:19:59.853000000Z",
        },
        None,
        ("web-01", AT, "error", "level=error msg=boom"),
    ),
    "Logstash 8": (
        {
            "@timestamp": "2026-11-21T02:19:59.853Z",
            "@version": "1",
            "host": {"name": "web-01"},
            "event": {"original": "E x"},
            "level": "debug",
            "message": "x",
        },
        None,
        ("web-01", AT, "debug", "x"),
    ),
    "Logstash before 7": (
        {
            "@timestamp": "2026-11-21T02:19:59.853Z",
            "@version": "1",
            "host": "web-01",
            "loglevel": "FATAL",
            "message": "x",
        },
        None,
        ("web-01", AT, "fatal", "x"),
    ),
    "rsyslog list template": (
        {
            "@timestamp": "2026-11-21T02:19:59.853000+00:00",
            "host": "vm",
            "severity": "ERR",
            "program": "nginx",
            "message": " upstream timed out (110: Connection timed out)",
        },
        b"vm",
        ("vm", AT, "error", "upstream timed out (110: Connection timed out)"),
    ),
    "syslog-ng format-json": (
        {
            "PROGRAM": "nginx",
            "PRIORITY": "err",
            "MESSAGE": "x",
            "ISODATE": "2026-11-21T02:19:59.853+00:00",
            "HOST": "vm",
            "FACILITY": "daemon",
        },
        None,
        ("vm", AT, "error", "x"),
    ),
    "pino": (
        {"level": 50, "time": 1795227599853, "pid": 7, "hostname": "web-01", "msg": "boom"},
        None,
        ("web-01", AT, "error", "boom"),
    ),
    "structlog, host in the key": (
        {"event": "disk full", "level": "critical", "timestamp": "2026-11-21T02:19:59.853Z"},
        b"web-01",
        ("web-01", AT, "fatal", "disk full"),
    ),
    "OpenTelemetry, flattened": (
        {"timestamp": "1795227599853000000", "severity_number": 13, "body": "hm", "host.name": "web-01"},
        None,
        ("web-01", AT, "warn", "hm"),
    ),
    "an unreadable time beside a readable one": (
        {"time": "21/Nov/2026:02:19:59 +0000", "ts": AT, "host": "h", "message": "x"},
        None,
        ("h", AT, "info", "x"),
    ),
}

TEXT_SHAPES: dict[str, tuple[bytes, bytes | None, tuple[str, float, str, str]]] = {
    "rsyslog": (
        b"2026-11-21T02:19:59.853000+00:00 vm nginx: upstream timed out\n",
        None,
        ("vm", AT, "info", "upstream timed out"),
    ),
    "rsyslog with a process id": (
        b"2026-11-21T02:19:59.853000+00:00 vm sshd[4242]: error: maximum authentication attempts",
        b"vm",
        ("vm", AT, "error", "error: maximum authentication attempts"),
    ),
    "syslog-ng with a priority": (
        b"<11>2026-11-21T02:19:59.853+00:00 VM app: boom",
        None,
        ("vm", AT, "error", "boom"),
    ),
    "RFC 5424": (
        b'<28>1 2026-11-21T02:19:59.853Z vm app 77 ID47 [x@1 a="\\]"][y@1 b="c"] \xef\xbb\xbflate',
        None,
        ("vm", AT, "warn", "late"),
    ),
    "RFC 5424 without a host": (
        b"<28>1 2026-11-21T02:19:59.853Z - app - - - late",
        b"web-01",
        ("web-01", AT, "warn", "late"),
    ),
    "RFC 3164 takes the Kafka record's time": (
        b"Nov 21 02:19:59 vm app[7]: hello",
        None,
        ("vm", KAFKA_TIME, "info", "hello"),
    ),
    "a bare line": (b"hello", b"web-01", ("web-01", KAFKA_TIME, "info", "hello")),
    "a bare line with a time": (
        b"2026-11-21 02:19:59,853 ERROR main: boom",
        b"web-01",
        ("web-01", AT, "error", "ERROR main: boom"),
    ),
    "the host's place is taken by a level": (
        b"2026-11-21T02:19:59.853Z ERROR main: boom",
        b"web-01",
        ("web-01", AT, "error", "ERROR main: boom"),
    ),
    "a line that begins with a bracket": (b"[warn] late", b"web-01", ("web-01", KAFKA_TIME, "warn", "[warn] late")),
}


@pytest.mark.parametrize("format_name", ["json", "auto"])
@pytest.mark.parametrize(("value", "key", "expected"), JSON_SHAPES.values(), ids=JSON_SHAPES.keys())
def test_json_shapes(format_name: str, value: object, key: bytes | None, expected: tuple[str, float, str, str]) -> None:
    """Each producer's record becomes host, time, level and message, also when the form is found out."""
    host, time, level, message = expected
    sample = read_log(format_name, value, key)
    assert LogSample(host, sample.time, level, message, SOURCE) == sample
    assert time == pytest.approx(sample.time, abs=1e-6)


@pytest.mark.parametrize("format_name", ["text", "auto"])
@pytest.mark.parametrize(("value", "key", "expected"), TEXT_SHAPES.values(), ids=TEXT_SHAPES.keys())
def test_text_shapes(format_name: str, value: bytes, key: bytes | None, expected: tuple[str, float, str, str]) -> None:
    """Default lines of the syslog daemons carry host and time; of bare lines the key is the host."""
    host, time, level, message = expected
    sample = read_log(format_name, value, key)
    assert LogSample(host, sample.time, level, message, SOURCE) == sample
    assert time == pytest.approx(sample.time, abs=1e-6)


LEVELS: dict[str, tuple[object, ...]] = {
    "trace": ("TRACE", "finest", "verbose", 10, "V"),
    "debug": ("debug", "Dbg", "FINE", 7, "7", 20),
    "info": ("info", "Information", "notice", 5, 6, 30, "whatever", 99, None, True, [], 3.5),
    "warn": ("warn", "WARNING", " warning ", 4, 40, 4.0),
    "error": ("error", "ERR", "severe", 3, "3", 50),
    "fatal": ("fatal", "CRITICAL", "emerg", "panic", 0, 1, 2, 60),
}


@pytest.mark.parametrize(
    ("value", "expected"), [(value, level) for level, values in LEVELS.items() for value in values]
)
def test_levels_are_one_scale(value: object, expected: str) -> None:
    """Names in any case, syslog and pino numbers; what is unknown counts as info."""
    assert expected == read_log("json", {"host": "h", "message": "x", "level": value}).level


def test_the_level_field_beats_the_text() -> None:
    """A logger that says `info` is believed, whatever words its message holds."""
    assert read_log("json", {"host": "h", "message": "ERROR not really", "level": "info"}).level == "info"


LINES = {
    "ERROR: relation does not exist": "error",
    "2026/11/21 02:20:01 [crit] 7#0: connect() failed": "fatal",
    "time=now level=warning msg=late": "warn",
    'level="debug" x': "debug",
    "WARNING:root:late": "warn",
    "E1121 02:20:01.000000 7 controller.go:12] failed": "error",
    "main WARN  c.e.App - late": "warn",
    "an error in a sentence is not a level": "info",
    "no errors, 0 failed": "info",
    "TERROR is a word": "info",
    "x" * 200 + " ERROR": "info",
}


@pytest.mark.parametrize(("line", "expected"), LINES.items())
def test_levels_in_lines(line: str, expected: str) -> None:
    """Only forms that loggers write count as levels: brackets, assignments, capitals, near the beginning."""
    assert expected == read_log("text", line.encode(), b"h").level


MESSAGES = {
    "colours": ("\x1b[1;31mboom\x1b[0m", "boom"),
    "terminal title": ("a\x1b]0;pwned\x07b", "ab"),
    "clear screen": ("\x1b[2J\x1b[Hx", "x"),
    "eight-bit control sequence": ("a\x9b31mb", "ab"),
    "an escape at the end": ("a\x1b", "a"),
    "newlines and tabs": ("one\r\n\ttwo\u2028three", "one two three"),
    "null and bell": ("a\x00\x07b", "ab"),
    "text direction": ("a\u202egnp.exe", "agnp.exe"),
    "tags that nobody sees": ("a\U000e0041b", "ab"),
    "other scripts stay": ("größe 大 😀", "größe 大 😀"),
    "markup stays text": ("[red]<b>{{ 7*7 }}", "[red]<b>{{ 7*7 }}"),
}


@pytest.mark.parametrize(("message", "expected"), MESSAGES.values(), ids=MESSAGES.keys())
def test_messages_are_harmless_to_a_terminal(message: str, expected: str) -> None:
    """One line, no control characters, no escape sequences."""
    assert expected == read_log("json", {"host": "h", "message": message}).message


def test_messages_are_cut() -> None:
    """3000 characters are enough to know a line by."""
    assert read_log("json", {"host": "h", "message": "x" * 60_000}).message == "x" * 3000
