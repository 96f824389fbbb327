"""Errors of the console package.

ConsoleError
├── IncidentNotFoundError    no incident, or more than one, is meant by what was typed
└── RunNotFoundError         no run, or more than one, is meant by what was typed

The demo has a tree of its own, in `console/demo/errors.py`.
"""


class ConsoleError(Exception):
    """Base of all errors of this package; its text is fit to show to an operator."""


class IncidentNotFoundError(ConsoleError):
    """No incident, or more than one, is meant: the text names what was typed and what may have been meant."""


class RunNotFoundError(ConsoleError):
    """No run, or more than one, is meant: the text names what was typed and what may have been meant."""
