"""Hosts that are one machine by their address are told."""

import pytest

from remediations.addresses import SharedAddress, shared_addresses
from remediations.inventory import Inventory

LOCAL = {"ansible_connection": "local"}
CASES: dict[str, tuple[dict[str, dict[str, object]], tuple[SharedAddress, ...]]] = {
    "each its own": ({"a": {"ansible_host": "10.0.0.1"}, "b": {}}, ()),
    "the same": (
        {"a": {"ansible_host": "10.0.0.1"}, "b": {"ansible_host": "10.0.0.1"}, "c": {}},
        (SharedAddress("10.0.0.1:22", ("a", "b")),),
    ),
    "the name of another": ({"a": {}, "b": {"ansible_host": "A."}}, (SharedAddress("a:22", ("a", "b")),)),
    "other ports": ({"a": {"ansible_host": "gate"}, "b": {"ansible_host": "gate", "ansible_port": 2201}}, ()),
    "local ones": ({"a": LOCAL | {"ansible_host": "x"}, "b": LOCAL | {"ansible_host": "x"}}, ()),
}


@pytest.mark.parametrize("case", CASES)
def test_shared_addresses(case: str) -> None:
    """Address and port decide; what is not reached over the network has none."""
    hosts, wanted = CASES[case]
    assert shared_addresses(Inventory(hosts=hosts)) == wanted
