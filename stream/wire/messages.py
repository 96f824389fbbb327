"""Log messages as plain text of bounded length that can do no harm to a terminal or a log file."""

import re

from stream.wire.arrivals import WireLimits
from stream.wire.refusals import Reason, Refused

# Possessive throughout: linear in the size of the input.
ANSI = re.compile(
    r"""(?:\x1b\[|\x9b)[0-?]*+[ -/]*+[@-~]?           # CSI: colours, cursor
      | (?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])         # OSC and other strings: titles, links
        [^\x07\x1b\x9c]*+(?:\x07|\x1b\\|\x9c)?
      | \x1b[ -/]*+[0-~]?                            # two-character sequences
    """,
    re.VERBOSE,
)
SPACES = re.compile(r"[\t\n\v\f\r\x1c-\x1f\x85\u2028\u2029]+")
# Controls, and the invisible marks that reorder or hide text.
INVISIBLE = re.compile(
    r"[\x00-\x08\x0e-\x1b\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]+"
)


def clean_message(text: str, limits: WireLimits) -> str:
    """`text` as one line without controls and escape sequences, cut at the limit; refused if nothing is left."""
    line = text if text.isprintable() else INVISIBLE.sub("", SPACES.sub(" ", ANSI.sub("", text)))
    message = line.strip()[: limits.message_characters_maximum]
    if not message:
        raise Refused(Reason.NO_MESSAGE, "the log record has no text")
    return message
