"""A sorted memory of numbers."""

import math
from typing import Final

import numpy as np

from detectors.compiled import LANES, counted, part
from detectors.memory.layout import BLOCK, Floats, Shape

EARLY: Final = 50.0  # rows, nearly all of which are remembered
SLOW: Final = 300.0  # seconds between rows; rarer ones are remembered more often
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX2 = np.uint64(0x94D049BB133111EB)
_LOW24 = np.uint64(0xFFFFFF)
_S24, _S27, _S30, _S31, _S40 = (np.uint64(bits) for bits in (24, 27, 30, 31, 40))


@part
def mixed(z: np.uint64) -> np.uint64:
    """64 bits, well stirred (the finaliser of SplitMix64)."""
    z = (z ^ (z >> _S30)) * _MIX1
    z = (z ^ (z >> _S27)) * _MIX2
    return np.uint64(z ^ (z >> _S31))


@part
def shuffled(seed: int, count: int) -> np.uint64:
    """64 random bits that depend on nothing but their arguments: no generator is part of the state."""
    return mixed(np.uint64(seed) + np.uint64(count) * _GOLDEN)


@part
def below(floats: Floats, start: int, count: int, y: np.float32) -> int:
    """How many of `count` values, a multiple of LANES, are less than y; no branch depends on the values, so the
    processor need not guess.
    """
    found = 0
    for at in range(start, start + count, LANES):
        found += counted(floats, at, y)
    return found


@part
def block_of(floats: Floats, shape: Shape, v: int, y: np.float32) -> int:
    """Where the block begins in which y belongs, in the sorted memory of view v; the two of a small one overlap."""
    start = shape.memories + v * shape.values
    if shape.blocks == 0:
        last = start + shape.values - BLOCK
        return last if floats[last] < y else start
    return start + max(below(floats, shape.firsts + v * shape.blocks, shape.blocks, y) - 1, 0) * BLOCK


@part
def place(floats: Floats, block: int, y: np.float32) -> int:
    """Where y belongs in a memory: the first place whose value is not less, given its block."""
    return block + below(floats, block, BLOCK, y)


@part
def nearest(floats: Floats, start: int, count: int, y: np.float32, at: int) -> float:
    """The remembered value nearest to y, which belongs at place `at`; count is at least 1."""
    if at == start:
        return float(floats[start])
    if at == start + count:
        return float(floats[at - 1])
    return float(floats[at - 1] if y - floats[at - 1] <= floats[at] - y else floats[at])


@part
def sampled(shape: Shape, weight: float, gap: float) -> float:
    """The share of such rows that is remembered as a sample of the past. A row that comes `gap` seconds after the last
    stands for those that could have come: a memory spans the same weeks whether rows come every five minutes or more
    seldom.
    """
    return weight * max(gap / SLOW, 1.0) / shape.thin


@part
def thinned(bits: np.uint64, usual: float, age: float) -> bool:
    """Whether a row that is nothing special is remembered all the same, as a sample of the past: so are nearly all of
    the first rows, later the share `usual`.
    """
    return float(bits >> _S40) / 16777216.0 < max(usual, EARLY / age)


@part
def spared(floats: Floats, shape: Shape, start: int, count: int, bits: np.uint64) -> int:
    """Which place is forgotten: of some random candidates the one whose neighbours are nearest to each other. One
    candidate makes a memory that follows the last weeks, many make one that covers all it ever saw.
    """
    chosen, least, drawn = -1, math.inf, np.uint64(bits)
    for _ in range(shape.candidates):
        at = start + int(((drawn & _LOW24) * np.uint64(count)) >> _S24)
        room = math.inf
        if start < at < start + count - 1:
            room = float(floats[at + 1]) - float(floats[at - 1])
        if chosen < 0 or room < least:
            chosen, least = at, room
        drawn = mixed(drawn)
    return chosen


@part
def remember(floats: Floats, shape: Shape, v: int, count: int, y: np.float32, at: int, bits: np.uint64) -> int:
    """Put y at its place; a full memory forgets another value for it. Returns how many are remembered now."""
    start = shape.memories + v * shape.values
    gone = spared(floats, shape, start, count, bits) if count == shape.values else start + count
    if gone < at:
        at -= 1
        some = floats[gone : at + 1]
        for j in range(len(some) - 1):
            some[j] = some[j + 1]
    else:
        some = floats[at : gone + 1]
        for j in range(len(some) - 1, 0, -1):
            some[j] = some[j - 1]
    floats[at] = y
    for block in range((min(gone, at) - start) // BLOCK, min((max(gone, at) - start) // BLOCK + 1, shape.blocks)):
        floats[shape.firsts + v * shape.blocks + block] = floats[start + block * BLOCK]
    return min(count + 1, shape.values)
