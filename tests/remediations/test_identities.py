"""Ids: the same facts give the same id, any other fact another one."""

import re

import pytest

from remediations.identities import action_id, fleet_id, incident_id, new_log_identity

BASE = {"incident": "i", "playbook": "restart", "playbook_digest": "d", "inputs": {"a": 1, "b": "x"}, "attempt": 1}


def test_ids_never_change() -> None:
    """An id is the same in every process and every release: markers on targets and old logs rest on it."""
    assert incident_id("web-1", 1) == "1fdc1f907665fe0f3529830639e18b60"
    assert action_id(**BASE) == "b8b207bef1aab8bdb93678930699bf25"


def test_ids_are_32_hex_digits() -> None:
    """An id is a safe file name of the length that the runner wants."""
    for made in (incident_id("web-1", 1), action_id(**BASE)):
        assert re.fullmatch(r"[0-9a-f]{32}", made)


def test_the_order_of_inputs_does_not_matter() -> None:
    """Inputs are a mapping: how a file orders them makes no other action."""
    assert action_id(**BASE) == action_id(**BASE | {"inputs": {"b": "x", "a": 1}})


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"incident": "j"}, id="another incident"),
        pytest.param({"playbook": "drain"}, id="another playbook"),
        pytest.param({"playbook_digest": "e"}, id="an edited playbook"),
        pytest.param({"inputs": {"a": 2, "b": "x"}}, id="another value"),
        pytest.param({"inputs": {"a": "1", "b": "x"}}, id="text in place of a number"),
        pytest.param({"inputs": {"a": True, "b": "x"}}, id="true in place of one"),
        pytest.param({"inputs": {"a": 1}}, id="an input less"),
        pytest.param({"attempt": 2}, id="the next attempt"),
    ],
)
def test_any_other_fact_makes_another_action(change: dict[str, object]) -> None:
    """Whatever changes what a run would do, or which one it is, changes its id."""
    assert action_id(**BASE) != action_id(**BASE | change)


def test_neighbours_do_not_run_together() -> None:
    """Parts are told apart: moving a character from one to the next gives another id."""
    assert incident_id("web-1", 11) != incident_id("web-11", 1)
    assert action_id(**BASE | {"incident": "ir"}) != action_id(**BASE | {"playbook": "rrestart"})


def test_ids_end_with_the_identity_of_their_log() -> None:
    """The first incident of a host has another id in every log, and so has every attempt in it."""
    ids = [incident_id("web-1", 1, log) for log in ("", "0a0a0a0a", "0b0b0b0b")]
    assert [each[32:] for each in ids] == ["", "0a0a0a0a", "0b0b0b0b"]
    actions = [action_id(**BASE | {"incident": each}) for each in ids]
    assert [each[32:] for each in actions] == ["", "0a0a0a0a", "0b0b0b0b"]
    assert len({each[:32] for each in actions}) == 1
    assert fleet_id("web", 1, "0a0a0a0a") != fleet_id("web", 1, "0b0b0b0b")


def test_a_new_log_gets_an_identity_of_its_own() -> None:
    """8 hex digits, never the same."""
    made = {new_log_identity() for _ in range(100)}
    assert len(made) == 100
    assert all(re.fullmatch(r"[0-9a-f]{8}", each) for each in made)
