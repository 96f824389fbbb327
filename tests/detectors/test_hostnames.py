"""The one rule for names of hosts."""

import pytest

from detectors.hostnames import folded, is_short_for, nearest, without_port

FOLDED = {
    "as it is": ("api-4", "api-4"),
    "upper case": ("API-4", "api-4"),
    "an underscore inside": ("api_4", "api_4"),
    "underscores around": ("_api_", "_api_"),
    "a domain": ("Api-4.Example.NET", "api-4.example.net"),
    "a dot at the end": ("api-4.example.net.", "api-4.example.net"),
    "an address": ("192.0.2.7", "192.0.2.7"),
    "one letter": ("X", "x"),
    "the longest": ("a" * 253, "a" * 253),
    "one longer": ("a" * 254, ""),
    "two dots at the end": ("api-4..", ""),
    "a dot alone": (".", ""),
    "nothing": ("", ""),
    "a dash at the end": ("api-", ""),
    "a blank": ("api 4", ""),
    "a line break": ("api-4\n", ""),
    "a pattern": ("api-*", ""),
    "an IPv6 address": ("2001:db8::5", ""),
    "a letter that folds to k": ("\u212aafka-1", ""),
}


@pytest.mark.parametrize(("name", "known_as"), FOLDED.values(), ids=FOLDED.keys())
def test_a_name_folds_to_what_the_host_is_known_by(name: str, known_as: str) -> None:
    """Case and one dot at the end make no difference; what is no name folds to nothing."""
    assert folded(name) == known_as


SHORT = {
    "without the domain": ("api-4", "api-4.example.net", True),
    "the same": ("api-4", "api-4", False),
    "only the beginning of the label": ("api", "api-4.example.net", False),
    "a domain that is cut": ("api-4.example", "api-4.example.net", False),
    "the first number of an address": ("192", "192.0.2.7", False),
}


@pytest.mark.parametrize(("short", "long", "is_short"), SHORT.values(), ids=SHORT.keys())
def test_a_short_name_is_a_whole_label(short: str, long: str, is_short: bool) -> None:  # noqa: FBT001 a column
    """A short name is the first label of the long one, and nothing else."""
    assert is_short_for(short, long) is is_short


@pytest.mark.parametrize(
    ("name", "found"),
    [
        pytest.param("cache-l", "Cache-1", id="a letter for a digit"),
        pytest.param("cache1", "Cache-1", id="a dash forgotten"),
        pytest.param("zzz", "", id="like none"),
    ],
)
def test_the_nearest_name_is_told_as_it_is_spelled(name: str, found: str) -> None:
    """What was most likely meant; nothing where no name is like it."""
    assert nearest(name, ["Cache-1", "queue-1", "db"]) == found


@pytest.mark.parametrize(
    ("address", "host"),
    [
        pytest.param("api-4:9100", "api-4", id="a port"),
        pytest.param("api-4", "api-4", id="no port"),
        pytest.param("2001:db8::5", "2001:db8::5", id="an IPv6 address has no port"),
        pytest.param("[2001:db8::5]:9100", "2001:db8::5", id="an IPv6 address with a port"),
        pytest.param("[2001:db8::5]", "2001:db8::5", id="in brackets alone"),
        pytest.param(":9100", ":9100", id="a port alone"),
    ],
)
def test_a_port_is_cut_off_and_nothing_else(address: str, host: str) -> None:
    """The last group of an IPv6 address is no port."""
    assert without_port(address) == host
