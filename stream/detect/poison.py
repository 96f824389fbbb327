"""The one place of the detect role that catches any exception: a record that breaks our code must not stop the flow.

Reading and scoring are functions of the record and the state alone, so there is no second try: it would raise again.
What can fail and later succeed (Kafka) is tried again where it is called (stream/detect/outbox.py).
"""

from collections.abc import Callable

import structlog
from aiokafka import ConsumerRecord

from stream.detect.deadletters import Letter, LetterReason

log = structlog.get_logger()


def guarded[T](work: Callable[[], T], record: ConsumerRecord[bytes, bytes]) -> T | Letter:
    """The result of `work`, which treats `record`; if it raises, the dead letter for the record."""
    try:
        return work()
    except Exception as error:  # any fault of ours, told in the log with its trace
        log.exception("record_failed", topic=record.topic, partition=record.partition, offset=record.offset)
        return Letter(record, LetterReason.PROCESSING_FAILED.value, f"{type(error).__name__}: {error}")
