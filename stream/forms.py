"""What names, addresses and paths in settings must look like to work: each function says what is wrong, or nothing."""

import ipaddress
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

TOPIC_CHARACTERS_MAXIMUM = 249
KAFKAS_OWN = frozenset({"__consumer_offsets", "__transaction_state", "__share_group_state", "__cluster_metadata"})
PORT_MAXIMUM = 65_535
_TOPIC = re.compile(r"[A-Za-z0-9._-]+")
_HOST = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*\.?")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def topic(name: str) -> str:
    """Whether Kafka takes a topic of this name, and would let us have it."""
    if not name:
        return "wanted the name of one topic"
    if not _TOPIC.fullmatch(name):
        return "wanted the name of one topic: letters, digits, . _ - (no list, no pattern)"
    if len(name) > TOPIC_CHARACTERS_MAXIMUM:
        return f"has {len(name)} characters, wanted at most {TOPIC_CHARACTERS_MAXIMUM}"
    if name in {".", ".."} or name in KAFKAS_OWN:
        return "wanted another name: this one is Kafka's own"
    return ""


def distinct(topics: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Settings whose topic another setting has already; to Kafka `a.b` and `a_b` are the same name."""
    holders: dict[str, str] = {}
    for setting, name in topics.items():
        holder = holders.setdefault(name.replace(".", "_"), setting)
        if holder != setting:
            same = "" if topics[holder] == name else f", {topics[holder]!r}, which Kafka takes for the same"
            yield setting, f"wanted a topic of its own: it is that of topics.{holder}{same}"


def servers(text: str) -> str:
    """Whether this is a list of Kafka's addresses."""
    for each in text.split(","):
        name, _, port = each.strip().rpartition(":")
        is_host = _is_bracketed(name) if ":" in name else not host(name)
        if not is_host or not _is_port(port):
            return "wanted host:port, several joined by commas"
    return ""


def host(name: str) -> str:
    """Whether this is the name or the address of a host; an IPv6 address has no brackets."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        is_number = all(part.isdecimal() for part in name.split("."))
        return "" if _HOST.fullmatch(name) and not is_number else "wanted an address or the name of a host"
    return ""


def path(text: str) -> str:
    """Whether a file system can have this path."""
    if not text.strip():
        return "wanted a path"
    if not text.isprintable():
        return "has characters that can not be printed, wanted a path"
    try:
        Path(text).expanduser()
    except RuntimeError:
        return "begins with the home of a user that is not there"
    return ""


def folder(text: str) -> str:
    """Whether a folder is, or could be made, at this absolute path."""
    place = Path(text)
    while not place.exists() and place != place.parent:
        place = place.parent
    return "" if place.is_dir() else f"wanted a folder: {place} is a file"


def group(name: str) -> str:
    """Whether consumers can join a group of this name."""
    return "" if name and name.isprintable() and name == name.strip() else "wanted the name of a consumer group"


def variable(name: str, value: str) -> str:
    """Whether an environment can hold this variable."""
    if not _VARIABLE.fullmatch(name):
        return "wanted the name of an environment variable: letters, digits, _"
    return "has a character of code 0, which no environment holds" if "\0" in value else ""


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdecimal() and 0 < int(text[:6]) <= PORT_MAXIMUM


def _is_bracketed(name: str) -> bool:
    try:
        return name[:1] + name[-1:] == "[]" and ipaddress.ip_address(name[1:-1]).version == 6  # noqa: PLR2004 IPv6
    except ValueError:
        return False
