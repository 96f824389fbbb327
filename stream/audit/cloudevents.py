"""The wire form of audit records: CloudEvents 1.0, structured JSON, one event a Kafka record."""

import datetime as dt
from typing import Literal

import msgspec

from remediations.records import EngineStarted, FleetCleared, FleetRaised, Record, RulesChanged, RulesRefused, Seen

CONTENT_TYPE = "application/cloudevents+json; charset=UTF-8"
HEADERS = [("content-type", CONTENT_TYPE.encode())]
TYPE_PREFIX = "io.tidegate."
TYPE_SUFFIX = ".v1"


class _Envelope(msgspec.Struct, frozen=True):
    """The attributes of an event; extension attributes are lower case as CloudEvents wants them."""

    specversion: Literal["1.0"]
    id: str
    source: str
    type: str
    time: str
    partitionkey: str
    seenoffset: int
    seenchain: str
    data: msgspec.Raw
    datacontenttype: str = "application/json"


class AuditEvent(msgspec.Struct, frozen=True):
    """A decoded event. `record` is None when this version does not know the type."""

    id: str
    source: str
    type: str
    record: Record | None
    seen: Seen


_ENCODER = msgspec.json.Encoder()
_ENVELOPES = msgspec.json.Decoder(_Envelope)
_RECORDS: msgspec.json.Decoder[Record] = msgspec.json.Decoder(Record)
KNOWN_TYPES = frozenset(f"{TYPE_PREFIX}{kind.__struct_config__.tag}{TYPE_SUFFIX}" for kind in Record.__value__.__args__)


def event_type(record: Record) -> str:
    """The CloudEvents type of a record, such as `io.tidegate.run.claimed.v1`."""
    return f"{TYPE_PREFIX}{record.__struct_config__.tag}{TYPE_SUFFIX}"


def partition_key(record: Record) -> str:
    """The Kafka key: the incident; for a record that belongs to none the fleet event, or the engine."""
    match record:
        case EngineStarted() | RulesChanged() | RulesRefused():
            return record.engine
        case FleetRaised() | FleetCleared():
            return record.fleet_id
        case _:
            return record.incident_id


def encode(record: Record, seen: Seen, *, event_id: str, source: str, now: float) -> bytes:
    """The bytes of the event; `now` is the writer's clock in epoch seconds, for people (readers trust the broker's)."""
    time = dt.datetime.fromtimestamp(now, dt.UTC).isoformat(timespec="milliseconds")
    envelope = _Envelope(
        specversion="1.0",
        id=event_id,
        source=source,
        type=event_type(record),
        time=time,
        partitionkey=partition_key(record),
        seenoffset=seen.offset,
        seenchain=seen.chain,
        data=msgspec.Raw(_ENCODER.encode(record)),
    )
    return _ENCODER.encode(envelope)


def decode(value: bytes | None) -> AuditEvent:
    """Read an event. A type that this version does not know gives `record` None.

    Raises msgspec.DecodeError if it is no event, or if the data of a known type is damaged.
    """
    envelope = _ENVELOPES.decode(value or b"")
    record = _RECORDS.decode(envelope.data) if envelope.type in KNOWN_TYPES else None
    if record is not None and event_type(record) != envelope.type:
        raise msgspec.ValidationError(f"event {envelope.id} has type {envelope.type}, but holds {event_type(record)}")
    seen = Seen(envelope.seenoffset, envelope.seenchain)
    return AuditEvent(envelope.id, envelope.source, envelope.type, record, seen)
