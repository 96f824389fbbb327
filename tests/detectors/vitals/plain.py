"""The host detector in plain Python, as slow and as clear as can be: what the kernel must equal to rounding."""

import math

import numpy as np

NORMAL_AT_QUANTILE, CAP, LARGEST = 2.8, 6.0, 20.0


class Tail:
    """Quantile and mean excess of the sizes of one metric's deviations in one view."""

    def __init__(self) -> None:
        self.quantile = self.spread = self.excess = self.exceedances = 0.0

    def reach(self, floor: float) -> float:
        """How large a deviation is learned at most."""
        if self.exceedances <= 20:
            return math.inf
        return max(self.quantile, floor) + 5.0 * max(self.excess, floor)

    def score(self, size: float, floor: float) -> float:
        """Normal score of a deviation of this size."""
        quantile = max(self.quantile, floor)
        if quantile <= 0.0:
            return 0.0 if size == 0.0 else LARGEST
        if size <= quantile:
            return NORMAL_AT_QUANTILE * size / quantile
        return min(math.sqrt(NORMAL_AT_QUANTILE**2 + 2.0 * (size - quantile) / max(self.excess, floor)), LARGEST)

    def learn(self, size: float, limit: float, share: float, rate: float, quick: float) -> None:
        """Move quantile and mean excess."""
        above = size - self.quantile
        self.spread += rate * (min(abs(above), limit) - self.spread)
        if above <= 0.0:
            self.quantile = max(0.0, self.quantile - quick * self.spread * (1.0 - share))
            return
        if self.exceedances > 20 and self.excess > 0.0:
            above = min(above, 5.0 * self.excess)
        self.exceedances = min(self.exceedances + 1.0, 250.0)
        self.excess += max(0.02, 1.0 / self.exceedances) * (above - self.excess)
        self.quantile += quick * self.spread * share


class Metric:
    """One metric: its three views and the novelty of its jumps."""

    def __init__(self) -> None:
        self.first = math.nan
        self.whole = True
        self.unit = self.seen = self.absent = self.low = self.high = 0.0
        self.mean = self.fast = self.previous = self.blame = self.every = 0.0
        self.tails = [Tail(), Tail(), Tail()]
        self.novel = Tail()
        self.ring: dict[int, float] = {}
        self.here = self.counts = False
        self.deviations = [0.0, 0.0, 0.0]
        self.z = [0.0, 0.0, 0.0]
        self.large = [0.0, 0.0]
        self.distance = self.surprise = self.weight = self.x = self.pause = 0.0

    def floor(self) -> float:
        """Three percent of the range; of a count its root, or half of few."""
        count = abs(self.first + self.unit * self.mean)
        least = min(math.sqrt(count), count / 2) / self.unit if self.whole and self.unit else 0.0
        return max(0.03 * (self.high - self.low), least)

    def observe(self, value: float, rows: float) -> None:
        """Judge one value against what was learned before it."""
        self.here, self.counts, self.z, self.deviations = False, False, [0.0] * 3, [0.0] * 3
        if not math.isfinite(value):
            self.absent += rows
            return
        self.here, self.counts = True, self.seen >= 300
        if math.isnan(self.first):
            self.first = value
        self.whole = self.whole and value == int(value)
        if self.unit == 0.0:
            self.unit = abs(value - self.first)
        self.x = 0.0 if self.unit == 0.0 else (value - self.first) / self.unit
        if self.seen >= 20 and self.high > self.low:
            reach = 3.0 * (self.high - self.low)
            self.x = min(max(self.x, self.low - reach), self.high + reach)
        self.pause = self.absent + rows
        if self.seen > 0:
            self.deviations[0] = self.x - self.mean
            if not self.after_gap():
                self.deviations[1:] = [self.x - self.fast, self.x - self.previous]
        large = [tail.score(abs(d), self.floor()) for tail, d in zip(self.tails, self.deviations, strict=True)]
        self.large = large[:2]
        self.z = [math.copysign(min(z, CAP), d) for z, d in zip(large, self.deviations, strict=True)]

    def after_gap(self) -> bool:
        """Whether the value is a new start."""
        return self.pause > 10.0 * max(self.every, 1.0)

    def look_for_jump(self) -> None:
        """Distance of the jump to the nearest remembered, and how surprising that is."""
        self.distance = self.surprise = 0.0
        known = [jump for jump in self.ring.values() if not math.isnan(jump)]
        if not self.here or not known or self.seen <= 12:
            return
        nearest = min(abs(jump - self.deviations[2]) for jump in known)
        self.distance = nearest if nearest > 1e-3 * (self.high - self.low) else 0.0
        above = self.distance - self.novel.quantile
        if self.counts and above > 0.0:
            beyond = 0.4343 * above / self.novel.excess if self.novel.excess > 0.0 else math.inf
            self.surprise = min(2.0 + beyond, 10.0)

    def follow(self) -> None:
        """Fast mean and previous value."""
        fresh = self.seen == 0 or self.after_gap()
        self.fast = self.x if fresh else self.fast + 0.3 * self.deviations[1]
        self.previous, self.absent = self.x, 0.0

    def learn(self, slot: int, a_day: float) -> None:
        """Everything else."""
        age = 1.0 / (self.seen + 1.0)
        self.novel.learn(self.distance, math.inf, 0.99, max(0.001, age), max(0.01, age))
        self.ring[slot] = self.deviations[2]
        own = a_day / max(self.every, 1.0)
        share, floor = 1.0 - min(5.0 / own, 0.2), self.floor()
        self.weight = max(1.0 / (7.0 * own), 1.0 / (self.seen + 2.0))
        limit = self.tails[0].reach(floor)
        step = self.weight * math.copysign(min(abs(self.deviations[0]), limit), self.deviations[0])
        for tail, deviation in zip(self.tails, self.deviations, strict=True):
            rate, quick = max(0.5 / own, age), max(5.0 / own, age)
            tail.learn(abs(deviation), tail.reach(floor), share, rate, quick)
        if self.seen == 0:
            self.mean = self.low = self.high = self.x
        usual = max(self.every, 1.0)
        self.every = usual + 0.05 * (min(self.pause, 10.0 * usual) - usual)
        self.mean += step
        self.low, self.high = min(self.low, self.x), max(self.high, self.x)
        self.seen += 1.0


