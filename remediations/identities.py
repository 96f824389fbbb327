"""Deterministic names: the same facts give the same id on every engine and after every restart.

That is what makes a repeated signal, a replayed log or a second engine harmless: they name what exists already.
Episodes begin at 1 in every audit log, so ids end with the identity of their log, made by the first engine that starts
on it. Logs of versions that knew none have ids without it.
"""

import hashlib
import secrets
from collections.abc import Mapping

import msgspec

from remediations.policies import Scalar

_DIGITS = 32  # 128 bits: no collision to fear, and short enough for a file name and a table column


def new_log_identity() -> str:
    """Make the identity of an audit log that has none yet, 8 hex digits."""
    return secrets.token_hex(4)


def incident_id(host: str, episode: int, log: str = "") -> str:
    """Name the host's incident number `episode` (counted from 1 by the ledger), 32 hex digits and the log's."""
    return _digest("incident", host, episode) + log


def fleet_id(group: str, episode: int, log: str = "") -> str:
    """Name the group's fleet event number `episode` (counted from 1 by the ledger), 32 hex digits and the log's."""
    return _digest("fleet", group, episode) + log


def action_id(incident: str, playbook: str, playbook_digest: str, inputs: Mapping[str, Scalar], attempt: int) -> str:
    """Name one attempt to run one exact playbook with these inputs for one incident.

    32 hex digits, behind them the identity of the log in which the incident is, as its id has it: a marker on a target
    tells by it which log it is of.
    """
    digest = _digest("action", incident[:_DIGITS], playbook, playbook_digest, dict(inputs), attempt)
    return digest + incident[_DIGITS:]


def _digest(*parts: object) -> str:
    canonical = msgspec.json.encode(parts, order="sorted")
    return hashlib.sha256(canonical).hexdigest()[:_DIGITS]
