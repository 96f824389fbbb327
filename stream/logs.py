"""Tidegate's own log: one event name and its fields a line, on standard error, by structlog."""

import logging
import sys
import time
from collections.abc import Callable
from typing import Literal

import structlog
from aiokafka.errors import GroupCoordinatorNotAvailableError

from stream.limits import LimitedHandler

COORDINATOR_LOGGER = "aiokafka.consumer.group_coordinator"
# Longer than Kafka takes to make its topic of offsets, which it does when the first group asks for its coordinator.
COORDINATOR_SECONDS = 30.0
# The client asks ten times a second: after so long without a complaint the next one is about a new trouble.
COORDINATOR_QUIET_SECONDS = 10.0


def configure_logs(log_format: Literal["json", "console"], level: int = logging.INFO, **context: str) -> None:
    """Send structlog's events and the log lines of libraries through one chain; `context` is put on every line."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="@timestamp"),
        structlog.processors.format_exc_info,
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = LimitedHandler(sys.stderr)
    handler.addFilter(is_worth_telling)
    handler.addFilter(CoordinatorPatience().judge)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # Both libraries tell every rebalance in dozens of lines; their warnings are what an operator needs.
    for chatty in ("aiokafka", "faust", "mode"):
        logging.getLogger(chatty).setLevel(max(level, logging.WARNING))
    structlog.contextvars.bind_contextvars(**context)


def is_worth_telling(record: logging.LogRecord) -> bool:
    """Whether a line is more than Faust's telling that one of its many services starts or stops."""
    return record.levelno >= logging.WARNING or not str(record.msg).startswith("[^")


class CoordinatorPatience:
    """Judges what the client says of a coordinator of groups that is not there yet: a new Kafka first has to make it.

    The client calls that an error each time it asks. It is kept back for COORDINATOR_SECONDS; then it is a warning.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: float | None = None
        self._last = 0.0

    def judge(self, record: logging.LogRecord) -> bool:
        """Whether the line is written; of a trouble that lasts, it is made a warning that says for how long."""
        if not is_about_coordinator(record):
            return True
        now = self._clock()
        if self._since is None or now - self._last > COORDINATOR_QUIET_SECONDS:
            self._since = now
        self._last = now
        lasted = now - self._since
        if lasted < COORDINATOR_SECONDS:
            return False
        record.levelno, record.levelname = logging.WARNING, logging.getLevelName(logging.WARNING)
        record.msg, record.args = "Kafka has no coordinator for the consumer group yet, after %.0f s.", (lasted,)
        return True


def is_about_coordinator(record: logging.LogRecord) -> bool:
    """Whether the client's line is about a coordinator that is not available, and about nothing else."""
    arguments = record.args if isinstance(record.args, tuple) else ()
    return record.name == COORDINATOR_LOGGER and any(
        isinstance(argument, GroupCoordinatorNotAvailableError) for argument in arguments
    )
