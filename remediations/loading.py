"""Policy, inventory and playbooks → one rulebook in which everything that a rule names exists and fits."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import msgspec

from detectors.signals import SignalKind
from remediations import delegates, inputs
from remediations.catalogue import check_input_name, read_playbooks
from remediations.decisions import covers
from remediations.documents import decode, read_yaml
from remediations.errors import PolicyError
from remediations.inputs import misfit
from remediations.inventory import Inventory, read_inventory
from remediations.playbooks import FromExpression, FromIncident, FromInventory, InputSource, Playbook, Sidecar
from remediations.policies import Match, Policy, Rule, RuleMode
from remediations.runs import Target


class Rulebook(msgspec.Struct, frozen=True):
    """Everything that decisions rest on. Digests are SHA-256 (hex) of the content, whatever the layout of the file."""

    policy: Policy
    inventory: Inventory
    playbooks: dict[str, Playbook]
    policy_digest: str
    inventory_digest: str

    def with_accepted(self, digests: Mapping[str, str], breaches: Mapping[str, str] | None = None) -> "Rulebook":
        """Give the rulebook in which playbooks may run under these digests alone; `breaches` say why others may not."""
        why = breaches or {}
        playbooks = {
            name: msgspec.structs.replace(playbook, accepted_digest=digests.get(name, ""), breach=why.get(name, ""))
            for name, playbook in self.playbooks.items()
        }
        return msgspec.structs.replace(self, playbooks=playbooks)

    @property
    def playbook_digests(self) -> dict[str, str]:
        """Give the digest of each playbook by name."""
        return {name: playbook.digest for name, playbook in self.playbooks.items()}


def load_rulebook(
    policy_file: Path, inventory_file: Path, playbook_folder: Path, vault_password_file: Path | None = None
) -> Rulebook:
    """Read and check all three. Raises the DocumentError of the first thing that is wrong; nothing loads in part.

    No playbook of it may run until `with_accepted` says under which digest.
    """
    playbooks = read_playbooks(playbook_folder)
    inventory = read_inventory(inventory_file, vault_password_file)
    policy = read_policy(policy_file)
    for check_names in NAME_CHECKS:
        check_names(_Case(policy_file, policy, inventory, playbooks))
    policy = _spelled(policy, inventory)
    for check in CHECKS:
        check(_Case(policy_file, policy, inventory, playbooks))
    return Rulebook(
        policy=policy,
        inventory=inventory,
        playbooks=playbooks,
        policy_digest=_digest(policy),
        inventory_digest=_digest(inventory),
    )


def read_policy(file: Path) -> Policy:
    """Read a policy for itself, without looking at what it names. Raises PolicyError."""
    return decode(read_yaml(file, PolicyError), Policy, file, PolicyError)


class _Case(msgspec.Struct, frozen=True):
    """What the checks look at."""

    file: Path
    policy: Policy
    inventory: Inventory
    playbooks: Mapping[str, Playbook]


def _distinct_names(case: _Case) -> None:
    seen: dict[str, int] = {}
    for number, rule in enumerate(case.policy.rules):
        if rule.name in seen:
            problem = f"is {rule.name}, the name of rules[{seen[rule.name]}] already"
            raise PolicyError(case.file, f"rules[{number}].name", problem)
        seen[rule.name] = number


def _known_hosts(case: _Case) -> None:
    _in_inventory(case, "limits.protected_hosts", case.policy.limits.protected_hosts)
    _known(case, "fleet.groups", case.policy.fleet.groups, case.inventory.groups)
    for number, rule in enumerate(case.policy.rules):
        _in_inventory(case, f"rules[{number}].match.hosts", rule.match.hosts)
        _known(case, f"rules[{number}].match.groups", rule.match.groups, case.inventory.groups)


def _steady_fleet(case: _Case) -> None:
    """Refuse shares between which a fleet event would turn without end."""
    fleet = case.policy.fleet
    if fleet.share_clear > fleet.share_minimum:
        problem = f"is {fleet.share_clear:g}, wanted at most fleet.share_minimum, {fleet.share_minimum:g}"
        raise PolicyError(case.file, "fleet.share_clear", problem)


def _known_playbooks(case: _Case) -> None:
    for number, rule in enumerate(case.policy.rules):
        _known(case, f"rules[{number}].playbook", (rule.playbook,), case.playbooks)
        targets = case.playbooks[rule.playbook].sidecar.targets.groups
        missing = [group for group in targets if group not in case.inventory.groups]
        if missing:
            problem = (
                f"is {rule.playbook}, whose sidecar targets the group {missing[0]}: the inventory has no such group"
            )
            raise PolicyError(case.file, f"rules[{number}].playbook", problem)


def _known_delegates(case: _Case) -> None:
    """Refuse a rule one of whose hosts names a host that is not there, or none of whose hosts says through which."""
    for number, rule in enumerate(case.policy.rules):
        playbook = case.playbooks[rule.playbook]
        found = [delegates.find(playbook, target, case.inventory) for target in _targets(case, rule, playbook)]
        wrong = [each for each in found if each.reason == "delegate_unknown"] or found
        if wrong and all(each.reason for each in wrong):
            problem = f"is {rule.playbook}, which acts through hosts of the inventory: {wrong[0].value}"
            raise PolicyError(case.file, f"rules[{number}].playbook", problem)


def _targets(case: _Case, rule: Rule, playbook: Playbook) -> Iterator[Target]:
    """Give the hosts that a rule may let its playbook run on."""
    groups = playbook.sidecar.targets.groups
    for host in case.inventory.hosts:
        meant = not groups or not set(groups).isdisjoint(case.inventory.groups_of(host))
        target = case.inventory.resolve(host)
        if meant and target is not None and covers(rule.match, case.inventory, host):
            yield target


def _approved(case: _Case) -> None:
    for number, rule in enumerate(case.policy.rules):
        if rule.mode is RuleMode.AUTO and case.playbooks[rule.playbook].sidecar.needs_approval:
            problem = f"is auto, wanted approve or observe: the sidecar of {rule.playbook} says needs_approval"
            raise PolicyError(case.file, f"rules[{number}].mode", problem)


def _answerable(case: _Case) -> None:
    """Refuse a rule that can not answer anything, because it names no kind or an earlier one takes all it could."""
    rules = case.policy.rules
    for number, rule in enumerate(rules):
        if not rule.match.kinds:
            raise PolicyError(case.file, f"rules[{number}].match.kinds", "is empty: the rule would never answer")
        for earlier in rules[:number]:
            if _includes(earlier.match, rule.match):
                problem = f"would never answer: {earlier.name} comes first and matches all that it matches"
                raise PolicyError(case.file, f"rules[{number}]", problem)


def _fitting_inputs(case: _Case) -> None:
    for number, rule in enumerate(case.policy.rules):
        playbook = case.playbooks[rule.playbook]
        for name, value in rule.inputs.items():
            problem = check_input_name(name, playbook.inputs) or misfit(playbook.inputs[name], value)
            if not problem and isinstance(playbook.sidecar.inputs.get(name), FromIncident):
                problem = "is given by the incident, a rule cannot give it"
            if problem:
                raise PolicyError(case.file, f"rules[{number}].inputs.{name}", problem)
        _complete_inputs(case, number, rule, playbook)


def _complete_inputs(case: _Case, number: int, rule: Rule, playbook: Playbook) -> None:
    given = {*rule.inputs, *playbook.sidecar.inputs}
    missing = [name for name, spec in playbook.inputs.items() if spec.required and name not in given]
    if missing:
        problem = f"lacks {', '.join(missing)}, which {playbook.name} requires: give it here or in its sidecar"
        raise PolicyError(case.file, f"rules[{number}].inputs", problem)


def _working_sources(case: _Case) -> None:
    """Refuse a rule whose expressions or variables give a wrong value on any of its hosts, or none on all of them."""
    for number, rule in enumerate(case.policy.rules):
        playbook = case.playbooks[rule.playbook]
        for name, source in playbook.sidecar.inputs.items():
            if name in rule.inputs or not isinstance(source, FromExpression | FromInventory):
                continue
            alone = msgspec.structs.replace(playbook, sidecar=_with_inputs(playbook, {name: source}))
            targets = _targets(case, rule, playbook)
            found = [inputs.resolve(alone, {}, target, SAMPLE | {"host": target.name}) for target in targets]
            wrong = [each for each in found if each.problem and not each.is_missing] or found
            if wrong and all(each.problem for each in wrong):
                problem = f"is {rule.playbook}, whose sidecar gives no right value for {wrong[0].problem}"
                raise PolicyError(case.file, f"rules[{number}].playbook", problem)


def _timely_verification(case: _Case) -> None:
    """Refuse a verification that ends before data after its settling could show anything: it would never tell."""
    for number, rule in enumerate(case.policy.rules):
        wanted, sidecar = rule.verification, case.playbooks[rule.playbook].sidecar
        settle, deadline = (
            (wanted or sidecar.verification).settle_seconds,
            (wanted or sidecar.verification).deadline_seconds,
        )
        if deadline <= settle:
            place = "verification.deadline_seconds" if wanted else "playbook"
            whose = "is" if wanted else f"is {rule.playbook}, whose sidecar has a verification.deadline_seconds of"
            problem = (
                f"{whose} {deadline:g}, wanted at least {settle + LOOK_SECONDS:g}: only data from settle_seconds "
                f"({settle:g}) after the run's end on count, and detect tells them within about {LOOK_SECONDS:g} s"
            )
            raise PolicyError(case.file, f"rules[{number}].{place}", problem)


def _with_inputs(playbook: Playbook, sources: dict[str, InputSource]) -> Sidecar:
    return msgspec.structs.replace(playbook.sidecar, inputs=sources)


def _spelled(policy: Policy, inventory: Inventory) -> Policy:
    """Give the policy with its hosts as the inventory spells them, each once."""

    def spelled(hosts: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(map(inventory.spelling, hosts)))

    replace = msgspec.structs.replace
    rules = [replace(rule, match=replace(rule.match, hosts=spelled(rule.match.hosts))) for rule in policy.rules]
    limits = replace(policy.limits, protected_hosts=spelled(policy.limits.protected_hosts))
    return replace(policy, rules=tuple(rules), limits=limits)


NAME_CHECKS: tuple[Callable[[_Case], None], ...] = (_distinct_names, _known_hosts)

CHECKS: tuple[Callable[[_Case], None], ...] = (
    _steady_fleet,
    _known_playbooks,
    _known_delegates,
    _approved,
    _answerable,
    _fitting_inputs,
    _working_sources,
    _timely_verification,
)

LOOK_SECONDS = 2.0  # a reading of a host that is being repaired reaches the engine within that

SAMPLE: dict[str, str | float] = {"incident_id": "0" * 32, "kind": SignalKind.ANOMALY.value, "score": 1.5}


def _digest(content: msgspec.Struct) -> str:
    return hashlib.sha256(msgspec.json.encode(content, order="sorted")).hexdigest()


def _in_inventory(case: _Case, path: str, hosts: tuple[str, ...]) -> None:
    for host in hosts:
        if not case.inventory.spelling(host):
            near = case.inventory.nearest(host)
            wanted = f"the nearest name there is {near}" if near else f"it has {_listing(case.inventory.hosts)}"
            raise PolicyError(case.file, path, f"names {host}, which is not in the inventory; {wanted}")


def _listing(known: Iterable[str]) -> str:
    names = sorted(known)
    return (", ".join(names[:_LISTED]) + (", …" if len(names) > _LISTED else "")) or "no host"


def _known(case: _Case, path: str, names: tuple[str, ...], known: Mapping[str, object]) -> None:
    for name in names:
        if name not in known:
            raise PolicyError(case.file, path, f"names {name}, wanted one of {_listing(known)}")


_LISTED = 20  # names in a message; an inventory may have thousands


def _includes(earlier: Match, later: Match) -> bool:
    everywhere = not earlier.hosts and not earlier.groups
    narrower = bool(later.hosts or later.groups)
    inside = narrower and set(later.hosts) <= set(earlier.hosts) and set(later.groups) <= set(earlier.groups)
    return (
        set(later.kinds) <= set(earlier.kinds)
        and earlier.score_minimum <= later.score_minimum
        and (everywhere or inside)
    )
