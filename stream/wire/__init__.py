"""Wire formats: bytes of a users' topic become samples, or are refused with a reason. Pure functions."""

from stream.wire.arrivals import Decoded, WireLimits
from stream.wire.formats import FORMATS, decode
from stream.wire.refusals import DropReason, Reason, Refusal, Refused

__all__ = ["FORMATS", "Decoded", "DropReason", "Reason", "Refusal", "Refused", "WireLimits", "decode"]
