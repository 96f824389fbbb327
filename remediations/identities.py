"""Deterministic names: the same facts give the same id on every engine and after every restart.

That is what makes a repeated signal, a replayed log or a second engine harmless: they name what exists already.
"""

import hashlib
from collections.abc import Mapping

import msgspec

from remediations.policies import Scalar

_DIGITS = 32  # 128 bits: no collision to fear, and short enough for a file name and a table column


def incident_id(host: str, episode: int) -> str:
    """Name the host's incident number `episode` (counted from 1 by the ledger), 32 hex digits."""
    return _digest("incident", host, episode)


def fleet_id(group: str, episode: int) -> str:
    """Name the group's fleet event number `episode` (counted from 1 by the ledger), 32 hex digits."""
    return _digest("fleet", group, episode)


def action_id(incident: str, playbook: str, playbook_digest: str, inputs: Mapping[str, Scalar], attempt: int) -> str:
    """Name one attempt to run one exact playbook with these inputs for one incident, 32 hex digits."""
    return _digest("action", incident, playbook, playbook_digest, dict(inputs), attempt)


def _digest(*parts: object) -> str:
    canonical = msgspec.json.encode(parts, order="sorted")
    return hashlib.sha256(canonical).hexdigest()[:_DIGITS]
