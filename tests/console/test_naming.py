"""A name that no host has: the refusal says what it is, and which hosts are near it."""

import pytest

from console.naming import meaning
from remediations.inventory import Inventory

SEEN = ("api-1", "api-2", "cache-1", "db-1", "web-1", "web-2", "web-3", "web-4", "web-5", "web-6", "web-7")
INVENTORY = Inventory(
    hosts={"api-1": {}, "api-9": {}, "DB-7": {}},
    groups={"api": ("api-1", "api-9"), "empty": (), "all": ("DB-7", "api-1", "api-9")},
)
NAMES = {
    "a pattern": ("api-*", "it is a pattern, wanted exact names: it fits api-1, api-2"),
    "a pattern of many": ("web-?", "it fits web-1, web-2, web-3, web-4, web-5 and 2 more"),
    "a pattern of none": ("x*", "it is a pattern, wanted exact names: it fits none"),
    "a list": ("api-1,api-2", "it is a pattern, wanted exact names"),
    "a group": ("api", "it is a group of the inventory, wanted exact names: its hosts are api-1, api-9"),
    "all": ("all", "it is a group of the inventory, wanted exact names: its hosts are DB-7, api-1, api-9"),
    "in the inventory": ("api-9", "the inventory has it: it is known here from its first sample on"),
    "a slip": ("cahce-1", "the inventory does not have it either; nearest: cache-1"),
    "another case": ("Db-1", "the inventory does not have it either; nearest: db-1"),
    "of the inventory in another case": ("db-7", "the inventory has it: it is known here from its first sample on"),
    "of the inventory without its domain": ("db-7.shop.example", "the inventory has it: it is known here from"),
    "like nothing": ("mainframe", "the inventory does not have it either"),
}


@pytest.mark.parametrize(("name", "words"), NAMES.values(), ids=NAMES.keys())
def test_what_may_have_been_meant_is_said(name: str, words: str) -> None:
    """Groups and patterns are no hosts; a slip has its nearest names; what is only in the inventory must report."""
    said = meaning(name, SEEN, INVENTORY)
    assert words in said
    assert said.endswith(words) or words != "the inventory does not have it either"


def test_without_an_inventory_the_roster_alone_is_asked() -> None:
    """The command may be given where no engine runs."""
    assert "the inventory can not be read here; nearest: cache-1" == meaning("cache-11", SEEN, None)
