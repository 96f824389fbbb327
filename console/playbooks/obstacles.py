"""What would stop a live run whatever the moment: the gates, asked as if everything that changes were at its best.

Fresh evidence, a mature model, nobody at work on the host, nothing under way, nothing tried: what denies even then is
policy, inventory or playbook. What only the moment tells (maintenance, locks, cooldown, attempts used) is asked then.
"""

import enum
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from console.sentences import denial
from detectors.signals import HostState, HostStatus
from remediations import delegates
from remediations.acceptance import read_accepted, unfit
from remediations.decisions import claim_limits, covers
from remediations.errors import RemediationError
from remediations.gates import GATES, GateContext, rule_mode
from remediations.ledger import Ledger
from remediations.loading import Rulebook, load_rulebook
from remediations.playbooks import Playbook
from remediations.policies import Rule, RuleMode
from stream.engine.flow import accepted_file, rule_files, runner_settings
from stream.settings import Settings

NOW = 1_000_000_000.0  # any time: nothing is compared with a clock


class Acceptance(enum.Enum):
    """Whether the engine may run a playbook as its files are now."""

    ACCEPTED = "accepted"
    BY_ITSELF = "by_itself"
    """The engine keeps the digests, and accepts this playbook when it first sees it."""
    BROKEN = "broken"
    """Nobody has accepted it, and it breaks the contract or Ansible can not read it: it is never accepted by itself."""
    CHANGED = "changed"
    NEW = "new"


def standings(settings: Settings, playbooks: Mapping[str, Playbook]) -> dict[str, Acceptance]:
    """How each playbook stands, by name."""
    accepted = read_accepted(accepted_file(settings))
    new = {} if settings.engine.accepted else {name: each for name, each in playbooks.items() if name not in accepted}
    broken = unfit(runner_settings(settings), new)
    by_itself = {name: Acceptance.BROKEN if name in broken else Acceptance.BY_ITSELF for name in new}
    return {name: by_itself.get(name) or _standing(each, accepted.get(name, "")) for name, each in playbooks.items()}


def obstacles(settings: Settings, playbook: str, hosts: Sequence[str]) -> tuple[str, ...]:
    """Why a live run of this playbook would be stopped on these hosts, in words; none if nothing would stop it."""
    try:
        book = load_rulebook(*map(Path, rule_files(settings)))
    except RemediationError as error:
        return (f"an engine would not start: {error}",)
    standing = standings(settings, {playbook: book.playbooks[playbook]})[playbook]
    if standing in {Acceptance.ACCEPTED, Acceptance.BY_ITSELF}:
        book = book.with_accepted(book.playbook_digests)
    else:
        book = book.with_accepted({playbook: ""})
    found = [words for host in hosts for words in _of_host(book, playbook, host)]
    if standing is Acceptance.BROKEN:
        found.append("the playbook is not fit to run: see `tidegate playbooks check`")
    return tuple(dict.fromkeys(found))


def _standing(playbook: Playbook, accepted: str) -> Acceptance:
    if accepted:
        return Acceptance.ACCEPTED if accepted == playbook.digest else Acceptance.CHANGED
    return Acceptance.NEW


def _of_host(book: Rulebook, playbook: str, host: str) -> tuple[str, ...]:
    """What stops it on one host: of several rules that run it there, at the one that is stopped by least."""
    rules = [
        each for each in book.policy.rules if each.playbook == playbook and covers(each.match, book.inventory, host)
    ]
    if rules:
        return min((tuple(_of_rule(book, rule, host)) for rule in rules), key=len)
    any_rule = Rule(name="none", playbook=playbook, mode=RuleMode.AUTO)
    return f"no rule of the policy runs {playbook} on {host}", *_of_rule(book, any_rule, host)


def _of_rule(book: Rulebook, rule: Rule, host: str) -> Iterator[str]:
    if rule.mode is RuleMode.OBSERVE:
        yield f"rule {rule.name} only observes (mode observe)"
    context = _best(book, rule, host)
    for result in (gate(context) for gate in GATES):
        if not result.passed:
            yield f"rule {rule.name}: {denial(result)}" if result.gate == rule_mode.__name__ else denial(result)


def _best(book: Rulebook, rule: Rule, host: str) -> GateContext:
    """All that the gates look at, at its best."""
    limits = claim_limits(book.policy, rule, book.inventory.groups_of(host))
    facts = msgspec.structs.asdict(Ledger().facts("", host, limits, NOW)) | {"raised": 1}
    playbook, target = book.playbooks[rule.playbook], book.inventory.resolve(host)
    samples = book.policy.limits.samples_minimum
    return GateContext(
        **facts,
        host=host,
        rule=rule,
        policy=book.policy.limits,
        evidence_time=NOW,
        status=HostStatus(host, HostState.NORMAL, NOW, NOW, 0.0, samples, 1, 0),
        target=target,
        groups=limits.groups,
        playbook=playbook,
        input_problem="",
        delegates=delegates.find(playbook, target, book.inventory) if target else delegates.Delegates(),
    )