class PlainHost:
    """One block of metrics."""

    def __init__(self, metrics: int) -> None:
        self.metrics = [Metric() for _ in range(metrics)]
        self.covariance = [np.eye(metrics), np.eye(metrics)]
        self.inverse = [np.eye(metrics), np.eye(metrics)]
        self.time = self.interval = self.novelty = self.short = self.long = 0.0
        self.rows = 0

    def step(self, time: float, values: list[float], *, learns: bool = True) -> tuple[float, float, list[float]]:
        """Score, then learn, one row: score, anomaly, blames."""
        a_day = 86_400.0 / self.interval if self.interval > 0.0 else 86_400.0
        gap = max(time - self.time, 0.0)
        rows = gap / self.interval if self.rows and self.interval > 0.0 else 1.0
        for metric, value in zip(self.metrics, values, strict=True):
            metric.observe(value, rows)
            metric.look_for_jump()
        strength = self.strength(a_day)
        self.short += 0.6 * (strength - self.short)
        self.long += 0.15 * (strength - self.long)
        self.blame()
        for metric in self.metrics:
            if metric.here:
                metric.follow()
        if learns:
            self.learn(a_day)
        self.keep_pace(time)
        self.rows += learns
        return self.long ** (1 / 3), self.short ** (1 / 3), [metric.blame for metric in self.metrics]

    def strength(self, a_day: float) -> float:
        """The cube of the row's statistic."""
        active = sum(metric.counts and metric.high > metric.low for metric in self.metrics)
        top = sorted((metric.surprise for metric in self.metrics), reverse=True)[:3]
        self.novelty += 0.33 * (sum(top) / 3.0 - self.novelty)
        if not active:
            return 0.0
        jumps = math.exp(0.2 * (self.novelty - math.log10(a_day * active) + 3.5))
        lengths = [math.log(math.sqrt(self.length(view) / active) + 0.05) for view in (0, 1)]
        squares = [sum(m.z[view] ** 2 for m in self.metrics if m.counts) for view in (1, 2)]
        moved = [math.log(math.sqrt(square / active) + 0.05) for square in squares]
        pace = math.sqrt(2.0 * math.log(max(a_day, 10.0))) / 3.6
        one = max(math.exp(sum(lengths) / 2) / 1.6 * jumps, math.exp(sum(moved) / 2) / 2.6)
        return float(min(one / pace, 20.0) ** 3)

    def filled(self, view: int) -> np.ndarray:
        """The scores of a view; what is absent as the others let expect."""
        inverse = self.inverse[view]
        scores = np.array([metric.z[view] if metric.counts else 0.0 for metric in self.metrics])
        absent = [i for i, metric in enumerate(self.metrics) if not metric.here]
        for _ in range(3):
            for i in absent:
                scores[i] = -(inverse[i] @ scores - inverse[i, i] * scores[i]) / inverse[i, i]
        return scores

    def length(self, view: int) -> float:
        """Squared Mahalanobis length."""
        scores = self.filled(view)
        return max(float(scores @ self.inverse[view] @ scores), 0.0)

    def blame(self) -> None:
        """Move each metric's blame."""
        inverse = self.inverse[0]
        alone = np.abs(inverse @ self.filled(0)) / np.sqrt(np.diag(inverse))
        for metric, residual in zip(self.metrics, alone, strict=True):
            now = metric.large[0] + 2.0 * metric.large[1] + residual if metric.counts else 0.0
            metric.blame += 0.6 * (now - metric.blame)

    def learn(self, a_day: float) -> None:
        """Metrics, then relations."""
        for metric in self.metrics:
            if metric.here:
                metric.learn(self.rows % 52, a_day)
            else:
                metric.ring[self.rows % 52] = math.nan
        here = np.array([float(metric.here) for metric in self.metrics])
        weights = np.array([metric.weight for metric in self.metrics])
        pairs = np.maximum.outer(weights, weights) * np.outer(here, here)
        for view in (0, 1):
            scores = np.array([metric.z[view] for metric in self.metrics])
            self.covariance[view] += pairs * (np.outer(scores, scores) - self.covariance[view])
            if self.rows % 60 == 0:
                shrunk = self.covariance[view] + np.diag(0.3 * np.diag(self.covariance[view]) + 0.15)
                self.inverse[view] = np.linalg.inv(shrunk)

    def keep_pace(self, time: float) -> None:
        """A running median of the gaps."""
        gap = time - self.time
        if self.rows and gap > 0.0:
            step = 1.0 + max(0.01, 0.5 / self.rows)
            usual = self.interval
            self.interval = gap if usual == 0.0 else min(max(gap, usual / step), usual * step)
        self.time = max(time, self.time) if self.rows else time
