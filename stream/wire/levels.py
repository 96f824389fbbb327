"""One scale of log levels for all producers: trace, debug, info, warn, error, fatal."""

import re

UNKNOWN = "info"

NAMES = {
    "trace": ("trace", "finest", "finer", "verbose", "silly"),
    "debug": ("debug", "dbg", "fine", "debug1", "debug2", "debug3", "debug4", "debug5"),
    "info": ("info", "information", "informational", "notice", "log", "hint", "ok", "success"),
    "warn": ("warn", "warning", "wrn"),
    "error": ("error", "err", "eror", "severe", "failure"),
    "fatal": ("fatal", "critical", "crit", "alert", "emerg", "emergency", "panic", "dpanic"),
}
WORDS = {name: level for level, names in NAMES.items() for name in names}

LETTERS = {"v": "trace", "d": "debug", "i": "info", "n": "info", "w": "warn", "e": "error", "f": "fatal", "c": "fatal"}
LEVEL_OF_NAME = WORDS | LETTERS

SYSLOG = ("fatal", "fatal", "fatal", "error", "warn", "info", "info", "debug")
"""By syslog severity 0-7, as syslog, journald and GELF use it."""

LEVEL_OF_NUMBER = dict(enumerate(SYSLOG)) | {10: "trace", 20: "debug", 30: "info", 40: "warn", 50: "error", 60: "fatal"}
"""Syslog, and the tens of pino and bunyan."""

OTEL = ("trace", "debug", "info", "warn", "error", "fatal")
"""OpenTelemetry severity numbers: four to a level, from 1."""

NUMBER = re.compile(r"[0-9]{1,2}")
HEAD_CHARACTERS = 120
WORD = "|".join(sorted(WORDS, key=len, reverse=True))
IN_TEXT = re.compile(
    rf"""\b(?:level|lvl|severity)=["']?(?P<assigned>{WORD})\b    # logfmt
       | [\[<(](?P<bracketed>{WORD})[\])>]                       # nginx, apache, many loggers
       | ^(?P<leading>{WORD}):                                   # Python's basicConfig
       | ^(?P<klog>(?-i:[IWEF]))(?=[0-9]{{4}}[ ])                # Kubernetes
       | (?<![\w.-])(?-i:(?P<shouted>{WORD.upper()}))(?![\w.-])  # log4j, slf4j, PostgreSQL
    """,
    re.VERBOSE | re.IGNORECASE,
)


def level_of(value: object) -> str | None:
    """The level that a field's value means: a name in any case, or a number of syslog or pino; None if unknown."""
    if isinstance(value, str):
        name = value.strip().lower()
        return level_of_number(int(name)) if NUMBER.fullmatch(name) else LEVEL_OF_NAME.get(name)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return level_of_number(value)
    return None


def level_of_number(number: float) -> str | None:
    """The level of a number of syslog or pino; None if unknown."""
    return next((level for known, level in LEVEL_OF_NUMBER.items() if known == number), None)


def level_of_otel_number(value: object) -> str | None:
    """The level of an OpenTelemetry severity number, 1-24; None if unknown."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 4 * len(OTEL):
        return None
    return OTEL[(value - 1) // 4]


def level_in_text(message: str) -> str:
    """The level that a line of plain text names near its beginning; `info` if none does."""
    match = IN_TEXT.search(message[:HEAD_CHARACTERS])
    return LEVEL_OF_NAME[match[match.lastgroup].lower()] if match and match.lastgroup else UNKNOWN
