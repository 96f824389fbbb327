"""Errors of the detectors package.

DetectorError
├── RowError             saved bytes of a host's row can not be used
└── SettingsError        settings name a detector that does not exist
"""


class DetectorError(Exception):
    """Base of all errors of this package; its text is fit to show to an operator."""


class RowError(DetectorError):
    """Saved bytes of a host's row can not be used: damaged, or of another version."""


class SettingsError(DetectorError):
    """Settings name a detector that does not exist: the text names it and those that do."""
