"""How much of the detector a series gets, and where a row of its state keeps what."""

import zlib
from typing import Final

import msgspec
import numpy as np

from detectors.compiled import LANES
from detectors.memory.layout import ALARM_SIZE, BLOCK, MEANS_START, TAIL_SIZE, Shape
from detectors.memory.views import MEANS, TERMS, VIEWS


class Profile(msgspec.Struct, frozen=True):
    """A set of views and a kind of memory; all else is the same in every profile.

    Parameters:
        name: What settings call it.
        views: Names of rows of `views.VIEWS`; "value" must be among them, it is what evidence is told by.
        values: How many numbers each view remembers: 16 to 32, which are searched as two blocks that overlap, or a
            multiple of 128, searched by blocks of 16; ValueError otherwise.
        candidates: Of how many random ones the most dispensable is forgotten. 1: the memory follows the last weeks.
            More: it covers the range of all it ever saw, which a small memory needs.
        thin: Of the rows that surprise nobody, one in so many is remembered; more of rows over five minutes apart.
        slots: Parts of a week that are remembered, for the view "off week".
    """

    name: str
    views: tuple[str, ...]
    values: int
    candidates: int
    thin: int
    slots: int = 0

    def __post_init__(self) -> None:
        """Refuse a memory that the kernels would read beyond its end."""
        if not BLOCK <= self.values <= 2 * BLOCK and (self.values < 1 or self.values % (BLOCK * LANES)):
            wanted = f"{BLOCK} to {2 * BLOCK}, or a multiple of {BLOCK * LANES}"
            raise ValueError(f"profile {self.name!r}: values: {self.values}, wanted {wanted}")

    def means(self) -> tuple[str, ...]:
        """The exponential means that the views need."""
        used = {term for name in self.views for term in VIEWS[name]}
        return tuple(name for name in MEANS if name in used)

    def shape(self, seed: int = 0) -> Shape:
        """For the kernels."""
        terms = [*TERMS[: -len(MEANS)], *self.means()]
        firsts = ALARM_SIZE + len(self.views) * TAIL_SIZE
        blocks = self.values // BLOCK if self.values > 2 * BLOCK else 0
        memories = firsts + len(self.views) * blocks
        return Shape(
            seed=seed,
            plus=np.array([terms.index(VIEWS[name].plus) for name in self.views]),
            minus=np.array([terms.index(VIEWS[name].minus) for name in self.views]),
            windows=np.array([MEANS[name] for name in self.means()], np.int64),
            values=self.values,
            candidates=self.candidates,
            thin=self.thin,
            slots=self.slots,
            blocks=blocks,
            skip=2 * (MEANS_START + len(self.means())),
            firsts=firsts,
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


FULL: Final = Profile("full", tuple(VIEWS), values=384, candidates=1, thin=15, slots=336)
LEAN: Final = Profile("lean", ("value", "12 off 48", "swing"), values=30, candidates=16, thin=50)
PROFILES: Final = {profile.name: profile for profile in (FULL, LEAN)}
