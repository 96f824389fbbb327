"""What log files put before the message: time, host, program, process, level, component."""

import re
from typing import Final

from detectors.templates.masks import DAY, MONTH

HEAD_CHARACTERS: Final = 600  # of a line can be header
PARTS_MAXIMUM: Final = 12
STAMP_CHARACTERS: Final = 4  # shorter is a bullet

STAMP: Final = "|".join(
    (
        rf"(?:{DAY},? {{1,3}})?{MONTH} {{1,3}}\d{{1,2}},?(?: \d{{4}})? \d\d:\d\d:\d\d(?:[.,]\d{{1,9}})?(?: \d{{4}})?",
        rf"\d{{1,2}}/{MONTH}/\d{{4}}:\d\d:\d\d:\d\d(?: [+-]\d{{4}})?",
        (
            r"(?:\d{4}[-/.]\d\d?[-/.]\d\d?|\d\d?[-/.]\d\d?(?:[-/.]\d{2,4})?|\d{8})"
            r"[T _:-]{1,2}\d\d?[:.]\d\d[:.]\d\d(?:[.,:]\d{1,9})?(?:Z| ?[+-]\d\d:?\d\d)?"
        ),
        r"\d{4}[-/.]\d\d[-/.]\d\d",
        r"\d{6} \d{6}",
        r"1\d{9}(?:\d{3})?(?:\.\d{1,9})?",
        r"\d\d:\d\d:\d\d(?:[.,]\d{1,9})?",
    )
)
LEVEL_NAMES: Final = (
    "TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|ERR|FATAL|CRITICAL|CRIT|ALERT|EMERG|SEVERE|FAILURE"
    "|Trace|Debug|Info|Notice|Warn|Warning|Error|Fatal|Critical|debug|info|notice|warn|error|crit|alert|emerg"
)

FIELDS: Final = re.compile(r"(?:[^|\s]{0,64}\|){2,8}(?=\S)")  # a|b|c|message
TIME: Final = re.compile(rf"\[?(?:{STAMP})\]?[,:]?(?:\s+|\||$)|[-|*]\s+")
LABEL: Final = re.compile(rf"[\w.:-]{{1,80}}+\s+(?=\[?(?:{STAMP})[\],:]{{0,2}}\s)")
NUMBER_OR_HOST: Final = re.compile(r"\[?\d{1,10}\]?(?:[\s|]+|$)|(?=\S{0,60}\d)[\w.:/-]{1,60}[^\s:]\s+(?=\S)")
LEVEL: Final = re.compile(
    rf"(?:[A-Za-z_][\w.-]{{0,30}}\s+){{0,2}}?[\[<(]?(?:{LEVEL_NAMES})[\]>)]?[:,|]?(?:\s+|$)|(?<=\d )[VDIWEF] (?=\S)"
)
LATER_TIME: Final = re.compile(rf"(?<!\S)\[?(?:{STAMP})[\],:]{{0,2}}\s")
PROGRAM: Final = re.compile(r"[\w.-]{1,64}\s+(?:[\w./-]{1,64}(?:\([\w.-]{1,32}\))?(?:\[\d{1,10}\])?:\s+|(?=\S))")
COMPONENT: Final = re.compile(
    r"(?:\[[^\[\]]{0,200}(?:\[[^\[\]]{0,60}\][^\[\]]{0,200})?\]\s*[-:]\s+)|-\s+"
    r"|(?=[\w$]*[.$/(\[@-])[A-Za-z_][\w.$/@()-]{0,100}(?:\[\d{1,10}\])?:\s+"
)
SYSLOG: Final = re.compile(rf"{MONTH} +\d")
LEVEL_AHEAD, TIME_AHEAD = 90, 60  # characters that a number or host may be before a level or a time


def without_header(line: str) -> str:
    """The message of a line; a header begins with a time, a bullet, or fields between bars.

    Example:
        >>> without_header("2015-07-29 17:41:44,747 - INFO  [QuorumPeer:Environment@100] - Server started")
        'Server started'
        >>> without_header("Jun 14 15:16:01 combo sshd(pam_unix)[19939]: authentication failure")
        'authentication failure'
        >>> without_header("Server started")
        'Server started'
    """
    head = line[:HEAD_CHARACTERS]
    if fields := FIELDS.match(head):
        return line[fields.end() :]
    place, levelled = _after_level(head)
    if not place or head[:place].strip().isdigit():  # a number alone belongs to the message
        return line
    last = COMPONENT if levelled or not SYSLOG.search(head, 0, place) else PROGRAM
    rest = last.match(head, place)
    return line[rest.end() if rest else place :]


def _after_level(head: str) -> tuple[int, bool]:
    """Where times, labels, numbers, hosts and a level end; whether there was a level."""
    place, stamped = 0, False
    for _ in range(PARTS_MAXIMUM):
        if part := TIME.match(head, place) or (LABEL.match(head) if not place else None):
            stamped |= part.end() - place > STAMP_CHARACTERS
        elif place and (level := LEVEL.match(head, place)):
            return level.end(), True
        elif not stamped or not (part := _number_or_host(head, place)):
            break
        place = part.end()
    return place, False


def _number_or_host(head: str, place: int) -> re.Match[str] | None:
    part = NUMBER_OR_HOST.match(head, place)
    if part is None:
        return None
    end = part.end()
    followed = LEVEL.search(head, end, end + LEVEL_AHEAD) or LATER_TIME.search(head, end, end + TIME_AHEAD)
    return part if followed else None
