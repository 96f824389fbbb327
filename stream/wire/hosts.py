"""Which host a record speaks for. A record that does not say it is refused, never given a default."""

import re

from stream.wire.arrivals import Arrival
from stream.wire.refusals import Reason, Refused, shown

HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


def host_named(name: str, origin: str) -> str:
    """The host `name` in lower case; `origin` says where it was found, for the error text."""
    stripped = name.strip()
    if HOST.fullmatch(stripped) is None:
        raise Refused(Reason.BAD_HOST, f"{origin} is no host name: {shown(name)}")
    return stripped.lower()


def host_of_key(arrival: Arrival) -> str:
    """The host that the record's key names: the last place to look."""
    if not arrival.key:
        raise Refused(Reason.NO_HOST, "neither the value nor the key names a host")
    try:
        name = arrival.key.decode()
    except UnicodeDecodeError as error:
        raise Refused(Reason.BAD_HOST, f"the key is not UTF-8: {shown(arrival.key)}") from error
    return host_named(name, "the key")
