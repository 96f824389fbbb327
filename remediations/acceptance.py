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
from remediations.tasks import read_tree

JUDGED = "judged"
HEADING = "# Playbooks that may run, with the digest of their files. Written by `tidegate playbooks accept`.\n"

type Digest = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]


class Breach(msgspec.Struct, frozen=True):
    """Something in a playbook that the contract does not allow."""

    playbook: str
    finding: Finding

    @property
    def words(self) -> str:
        """What is wrong, where, and by which rule."""
        found = self.finding
        return f"{self.playbook} breaks the contract, {found.file}:{found.line}: {found.words} ({found.rule})"


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


def judge_new(folder: Path, playbooks: Mapping[str, Playbook], known: Mapping[str, str]) -> Judged:
    """Take what was never seen before, if it keeps the contract: what breaks it waits until it is mended."""
    new = [playbook for name, playbook in sorted(playbooks.items()) if name not in known]
    found = {playbook.name: _findings(folder, playbook) for playbook in new}
    return Judged(
        digests=dict(known) | {playbook.name: playbook.digest for playbook in new if not found[playbook.name]},
        breaches={name: Breach(name, findings[0]).words for name, findings in found.items() if findings},
    )


def accept_new(file: Path, folder: Path, playbooks: Mapping[str, Playbook]) -> Judged:
    """Accept the playbooks that were never seen before and keep the contract. Raises PlaybookError."""
    known = read_accepted(file)
    judged = judge_new(folder, playbooks, known)
    new = {name: digest for name, digest in judged.digests.items() if name not in known}
    if new:
        accept(file, new)
    return judged


def breaches(folder: Path, playbooks: Mapping[str, Playbook]) -> tuple[Breach, ...]:
    """Judge the playbooks that may run as their files are, and those that would if they broke nothing.

    Earlier versions accepted by themselves what breaks the contract.
    """
    judged = [each for _, each in sorted(playbooks.items()) if each.accepted_digest == each.digest or each.breach]
    return tuple(Breach(playbook.name, finding) for playbook in judged for finding in _findings(folder, playbook))


def _findings(folder: Path, playbook: Playbook) -> tuple[Finding, ...]:
    try:
        return judge(read_tree(folder.absolute(), Path(playbook.path)))
    except PlaybookError as error:
        return (Finding(Path(playbook.path).name, 1, JUDGED, f"cannot be judged: {' '.join(str(error).split())}"),)
