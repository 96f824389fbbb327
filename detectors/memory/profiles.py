"""How much of the detector a series gets, and where a row of its state keeps what."""

import zlib
from typing import Final

import msgspec
import numpy as np

from detectors.memory.layout import ALARM_SIZE, MEANS_START, TAIL_SIZE, Shape
from detectors.memory.views import MEANS, TERMS, VIEWS


class Profile(msgspec.Struct, frozen=True):
    """A set of views and a size of memory.

    `values` numbers are remembered per view; `slots` parts of a week are remembered for the view "off week", if it is
    among the views. All else is the same in every profile.
    """

    name: str
    views: tuple[str, ...]
    values: int
    slots: int = 0

    def means(self) -> tuple[str, ...]:
        """The exponential means that the views need."""
        used = {term for name in self.views for term in VIEWS[name]}
        return tuple(name for name in MEANS if name in used)

    def shape(self, seed: int = 0) -> Shape:
        """For the kernels."""
        terms = [*TERMS[: -len(MEANS)], *self.means()]
        memories = ALARM_SIZE + len(self.views) * TAIL_SIZE
        return Shape(
            seed=seed,
            plus=np.array([terms.index(VIEWS[name].plus) for name in self.views]),
            minus=np.array([terms.index(VIEWS[name].minus) for name in self.views]),
            windows=np.array([MEANS[name] for name in self.means()]),
            values=self.values,
            slots=self.slots,
            skip=2 * (MEANS_START + len(self.means())),
            memories=memories,
            week=memories + len(self.views) * self.values,
        )

    def words(self) -> int:
        """The 64-bit words of a row."""
        shape = self.shape()
        return (shape.skip + shape.week + shape.slots + 1) // 2

    def stamp(self) -> int:
        """A checksum of the layout: state of another layout is not this profile's."""
        layout = [(name, *VIEWS[name]) for name in self.views], self.values, self.slots, self.words()
        return zlib.crc32(repr(layout).encode())


FULL: Final = Profile("full", tuple(VIEWS), values=384, slots=336)
LEAN: Final = Profile("lean", ("value", "smooth", "off 48"), values=29)
PROFILES: Final = {profile.name: profile for profile in (FULL, LEAN)}
