"""Accepted playbooks: the digests under which they may run. A changed one waits until an operator accepts it anew."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec
import yaml

from remediations.contract import Finding, judge
from remediations.documents import decode, read_yaml
from remediations.errors import PlaybookError
from remediations.playbooks import Playbook
from remediations.policies import Name
from remediations.runner import RunnerSettings
from remediations.syntax import SYNTAX, unreadable
from remediations.tasks import read_tree

JUDGED = "judged"
HEADING = "# Playbooks that may run, with the digest of their files. Written by `tidegate playbooks accept`.\n"

type Digest = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]


class Breach(msgspec.Struct, frozen=True):
    """Something in a playbook that the contract does not allow, or that Ansible can not read."""

    playbook: str
    finding: Finding

    @property
    def words(self) -> str:
        """What is wrong, where, and by which rule."""
        found = self.finding
        what = "can not be read by Ansible" if found.rule == SYNTAX else "breaks the contract"
        return f"{self.playbook} {what}, {found.file}:{found.line}: {found.words} ({found.rule})"


def read_accepted(file: Path) -> dict[str, str]:
    """Read the accepted digests by playbook; none if there is no such file. Raises PlaybookError."""
    if not file.exists():
        return {}
    return decode(read_yaml(file, PlaybookError), dict[Name, Digest], file, PlaybookError)


def accept(file: Path, digests: Mapping[str, str]) -> None:
    """Write digests into the file, beside those that are there. Raises PlaybookError."""
    text = HEADING + yaml.safe_dump(read_accepted(file) | dict(digests))
    part = file.with_name(f"{file.name}.part")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8")
        part.replace(file)
    except OSError as cause:
        raise PlaybookError(file, "", f"cannot be written: {cause.strerror}") from cause


class Judged(msgspec.Struct, frozen=True):
    """Which playbooks may run, under which digest, and what keeps a new one from it: in words, by playbook."""

    digests: dict[str, str]
    breaches: dict[str, str]


def judge_new(settings: RunnerSettings, playbooks: Mapping[str, Playbook], known: Mapping[str, str]) -> Judged:
    """Take what was never seen before, if it is fit to run: what is not waits until it is mended."""
    new = {name: playbook for name, playbook in sorted(playbooks.items()) if name not in known}
    found = unfit(settings, new)
    return Judged(
        digests=dict(known) | {name: playbook.digest for name, playbook in new.items() if name not in found},
        breaches={name: of_it[0].words for name, of_it in found.items()},
    )


def accept_new(file: Path, settings: RunnerSettings, playbooks: Mapping[str, Playbook]) -> Judged:
    """Accept the playbooks that were never seen before and are fit to run. Raises PlaybookError."""
    known = read_accepted(file)
    judged = judge_new(settings, playbooks, known)
    new = {name: digest for name, digest in judged.digests.items() if name not in known}
    if new:
        accept(file, new)
    return judged


def unfit(settings: RunnerSettings, playbooks: Mapping[str, Playbook]) -> dict[str, tuple[Breach, ...]]:
    """Give what keeps playbooks from running, by name: what they break, else what Ansible can not read in them."""
    root = Path(settings.playbooks)
    broken = {name: found for name, each in playbooks.items() if (found := _broken(root, each))}
    whole = [playbook for name, playbook in playbooks.items() if name not in broken]
    return broken | {name: (Breach(name, each),) for name, each in unreadable(whole, settings).items()}


def breaches(settings: RunnerSettings, playbooks: Mapping[str, Playbook]) -> tuple[Breach, ...]:
    """Judge the playbooks that may run as their files are, and those that would if nothing kept them from it.

    Earlier versions accepted by themselves what breaks the contract.
    """
    root, named = Path(settings.playbooks), sorted(playbooks.items())
    refused = unfit(settings, {name: playbook for name, playbook in named if playbook.breach})
    accepted = {name: _broken(root, each) for name, each in named if each.accepted_digest == each.digest}
    return tuple(breach for _, found in sorted((accepted | refused).items()) for breach in found)


def _broken(folder: Path, playbook: Playbook) -> tuple[Breach, ...]:
    try:
        found = judge(read_tree(folder.absolute(), Path(playbook.path)))
    except PlaybookError as error:
        problem = f"cannot be judged: {' '.join(str(error).split())}"
        found = (Finding(Path(playbook.path).name, 1, JUDGED, problem),)
    return tuple(Breach(playbook.name, finding) for finding in found)
