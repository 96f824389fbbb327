"""Rates of log lines, by level and by template: each a series, but templates are parts of the levels."""

import math
from typing import Final

from detectors.judges.series import SeriesJudge, Weighed, joint
from detectors.memory.alarm import THRESHOLD
from detectors.templates.watch import is_of_templates

SEVERE: Final = ("log.rate{level=error}", "log.rate{level=fatal}")


class LogsJudge(SeriesJudge):
    """As `SeriesJudge`, but many series tell one story: when more lines are written, the rates of their level and of
    their templates rise together. All templates have one voice: the strangest one's, less log10 of their number, as
    the more there are, the likelier one of them is strange.

    It takes three voices. Errors have two, on a host whose logs are known well: they and a template raise an alarm. A
    single line does not: a template counts from its third line on.
    """

    name = "logs"

    def together(self, weighed: list[Weighed], interval_seconds: float) -> float:
        """One score of a host, of its levels' scores and of all templates' one."""
        levels = [one.score for one in weighed if not is_of_templates(one.name)]
        parts = [one.score for one in weighed if is_of_templates(one.name)]
        voice = max(parts, default=0.0) - math.log10(max(self._templates(), 1)) / THRESHOLD
        severe = max((one.score for one in weighed if one.name in SEVERE and one.is_known), default=0.0)
        voice = max(voice, 0.0)
        return max(joint([*levels, voice], interval_seconds), joint([severe, severe, voice], interval_seconds))

    def _templates(self) -> int:
        return sum(is_of_templates(name) for name in self.profiles)
