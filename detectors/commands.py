"""What an operator asks of the model of a host, how it travels to the model, and the answer.

A command becomes an order: a record of the samples topic, keyed by host. So it has its place among the samples: a
replay applies it where it was applied before, and exactly once, like a sample.
"""

import datetime as dt
import enum
from typing import Annotated

import msgspec

from detectors.samples import Source

NAME_LENGTH_MAXIMUM = 512
WORDS_LENGTH_MAXIMUM = 500
TIME_MAXIMUM = 250_000_000_000.0  # epoch seconds, before the year 10000

type HostName = Annotated[str, msgspec.Meta(min_length=1, max_length=NAME_LENGTH_MAXIMUM)]
type CommandId = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
type Who = Annotated[str, msgspec.Meta(min_length=1, max_length=WORDS_LENGTH_MAXIMUM)]
type Time = Annotated[float, msgspec.Meta(ge=0.0, le=TIME_MAXIMUM)]
type Words = Annotated[str, msgspec.Meta(max_length=WORDS_LENGTH_MAXIMUM)]


class _Asked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every command tells: a name of its own, the host, when it was given (epoch seconds), by whom, and why."""

    id: CommandId
    host: HostName
    time: Time
    by: Who
    reason: Words = ""


class ModelReset(_Asked, frozen=True, kw_only=True, tag="model.reset", tag_field="type"):
    """Forget all that was learned of a host; it is young again. Saved states stay."""


class ModelRollback(_Asked, frozen=True, kw_only=True, tag="model.rollback", tag_field="type"):
    """Go back to the newest saved state, or to the newest that is no newer than `to_time` (event time)."""

    to_time: Time | None = None


class MaintenanceStart(_Asked, frozen=True, kw_only=True, tag="maintenance.start", tag_field="type"):
    """Somebody works on the host: nothing is learned before `until` (epoch seconds, event time)."""

    until: Time


class MaintenanceEnd(_Asked, frozen=True, kw_only=True, tag="maintenance.end", tag_field="type"):
    """The work is over before its time."""


type Command = ModelReset | ModelRollback | MaintenanceStart | MaintenanceEnd


class Order(msgspec.Struct, frozen=True, tag="order", tag_field="type"):
    """A command on its way to the worker that owns the host; `source` is its place in the commands topic."""

    host: str
    source: Source
    command: Command


class Refusal(enum.Enum):
    """Why a command was not carried out."""

    EXPIRED = "expired"
    UNKNOWN_HOST = "unknown_host"
    NO_SAVED_STATE = "no_saved_state"
    SAVED_STATE_GONE = "saved_state_gone"
    SAVED_STATE_UNUSABLE = "saved_state_unusable"
    ENDS_IN_THE_PAST = "ends_in_the_past"
    TOO_LONG = "too_long"
    NOT_IN_MAINTENANCE = "not_in_maintenance"


class Answer(msgspec.Struct, frozen=True, tag="answer", tag_field="type"):
    """What became of a command: done, or not done for a named reason; `words` say it to people.

    A replay repeats an answer word for word.
    """

    command: Command
    done: bool
    words: str
    refusal: Refusal | None = None

    @property
    def host(self) -> str:
        """The host that the command is about."""
        return self.command.host


def kind_of(command: Command) -> str:
    """The command's kind, such as `model.reset`."""
    return str(command.__struct_config__.tag)


def told(time: float) -> str:
    """An event time in words, UTC.

    Example:
        >>> told(1_700_000_000.25)
        '2023-11-14T22:13:20.250Z'
    """
    return dt.datetime.fromtimestamp(time, dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
