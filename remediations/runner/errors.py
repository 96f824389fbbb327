"""Errors of the runner.

RemediationError
└── RunnerError
    ├── RunRefusedError     the request can not be run as it is; nothing was started, nothing touched the target
    └── RunLineError        a line of a run process is not one of ours
"""

from remediations.errors import RemediationError


class RunnerError(RemediationError):
    """Base of the runner's errors."""


class RunRefusedError(RunnerError):
    """A request can not be run as it is. `field` names the part of it, `value` what was found there."""

    def __init__(self, field: str, value: object, wanted: str) -> None:
        super().__init__(f"{field} is {shortened(value)}; wanted: {wanted}")
        self.field = field
        self.value = value


class RunLineError(RunnerError):
    """A line of a run process could not be read."""


def shortened(value: object, length: int = 120) -> str:
    """The value as text for a message: control characters escaped, long ones cut."""
    text = ascii(value)
    return text if len(text) <= length else f"{text[:length]}…"
