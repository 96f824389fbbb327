"""Rules that can never act as things are, and why: what an operator would otherwise find out in the night."""

from collections.abc import Callable, Iterator

import msgspec

from remediations.decisions import covers
from remediations.loading import Rulebook
from remediations.policies import Limits, Rule, RuleMode

NO_APPROVALS = "there are no approvals in this version"
ZERO_LIMITS: tuple[Callable[[Limits], tuple[str, float]], ...] = (
    lambda limits: ("event_age_maximum_seconds", limits.event_age_maximum_seconds),
    lambda limits: ("roster_age_maximum_seconds", limits.roster_age_maximum_seconds),
    lambda limits: ("group_concurrency_maximum", limits.group_concurrency_maximum),
    lambda limits: ("starts_maximum", limits.starts_maximum),
    lambda limits: ("host_attempts_maximum", limits.host_attempts_maximum),
)
"""Limits that allow nothing when they are 0."""


class Disarmed(msgspec.Struct, frozen=True):
    """A rule that can never act, with the first reason."""

    rule: str
    reason: str


def disarmed(book: Rulebook) -> tuple[Disarmed, ...]:
    """Give the rules that can never act, in the order they are asked."""
    found = ((rule.name, next(_reasons(rule, book), "")) for rule in book.policy.rules)
    return tuple(Disarmed(name, reason) for name, reason in found if reason)


def _reasons(rule: Rule, book: Rulebook) -> Iterator[str]:
    playbook = book.playbooks[rule.playbook]
    if rule.mode is RuleMode.APPROVE:
        yield f"mode approve waits for a human, and {NO_APPROVALS}"
    if playbook.sidecar.needs_approval:
        yield f"the sidecar of {playbook.name} says needs_approval, and {NO_APPROVALS}"
    if playbook.breach:
        yield f"{playbook.breach}; so it is not accepted by itself: see `tidegate playbooks check`"
    elif playbook.accepted_digest != playbook.digest:
        yield f"{playbook.name} is not accepted as its files are: see `tidegate playbooks accept`"
    if rule.attempts_maximum == 0:
        yield "attempts_maximum is 0"
    for ask in ZERO_LIMITS:
        name, limit = ask(book.policy.limits)
        if limit == 0:
            yield f"limits.{name} is 0"
    yield from _without_hosts(rule, book)


def _without_hosts(rule: Rule, book: Rulebook) -> Iterator[str]:
    groups = book.playbooks[rule.playbook].sidecar.targets.groups
    meant = [host for host in book.inventory.hosts if covers(rule.match, book.inventory, host)]
    if not meant:
        yield "it is meant for no host of the inventory"
        return
    targeted = [host for host in meant if not groups or not set(groups).isdisjoint(book.inventory.groups_of(host))]
    if not targeted:
        yield f"none of its hosts is in a group that {rule.playbook} targets: {', '.join(groups)}"
    elif set(targeted) <= set(book.policy.limits.protected_hosts):
        yield "all of its hosts are protected"
