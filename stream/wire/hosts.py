"""Which host a record speaks for. A record that does not say it is refused, never given a default."""

import ipaddress

from detectors.hostnames import folded
from stream.wire.arrivals import Arrival
from stream.wire.refusals import Reason, Refused, shown


def host_named(name: str, origin: str) -> str:
    """The host as it is known everywhere; `origin` says where it was found, for the error text."""
    host = folded(name.strip())
    if not host:
        raise Refused(Reason.BAD_HOST, f"{origin} is no host name: {shown(name)}{advice(name)}")
    return host


def advice(name: str) -> str:
    """What to do about a name that is none, where that can be told."""
    try:
        ipaddress.IPv6Address(name.strip().strip("[]"))
    except ValueError:
        return ""
    return " is an IPv6 address: give the host a name, and the address to the inventory"


def host_of_key(arrival: Arrival) -> str:
    """The host that the record's key names: the last place to look."""
    if not arrival.key:
        raise Refused(Reason.NO_HOST, "neither the value nor the key names a host")
    try:
        name = arrival.key.decode()
    except UnicodeDecodeError as error:
        raise Refused(Reason.BAD_HOST, f"the key is not UTF-8: {shown(arrival.key)}") from error
    return host_named(name, "the key")
