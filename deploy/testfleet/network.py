"""The network of a fleet: a bridge in the keeper's own namespace, and one cable from it to the machine."""

import os
import socket
import time
from collections.abc import Iterable
from ipaddress import IPv4Network
from pathlib import Path

import msgspec

from deploy.testfleet.programs import FleetError, run

# 198.18.0.0/15 is set aside for tests of networks: nothing that is in use lives there (RFC 2544).
POOL = IPv4Network("198.18.0.0/15")
PREFIX = 24
FIRST_HOST = 11
BRIDGE = "fleet"
POLL_SECONDS = 0.02


class Network(msgspec.Struct, frozen=True):
    """The addresses of a fleet, and the name of its cable on the machine."""

    subnet: str
    cable: str

    def host(self, number: int) -> str:
        """Address of the n-th host, from 0."""
        return str(IPv4Network(self.subnet)[FIRST_HOST + number])

    @property
    def machine(self) -> str:
        """Address of the machine itself."""
        return str(IPv4Network(self.subnet)[1])


class Addresses(msgspec.Struct, frozen=True):
    """What the keeper of a fleet tells: addresses by host and the name of the cable, or what went wrong."""

    by_host: dict[str, str] = {}
    cable: str = ""
    problem: str = ""


def free_network(routes: Iterable[str], number: int) -> Network:
    """A subnet of the pool in which no route of the machine ends; `number` says where to begin to look."""
    subnets = list(POOL.subnets(new_prefix=PREFIX))
    taken = {route.split()[0] for route in routes if route}
    for step in range(len(subnets)):
        index = (number + step) % len(subnets)
        if str(subnets[index]) not in taken:
            return Network(subnet=str(subnets[index]), cable=f"fleet{index}")
    raise FleetError(f"{POOL}: no subnet is free")


def connect(outside: int) -> Network:
    """Make the bridge here and the cable to the namespace of this descriptor. Both go when this namespace goes."""
    beyond = ("nsenter", f"--net=/proc/{os.getpid()}/fd/{outside}", "ip")
    network = free_network(run(*beyond, "route", "show").splitlines(), int.from_bytes(os.urandom(2)))
    run("ip", "link", "set", "lo", "up")
    run("ip", "link", "add", BRIDGE, "type", "bridge")
    run("ip", "link", "set", BRIDGE, "up")
    run("ip", "link", "add", "cable", "type", "veth", "peer", "name", network.cable)
    run("ip", "link", "set", network.cable, "netns", f"/proc/{os.getpid()}/fd/{outside}")
    run("ip", "link", "set", "cable", "master", BRIDGE, "up")
    run(*beyond, "address", "add", f"{network.machine}/{PREFIX}", "dev", network.cable)
    run(*beyond, "link", "set", network.cable, "up")
    return network


def wait_for_ssh(address: str, seconds: float) -> None:
    """Wait until an ssh server greets. Raises FleetError."""
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        try:
            with socket.create_connection((address, 22), timeout=1) as connection:
                connection.settimeout(1)
                if connection.recv(4) == b"SSH-":
                    return
        except OSError:
            time.sleep(POLL_SECONDS)
    raise FleetError(f"{address} does not greet by ssh within {seconds:g} s")


def remains(cable: str) -> bool:
    """Whether the machine still has this cable."""
    return Path("/sys/class/net", cable).exists()
