"""Small reproducible streams of samples, shaped like what a service really reports."""

import math
import random
from collections.abc import Iterator

from detectors.samples import LogSample, MetricSample, Sample, Source

START = 1_700_000_000.0


def seeded(seed: int) -> random.Random:
    """Reproducible noise."""
    return random.Random(seed)  # noqa: S311 - noise for tests, not a secret


class Service:
    """A busy service: autocorrelated load, heavy-tailed latency, whole numbers, a counter, mostly-zero errors."""

    def __init__(self, seed: int) -> None:
        self.random = seeded(seed)
        self.load = 0.0
        self.rss = 50e6
        self.total = 0.0

    def values(self, *, fault: bool = False) -> dict[str, float]:
        """One row; a fault triples latency and adds CPU, threads and errors."""
        rng = self.random
        self.load = 0.95 * self.load + rng.gauss(0.0, 0.2)
        if rng.random() < 0.05:
            self.rss += rng.randrange(1, 40) * 4096.0
        p50 = 4.0 * math.exp(0.3 * self.load + 0.15 * rng.gauss(0.0, 1.0)) * (3.0 if fault else 1.0)
        requests = max(0.0, rng.gauss(20.0, 2.0))
        self.total += int(requests)
        return {
            "cpu": round(max(0.0, 8.0 * math.exp(0.3 * self.load) + rng.gauss(0.0, 2.0)) + 40.0 * fault, 1),
            "rss": self.rss,
            "threads": 6.0 + 20.0 * fault + (rng.random() < 0.01),
            "fds": 14.0 + min(5, int(rng.expovariate(2.0))),
            "p50": p50,
            "p95": p50 * (1.3 + 0.5 * (rng.paretovariate(2.5) - 1.0)),
            "requests": requests,
            "total": self.total,
            "errors": float(rng.random() < 0.005) + 5.0 * rng.random() * fault,
        }

    def restart(self) -> None:
        """The process begins anew: memory and counters drop."""
        self.rss, self.total = 38e6, 0.0


def metric(host: str, number: int, values: dict[str, float], seconds: float = 0.5) -> MetricSample:
    """The numbered metric record of a host, one every `seconds`."""
    return MetricSample(host, START + number * seconds, values, Source("metrics", 0, number))


def log(host: str, number: int, time: float, level: str) -> LogSample:
    """The numbered log record of a host."""
    return LogSample(host, time, level, "something happened", Source("logs", 0, number))


def fleet(seed: int, rows: int, hosts: int = 2, fault: range = range(0)) -> Iterator[Sample]:
    """Rows of some hosts with their log lines; host `web-0` is ill in the rows of `fault` and restarts after it."""
    services = [Service(seed * 100 + host) for host in range(hosts)]
    for row in range(rows):
        for host, service in enumerate(services):
            ill = host == 0 and row in fault
            if host == 0 and len(fault) and row == fault.stop:
                service.restart()
            number = row * hosts + host
            sample = metric(f"web-{host}", row, service.values(fault=ill))
            yield MetricSample(sample.host, sample.time, sample.values, Source("metrics", 0, number))
            if service.random.random() < 0.5 or ill:
                yield log(f"web-{host}", number, sample.time, "error" if ill else "info")
