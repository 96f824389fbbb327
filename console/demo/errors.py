"""Errors of the demo.

DemoError
├── FolderError    the state folder can not be used
├── FleetError     the demo's fleet could not be started or reached
└── ActError       an act of the demo did not come to its end in time
"""


class DemoError(Exception):
    """Base of all errors of the demo; its text is fit to show to a user."""


class FolderError(DemoError):
    """The state folder can not be used: the text names it and says why."""


class FleetError(DemoError):
    """The fleet could not be started or reached: the text names the service and where its log is."""


class ActError(DemoError):
    """An act did not come to its end in time: the text says what was waited for, how long, and where to look."""
