"""Errors of the console package.

ConsoleError
├── IncidentNotFoundError    no incident, or more than one, is meant by what was typed
├── RunNotFoundError         no run, or more than one, is meant by what was typed
├── PlaybookNotFoundError    the folder has no playbook of the name that was typed
├── DryRunRefusedError       a dry run is not begun: wrong words, or it could change something
├── LetterNotFoundError      the dead letter has none of the name that was typed
├── HostNotFoundError        detect has not spoken of the host that was typed
└── CommandError             a command to detect is wrong as typed, or nobody has answered it

The demo has a tree of its own, in `console/demo/errors.py`.
"""


class ConsoleError(Exception):
    """Base of all errors of this package; its text is fit to show to an operator."""


class IncidentNotFoundError(ConsoleError):
    """No incident, or more than one, is meant: the text names what was typed and what may have been meant."""


class RunNotFoundError(ConsoleError):
    """No run, or more than one, is meant: the text names what was typed and what may have been meant."""


class PlaybookNotFoundError(ConsoleError):
    """The folder of playbooks has none of this name."""


class DryRunRefusedError(ConsoleError):
    """A dry run is not begun: the text says what is wrong with what was typed or with the playbook."""


class LetterNotFoundError(ConsoleError):
    """The dead-letter topic has no such letter: the text says which ones it has."""


class HostNotFoundError(ConsoleError):
    """Detect has not spoken of this host: the text names what was typed."""


class CommandError(ConsoleError):
    """A command to detect is wrong as it was typed, or has no answer yet: the text names the hosts, and what to do."""
