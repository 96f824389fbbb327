"""What the detectors are fed: readings of one host, already cleaned and keyed by host, and signs of life."""

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
    `cpu.usage_idle{cpu=cpu-total}` to a finite number in the producer's unit; `arrived` is when it was read from the
    producer's topic, by our clock (epoch seconds, 0 if that is not known).
    """

    host: str
    time: float
    values: dict[str, float]
    source: Source
    arrived: float = 0.0


class LogSample(msgspec.Struct, frozen=True, tag="log", tag_field="type"):
    """One log line of one host.

    `level` is one of trace, debug, info, warn, error, fatal; `message` has no control characters; `arrived` as above.
    """

    host: str
    time: float
    level: str
    message: str
    source: Source
    arrived: float = 0.0


class UnreadSample(msgspec.Struct, frozen=True, tag="unread", tag_field="type"):
    """A sign of life: a record that named a host and gave no reading, with the reason.

    `time` is the event's own time (epoch seconds, 0 if it could not be read), `arrived` when it was read. `is_guess`:
    the record is damaged, so that its host is guessed: good enough for a host that is known.
    """

    host: str
    time: float
    reason: str
    detail: str
    source: Source
    arrived: float = 0.0
    is_guess: bool = False


type Sample = MetricSample | LogSample | UnreadSample
