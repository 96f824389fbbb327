"""Tidegate's own log: one event name and its fields a line, on standard error, by structlog."""

import logging
import sys
from typing import Literal

import structlog


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
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(is_worth_telling)
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
