"""Rules that can never act are found, each with its reason."""

from pathlib import Path

import pytest

from remediations.arming import disarmed
from remediations.loading import Rulebook, load_rulebook

RULE = "name: note-it, playbook: note, mode: auto"
CASES = {
    "armed": ({}, ""),
    "it observes": ({"rule": "name: note-it, playbook: note"}, ""),
    "approvals": ({"rule": "name: note-it, playbook: note, mode: approve"}, "mode approve waits for a human"),
    "needs approval": (
        {"rule": "name: note-it, playbook: note", "sidecar": ", needs_approval: true"},
        "the sidecar of note says needs_approval, and there are no approvals",
    ),
    "not accepted": ({"accepted": ""}, "note is not accepted as its files are"),
    "breaks the contract": (
        {"accepted": "", "breach": "note breaks x"},
        "note breaks x; so it is not accepted",
    ),
    "no attempt": ({"rule": RULE + ", attempts_maximum: 0"}, "attempts_maximum is 0"),
    "no start": ({"limits": "starts_maximum: 0"}, "limits.starts_maximum is 0"),
    "no run on a host": ({"limits": "host_attempts_maximum: 0"}, "limits.host_attempts_maximum is 0"),
    "no run in a group": ({"limits": "group_concurrency_maximum: 0"}, "limits.group_concurrency_maximum is 0"),
    "nothing is new enough": ({"limits": "event_age_maximum_seconds: 0"}, "limits.event_age_maximum_seconds is 0"),
    "no host": ({"rule": RULE + ", match: {groups: [empty]}"}, "it is meant for no host of the inventory"),
    "no host that is targeted": ({"sidecar": ", targets: {groups: [empty]}"}, "none of its hosts is in a group"),
    "all are protected": ({"limits": "protected_hosts: [n1, N2]"}, "all of its hosts are protected"),
    "one is not protected": ({"limits": "protected_hosts: [n1]"}, ""),
}


def book(folder: Path, rule: str = RULE, limits: str = "", sidecar: str = "", **verdict: str) -> Rulebook:
    """A rulebook of one rule for one playbook."""
    (folder / "playbooks").mkdir()
    (folder / "playbooks" / "note.yml").write_text("- {hosts: all, roles: []}\n")
    described = f"{{description: d, action: note, timeout_seconds: 60{sidecar}}}\n"
    (folder / "playbooks" / "note.meta.yml").write_text(described)
    (folder / "inventory.yml").write_text("nodes: {hosts: {n1: , n2: }}\nempty: {}\n")
    (folder / "policy.yml").write_text(f"version: 1\nlimits: {{{limits}}}\nrules: [{{{rule}}}]\n")
    loaded = load_rulebook(folder / "policy.yml", folder / "inventory.yml", folder / "playbooks")
    breaches = {"note": verdict["breach"]} if "breach" in verdict else {}
    return loaded.with_accepted({"note": verdict.get("accepted", loaded.playbooks["note"].digest)}, breaches)


@pytest.mark.parametrize(("change", "reason"), CASES.values(), ids=CASES.keys())
def test_a_rule_that_can_never_act_is_named_with_its_reason(
    tmp_path: Path, change: dict[str, str], reason: str
) -> None:
    """Whatever keeps it from ever acting while things are as they are; one that observes by intent is not named."""
    found = disarmed(book(tmp_path, **change))
    assert [each.rule for each in found] == (["note-it"] if reason else [])
    assert all(each.reason.startswith(reason) for each in found)
