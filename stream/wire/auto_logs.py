"""Log records of either form on one topic."""

from detectors.samples import UnreadSample
from stream.wire.arrivals import Arrival, Decoded
from stream.wire.documents import BYTE_ORDER_MARK
from stream.wire.json_logs import decode_json_logs, json_log_signs
from stream.wire.refusals import Refusal
from stream.wire.text_logs import decode_text_logs, text_log_signs


def decode_auto_logs(arrival: Arrival) -> Decoded:
    """JSON if the value begins with a brace, else text."""
    return (decode_json_logs if begins_object(arrival) else decode_text_logs)(arrival)


def auto_log_signs(arrival: Arrival, refusal: Refusal) -> tuple[UnreadSample, ...]:
    """The sign of life in a record of either form that is refused."""
    return (json_log_signs if begins_object(arrival) else text_log_signs)(arrival, refusal)


def begins_object(arrival: Arrival) -> bool:
    """Whether the value begins with a brace."""
    return arrival.value.removeprefix(BYTE_ORDER_MARK).lstrip()[:1] == b"{"
