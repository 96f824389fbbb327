"""Errors of this package.

RemediationError
└── DocumentError           a file that an operator wrote cannot be used
    ├── PolicyError         the policy file
    ├── PlaybookError       a playbook, its sidecar or its roles
    └── InventoryError      the inventory

Not acting is no error: see `records.DecisionMade` and `ledger.Ruling`.
"""

from pathlib import Path


class RemediationError(Exception):
    """Base of all errors of this package."""


class DocumentError(RemediationError):
    """A file cannot be used. `path` is the place in it, such as `rules[0].mode`, empty for the file as a whole."""

    def __init__(self, file: Path, path: str, problem: str) -> None:
        super().__init__(f"{file}: {path}: {problem}" if path else f"{file}: {problem}")
        self.file = file
        self.path = path
        self.problem = problem


class PolicyError(DocumentError):
    """The policy is not well formed, or asks for something that does not exist."""


class PlaybookError(DocumentError):
    """A playbook, its sidecar or one of its roles is not what its contract says."""


class InventoryError(DocumentError):
    """The inventory is not well formed, or uses a form that is not read here."""
