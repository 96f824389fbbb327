"""Log records of either form on one topic."""

from stream.wire.arrivals import Arrival, Decoded
from stream.wire.documents import BYTE_ORDER_MARK
from stream.wire.json_logs import decode_json_logs
from stream.wire.text_logs import decode_text_logs


def decode_auto_logs(arrival: Arrival) -> Decoded:
    """JSON if the value begins with a brace, else text."""
    is_object = arrival.value.removeprefix(BYTE_ORDER_MARK).lstrip()[:1] == b"{"
    return (decode_json_logs if is_object else decode_text_logs)(arrival)
