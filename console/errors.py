"""Errors of the console package.

ConsoleError
├── IncidentNotFoundError    no incident, or more than one, is meant by what was typed
├── RunNotFoundError         no run, or more than one, is meant by what was typed
├── LetterNotFoundError      the dead letter has none of the name that was typed
├── DryRunRefusedError       a dry run is not begun: it could change something
├── HostNotFoundError        detect has not spoken of the host that was typed
├── CommandError             nobody has answered a command to detect
└── TypedError               what was typed can not be meant: wrong usage
    └── PlaybookNotFoundError    the folder has no playbook of the name that was typed

The demo has a tree of its own, in `console/demo/errors.py`.
"""


class ConsoleError(Exception):
    """Base of all errors of this package; its text is fit to show to an operator."""


class IncidentNotFoundError(ConsoleError):
    """No incident, or more than one, is meant: the text names what was typed and what may have been meant."""


class RunNotFoundError(ConsoleError):
    """No run, or more than one, is meant: the text names what was typed and what may have been meant."""


class DryRunRefusedError(ConsoleError):
    """A dry run is not begun: the text says what in the playbook could change something."""


class LetterNotFoundError(ConsoleError):
    """The dead-letter topic has no such letter: the text says which ones it has."""


class HostNotFoundError(ConsoleError):
    """Detect has not spoken of this host: the text names what was typed."""


class CommandError(ConsoleError):
    """A command to detect has no answer yet: the text names the hosts, and what to do."""


class TypedError(ConsoleError):
    """What was typed has a wrong form, or names what the files do not have: the text says what was wanted."""


class PlaybookNotFoundError(TypedError):
    """The folder of playbooks has none of this name."""
