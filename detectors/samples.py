"""What the detectors are fed: readings of one host, already cleaned and keyed by host."""

import msgspec


class Source(msgspec.Struct, frozen=True, array_like=True, order=True):
    """Where a reading came from: the coordinates of the producer's own record, and the reading's place in it.

    Offsets are comparable within one `life` of the topic: a topic that is made anew counts from 0 again.
    """

    topic: str
    partition: int
    offset: int
    index: int = 0
    life: str = ""

    @property
    def place(self) -> tuple[str, int]:
        """Whose offsets are comparable: topic with its life, and partition."""
        return f"{self.topic}@{self.life}" if self.life else self.topic, self.partition


class MetricSample(msgspec.Struct, frozen=True, tag="metrics", tag_field="type"):
    """The values of some series of one host at one time.

    `time` is the event's own time in epoch seconds; `values` maps a series name such as
    `cpu.usage_idle{cpu=cpu-total}` to a finite number in the producer's unit.
    """

    host: str
    time: float
    values: dict[str, float]
    source: Source


class LogSample(msgspec.Struct, frozen=True, tag="log", tag_field="type"):
    """One log line of one host.

    `level` is one of trace, debug, info, warn, error, fatal; `message` has no control characters.
    """

    host: str
    time: float
    level: str
    message: str
    source: Source


type Sample = MetricSample | LogSample
