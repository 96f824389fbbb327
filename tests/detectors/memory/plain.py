"""The memory detector once more in plain Python: slow, one number at a time, and easy to check by eye."""

import bisect
import math
import struct
from typing import NamedTuple

from detectors.memory import alarm, kernel, layout, remembered, tail, views
from detectors.memory.profiles import Profile

BITS = (1 << 64) - 1


def single(number: float) -> float:
    """The number as a 32-bit float keeps it."""
    return struct.unpack("f", struct.pack("f", number))[0]


def shuffled(seed: int, count: int) -> int:
    """SplitMix64 of a counter."""
    return mixed((seed + count * 0x9E3779B97F4A7C15) & BITS)


def mixed(z: int) -> int:
    """Its finaliser."""
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & BITS
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & BITS
    return z ^ (z >> 31)


class Told(NamedTuple):
    """What one sample is told."""

    score: float
    ranking: float
    turn: float
    votes: list[float]


class PlainTail:
    """The calibration of one view."""

    def __init__(self) -> None:
        self.quantile = self.spread = self.excess = self.exceedances = 0.0

    def probability(self, distance: float, reach: float) -> float:
        """-log10 of the tail probability."""
        if distance <= self.quantile:
            return 0.0
        p = tail.P_MAXIMUM
        if self.excess > 0.0:
            p = min(-math.log10(tail.SHARE) + (distance - self.quantile) / self.excess / math.log(10.0), p)
        return p * (distance / (distance + tail.MATERIAL * reach))

    def calibrate(self, distance: float, weight: float, age: float) -> bool:
        """Learn; whether it was a surprise."""
        share = min(max(tail.SHARE * weight, 1.0 / (age + 1.0)), tail.SHARE)
        if age == 0.0:
            self.quantile = single(distance)
        quantile = distance if age == 0.0 else self.quantile
        above = distance - quantile
        rate = max(tail.SPREAD_RATE, 1.0 / (age + 1.0))
        self.spread = single(self.spread + rate * (abs(above) - self.spread))
        step = max(tail.STEP_RATE, 1.0 / (age + 1.0)) * self.spread
        self.quantile = single(quantile + step * (1.0 - share) if above > 0.0 else max(quantile - step * share, 0.0))
        if above > 0.0:
            self.exceedances = min(self.exceedances + 1.0, tail.EXCEEDANCES_MAXIMUM)
            if self.exceedances > tail.CLIP_AFTER and self.excess > 0.0:
                above = min(above, tail.CLIP * self.excess)
            rate = max(tail.EXCESS_RATE, 1.0 / self.exceedances)
            self.excess = single(self.excess + rate * (above - self.excess))
            return True
        return False


class PlainView:
    """One view: a sorted list and a calibration."""

    def __init__(self, profile: Profile) -> None:
        self.memory: list[float] = []
        self.profile = profile
        self.tail = PlainTail()

    def step(self, y: float, rows: float, weight: float, gap: float, bits: int, *, learns: bool) -> float:
        """Score, then learn."""
        cal = rows - kernel.SETTLE - kernel.WARM
        distance = min((abs(y - known) for known in self.memory), default=0.0)
        vote = 0.0
        if cal >= tail.QUIET:
            vote = single(self.tail.probability(distance, self.memory[-1] - self.memory[0]))
        if learns:
            keep = self.tail.calibrate(distance, weight, cal) if cal >= 0.0 else True
            usual = weight * max(gap / remembered.SLOW, 1.0) / self.profile.thin
            past = max(usual, remembered.EARLY / (rows - kernel.SETTLE + 1.0))
            if keep or (bits >> 40) / 2**24 < past:
                if len(self.memory) == self.profile.values:
                    del self.memory[self.spared(bits)]
                bisect.insort(self.memory, y)
        return vote

    def spared(self, bits: int) -> int:
        """Of some random places the one whose neighbours are nearest to each other."""
        inner = [after - before for before, after in zip(self.memory[:-2], self.memory[2:], strict=True)]
        room = [math.inf, *inner, math.inf]
        places = []
        for _ in range(self.profile.candidates):
            places.append((bits & 0xFFFFFF) * self.profile.values >> 24)
            bits = mixed(bits)
        return min(places, key=lambda place: room[place])


