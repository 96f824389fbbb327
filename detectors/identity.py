"""Deterministic names of signals."""

import hashlib

import msgspec

from detectors.signals import SignalKind, SignalState


def signal_id(kind: SignalKind, state: SignalState, host: str, *place: int) -> str:
    """32 hex digits over kind, state, host and where the signal rests: the same samples give the same id.

    Example:
        >>> signal_id(SignalKind.ANOMALY, SignalState.RAISED, "web-1", 3, 1234)
        'fc7bdfa4b692d6f0e0aa08c4f85b5d63'
    """
    content = msgspec.json.encode([kind.value, state.value, host, *place])
    return hashlib.sha256(content).hexdigest()[:32]
