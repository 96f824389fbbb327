"""Are two forms of one length the same event? Strict on words, free on values."""

import re
from collections.abc import Sequence
from typing import Final

from detectors.templates.forms import VALUE_WORD

VARIED: Final = "<+>"  # in a template: words were seen to vary here
THRESHOLD: Final = 0.88

# What a position costs where the two differ; an equal word counts 1.
WORD_COST: Final = 2.0
WORD_FOR_VALUE_COST: Final = 0.3
VALUE_FOR_WORD_COST: Final = 0.2
NAME_COST: Final = 0.3
ANNOUNCED_COST: Final = 0.2

SHOUTED: Final = re.compile(r"(?:^|[._])[A-Z][A-Z_]{1,60}$")  # COMMAND, state.FAILED: names the event
INNER: Final = re.compile(r"[^._/\\$@#~][._/\\$@#~]++[^._/\\$@#~]|[a-z]-[a-z]{1,60}-[a-z]")  # disk.image, a-b-c: a name
ANNOUNCING: Final = re.compile(  # the word after it is a name
    "user(?:name)?|uid|account|login|r?host(?:name)?|server|client|node|process|service|app(?:lication)?|package|file"
    "|path|dir(?:ectory)?|named?|device|interface|module|driver|thread|job|task|container|image|table|database|db|topic"
    "|queue|bucket|key|tag|class|type|id|for|by|domain|volume|group|component",
    re.IGNORECASE,
)


def similarity(template: Sequence[str], words: Sequence[str]) -> float:
    """Equal words as a share of equal words and costs: 1 if nothing differs.

    Positions that are values in both, or vary in the template, do not count. It is 0 as soon as the threshold is out of
    reach, and where two words in capitals differ.

    Example:
        >>> similarity("open <*> failed for user bob".split(), "open <*> failed for user eve".split())
        0.9523809523809523
        >>> similarity("connection opened".split(), "connection closed".split())
        0.0
    """
    same, cost, previous = 0, 0.0, ""
    cost_maximum = len(template) * (1.0 / THRESHOLD - 1.0)
    for known, word in zip(template, words, strict=True):
        if known == word:
            same += known != VALUE_WORD
        elif known != VARIED:
            if SHOUTED.search(known) and SHOUTED.search(word):
                return 0.0
            cost += _cost(known, word, previous)
            if cost > cost_maximum:
                return 0.0
        previous = known
    return same / (same + cost) if cost else 1.0


def _cost(known: str, word: str, previous: str) -> float:
    if known == VALUE_WORD:
        return VALUE_FOR_WORD_COST
    if word == VALUE_WORD:
        return WORD_FOR_VALUE_COST
    if INNER.search(known) and INNER.search(word):
        return NAME_COST
    return ANNOUNCED_COST if ANNOUNCING.fullmatch(previous) else WORD_COST
