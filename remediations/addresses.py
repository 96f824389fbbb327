"""Two names for one machine: hosts of the inventory that are reached at the same address."""

from collections.abc import Mapping

import msgspec

from remediations.inventory import Inventory

SSH_PORT = 22
ADDRESSES = ("ansible_ssh_host", "ansible_host")
PORTS = ("ansible_ssh_port", "ansible_port")
BY_NETWORK = frozenset(
    {"ssh", "smart", "paramiko", "paramiko_ssh", "ansible.builtin.ssh", "ansible.builtin.paramiko_ssh"}
)


class SharedAddress(msgspec.Struct, frozen=True):
    """One address, such as `10.0.0.1:22`, and the hosts that have it."""

    address: str
    hosts: tuple[str, ...]

    @property
    def words(self) -> str:
        """What an operator should know."""
        names = ", ".join(self.hosts)
        return f"{names} have one address, {self.address}: a run for one of them acts on the machine of the others"


def shared_addresses(inventory: Inventory) -> tuple[SharedAddress, ...]:
    """Give the addresses that more than one host has; hosts that are not reached over the network have none."""
    found: dict[str, list[str]] = {}
    for host, variables in inventory.hosts.items():
        if str(variables.get("ansible_connection", "ssh")) in BY_NETWORK:
            found.setdefault(_address(host, variables), []).append(host)
    return tuple(SharedAddress(address, tuple(hosts)) for address, hosts in sorted(found.items()) if len(hosts) > 1)


def _address(host: str, variables: Mapping[str, object]) -> str:
    address = next((variables[name] for name in ADDRESSES if variables.get(name)), host)
    port = next((variables[name] for name in PORTS if variables.get(name)), SSH_PORT)
    return f"{str(address).lower().rstrip('.')}:{port}"