class PlainAlarm:
    """Threshold, refractory level, own history."""

    def __init__(self) -> None:
        self.raised, self.calm, self.recent = False, 0, 0.0
        self.peaks = [0.0] * layout.RANK

    def step(self, score: float, weight: float, gap: float) -> float:
        """What happens at this row."""
        half = max(weight / alarm.HALF_ROWS, gap / alarm.HALF_SECONDS)
        self.recent = single(self.recent * 2.0**-half)
        slow = 2.0 ** -max(weight / alarm.LONG_ROWS, gap / alarm.LONG_SECONDS)
        self.peaks = [single(peak * slow) for peak in self.peaks]
        new = score > alarm.GAIN * self.recent
        high = score > self.peaks[-1]
        if new and score > alarm.PEAK_LEAST:
            self.peaks = sorted([*self.peaks, single(score)], reverse=True)[: layout.RANK]
        self.recent = single(max(self.recent, score))
        self.calm = self.calm + 1 if score < alarm.CLEAR else 0
        if new and high and score >= alarm.THRESHOLD:
            self.raised, was_raised = True, self.raised
            return alarm.RENEWED if was_raised else alarm.RAISED
        if self.raised and self.calm >= alarm.CALM_ROWS:
            self.raised = False
            return alarm.CLEARED
        return alarm.NONE


class PlainDetector:
    """One series."""

    def __init__(self, profile: Profile, seed: int = 0) -> None:
        self.profile, self.seed = profile, seed
        self.rows, self.time, self.first, self.last = 0, 0.0, 0.0, 0.0
        self.swing = 0.0
        self.means = dict.fromkeys(views.MEANS, 0.0)
        self.week: dict[int, float] = {}
        self.views = {name: PlainView(profile) for name in profile.views}
        self.alarm = PlainAlarm()

    def step(self, time: float, value: float, *, learns: bool = True) -> Told:
        """Score, then learn."""
        if not (math.isfinite(time) and math.isfinite(value)):
            return Told(0.0, 0.0, alarm.NONE, [0.0] * len(self.views))
        rows = self.rows
        gap = max(time - self.time, 0.0)
        weight = min(max((time - self.time) / 60.0, 1.0 / 600.0), 1.0) if rows else 1.0
        x = min(max(value - (self.first if rows else value), -1e30), 1e30)
        terms = self.terms(time, x, weight)
        votes = []
        for number, (name, view) in enumerate(self.views.items()):
            plus, minus = views.VIEWS[name]
            bits = shuffled(self.seed, rows * len(self.views) + number)
            y = single(terms[plus] - terms[minus])
            vote = view.step(y, rows, weight, gap, bits, learns=learns) if rows >= kernel.SETTLE else 0.0
            votes.append(0.0 if minus == "week" and y == 0.0 else vote)
        score = math.sqrt(sum(p * p for p in votes) / len(votes))
        if learns:
            self.follow(time, value, terms)
        self.time, self.last = max(time, self.time) if rows else time, x
        return Told(score, sum(votes) / len(votes), self.alarm.step(score, weight, gap), votes)

    def terms(self, time: float, x: float, weight: float) -> dict[str, float]:
        """What the views are differences of."""

        def moved(mean: float, to: float, span: float) -> float:
            return mean + max(2.0 * weight / (span + 1.0), 1.0 / (self.rows + 1.0)) * (to - mean)

        previous = self.last if self.rows else x
        return {
            "zero": 0.0,
            "value": x,
            "previous": previous,
            "swing": moved(self.swing, abs(x - previous), views.SWING_ROWS),
            "week": self.week.get(self.slot(time), x),
            **{name: moved(self.means[name], x, views.MEANS[name]) for name in self.means},
        }

    def slot(self, time: float) -> int:
        """The part of the week."""
        return int((time % 604800.0) / 604800.0 * self.profile.slots)

    def follow(self, time: float, value: float, terms: dict[str, float]) -> None:
        """Learn the terms."""
        if self.rows == 0:
            self.first = value
        self.rows += 1
        self.swing = terms["swing"]
        self.means = {name: terms[name] for name in self.means}
        usual = terms["week"]
        self.week[self.slot(time)] = single(usual + views.WEEK_RATE * (terms["value"] - usual))
