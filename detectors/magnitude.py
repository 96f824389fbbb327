"""Numbers of any size that a double holds, in a size that every model can work with.

Models square what they see, and remember it as 32-bit numbers: 1e200 would be infinite there. So a value is modelled as
it is up to `LINEAR`, and beyond that by its logarithm: larger stays larger, nothing is cut off, and the largest double
is modelled as 6.5e29, which 32 bits hold, and of which all squares and differences are finite in 64, where models
reckon. Evidence is told in the series' own unit again.
"""

import math
import sys
from typing import Final

import msgspec

from detectors.signals import SeriesEvidence

LINEAR: Final = 1e27
LARGEST: Final = sys.float_info.max


def folded(value: float) -> float:
    """The value as it is modelled; infinite ones, such as a growth a second may be, count as the largest double.

    Example:
        >>> folded(-3.5), f"{folded(1e28):.2g}", f"{folded(-LARGEST):.2g}"
        (-3.5, '3.3e+27', '-6.5e+29')
    """
    size = abs(value)
    if size <= LINEAR:
        return value
    return math.copysign(LINEAR * (1.0 + math.log(min(size, LARGEST) / LINEAR)), value)


def unfolded(value: float) -> float:
    """The value that is modelled like this, a finite one.

    Example:
        >>> unfolded(-3.5), f"{unfolded(folded(2e300)):.6g}", unfolded(1e99) == LARGEST
        (-3.5, '2e+300', True)
    """
    size = abs(value)
    if not size > LINEAR:
        return value
    power = min(size / LINEAR - 1.0, math.log(LARGEST / LINEAR))
    return math.copysign(min(LINEAR * math.exp(power), LARGEST), value)


def told(evidence: SeriesEvidence) -> SeriesEvidence:
    """What models say of a series, in its own unit."""
    figures = evidence.observed, evidence.expected, evidence.low, evidence.high
    if max(map(abs, figures)) <= LINEAR:
        return evidence
    observed, expected, low, high = map(unfolded, figures)
    return msgspec.structs.replace(evidence, observed=observed, expected=expected, low=low, high=high)
