"""Why a record is refused, and why a value of it is left out: closed sets for headers, metric labels and test names."""

import enum

import msgspec

from detectors.samples import UnreadSample
from stream.errors import StreamError

SHOWN_CHARACTERS = 80


class Reason(enum.Enum):
    """Why a record goes to the dead letter. docs/wire-formats.md says it in the user's words."""

    TOMBSTONE = "tombstone"
    OVERSIZE = "oversize"
    NOT_UTF8 = "not_utf8"
    MALFORMED = "malformed"
    TOO_DEEP = "too_deep"
    TOO_MANY_FIELDS = "too_many_fields"
    TOO_MANY_TAGS = "too_many_tags"
    BAD_NAME = "bad_name"
    NO_HOST = "no_host"
    BAD_HOST = "bad_host"
    NO_TIME = "no_time"
    BAD_TIME = "bad_time"
    TOO_OLD = "too_old"
    IN_FUTURE = "in_future"
    NO_VALUES = "no_values"
    NO_MESSAGE = "no_message"


class DropReason(enum.Enum):
    """Why one value is left out while the rest of its record is used."""

    NULL = "null"
    NAN = "nan"
    INFINITE = "infinite"
    TEXT = "text"
    NESTED = "nested"
    BAD_NAME = "bad_name"


class Refusal(msgspec.Struct, frozen=True):
    """A reason with what was found, in words; the text is ASCII, short, and free of control characters."""

    reason: Reason
    detail: str


class Refused(StreamError):  # noqa: N818 not a fault of ours: an expected result
    """A record can not be read: it belongs in the dead letter, with `reason` and `detail`.

    `signs` are signs of life of the hosts that it names.
    """

    def __init__(self, reason: Reason, detail: str, signs: tuple[UnreadSample, ...] = ()) -> None:
        super().__init__(f"{reason.value}: {detail}")
        self.reason = reason
        self.detail = detail
        self.signs = signs

    @property
    def refusal(self) -> Refusal:
        """The same as a value."""
        return Refusal(self.reason, self.detail)


def shown(value: object, characters: int = SHOWN_CHARACTERS) -> str:
    """A hostile value as short ASCII text without control characters, for error texts."""
    text = ascii(value)
    return text if len(text) <= characters else text[:characters] + "..."
