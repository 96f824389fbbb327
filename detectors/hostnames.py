"""How hosts are named: one rule for records, inventories, policies and commands.

A name is 1 to 253 letters, digits, `.`, `-` and `_`, begins and ends with a letter, a digit or `_`, and may have one
dot more at its end. Names that fold to the same are one host. An IPv6 address is no name: name the host, and give the
address in the inventory.
"""

import difflib
import re
from collections.abc import Iterable

EXACT_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9_])?\.?")
NEAR = 0.6


def folded(name: str) -> str:
    """Give the name by which a host is known: lower case, without the dot at its end; empty if it is no host name."""
    return name.lower().removesuffix(".") if EXACT_HOST.fullmatch(name) is not None else ""


def first_label(name: str) -> str:
    """Give what stands before the first dot of a folded name; empty where that is a number, as in an address."""
    label = name.partition(".")[0]
    return "" if label.isdigit() else label


def is_short_for(short: str, long: str) -> bool:
    """Tell whether one folded name is the other without its domain, such as `web-1` for `web-1.example.com`."""
    return "." not in short and first_label(short) != "" and long.startswith(f"{short}.")


def nearest(name: str, known: Iterable[str]) -> str:
    """Give the known name that is spelled most like this one, empty if none is like it."""
    return next(iter(near(name, known, 1)), "")


def near(name: str, known: Iterable[str], count: int) -> list[str]:
    """Give the known names, at most so many, that are spelled like this one, the likest first."""
    by_fold = {each.lower(): each for each in sorted(known)}
    return [by_fold[each] for each in difflib.get_close_matches(name.lower(), by_fold, n=count, cutoff=NEAR)]


def without_port(address: str) -> str:
    """Give a host without the port behind it; an IPv6 address stays whole, in brackets or not."""
    if address.startswith("["):
        return address[1:].partition("]")[0]
    host = address.rpartition(":")[0]
    return host if host and ":" not in host else address
