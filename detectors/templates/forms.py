"""From a line to its form: its words in order, with `<*>` for every value."""

import re
from typing import Final

import msgspec

from detectors.templates.masks import MARKS, masked

VALUE_WORD: Final = "<*>"
CHARACTERS_MAXIMUM: Final = 3000  # of a line are looked at
WORDS_MAXIMUM: Final = 200  # of a form
WORD_CHARACTERS_MAXIMUM: Final = 100
JSON_CHARACTERS_MAXIMUM: Final = 65_536

# Escape sequences, blanks, controls, halves of characters and our own marks: none of them is part of a message.
BLANKS: Final = re.compile(r"\x1b\[[0-9;]{0,20}+[A-Za-z]?|[\s\x00-\x1f\x7f-\x9f\ud800-\udfff\ue000-\uf8ff]++")
SEPARATORS: Final = re.compile(r"((?:[ ,;()\[\]{}\"'=|:<>`]|\.{2,})++)")
VALUE: Final = re.compile(f"[0-9{MARKS}]")
NUMBER: Final = re.compile(r"[-+]?[0-9]++(?:\.[0-9]++)?")
LETTER: Final = re.compile(r"[^\W\d_]")
PUNCTUATION: Final = ".!?,#$*@-"  # around a word, it says nothing

CONSTANTS: Final = frozenset(
    ("true", "false", "True", "False", "TRUE", "FALSE", "null", "NULL", "Null", "None", "nil", "undefined", "NaN")
)
# Values only where a value stands.
SWITCHES: Final = frozenset(("on", "off", "On", "Off", "ON", "OFF", "yes", "no", "Yes", "No", "YES", "NO"))
SUFFIXES: Final = (
    "exe|dll|sys|so|jar|log|conf|cfg|xml|json|ya?ml|txt|sh|py|c|cc|cpp|h|java|go|rs|js|html?|css|png|jpe?g|gif|gz|zip"
    "|tar|rpm|deb|apk|msi|cab|cat|mum|plist|kext|bin|dat|db|tmp|bak|pid|sock|service|ini|properties|class"
    "|com|org|net|edu|gov|io|local"
)
NAME: Final = re.compile(rf"(?:[a-z_-]{{1,60}}+\.){{2,8}}[a-z_-]{{1,60}}+|[\w-]{{1,80}}\.(?:{SUFFIXES})")

MESSAGE_KEYS: Final = ("msg", "message", "log", "event", "text", "MESSAGE", "Message")


def form(message: str) -> str:
    """The form of a message: words and `<*>`, joined by blanks. Neighbouring values of one shape are one `<*>`.

    Example:
        >>> form("Received block blk_-160 of size 91178 from /10.250.10.6 (retry 3)")
        'Received block <*> of size <*> from <*> retry <*>'
        >>> form("ports: 80 81 82; mode: 5")
        'ports <*> mode <*>'
    """
    parts = SEPARATORS.split(masked(BLANKS.sub(" ", _text(message)[:CHARACTERS_MAXIMUM])))
    separators = ["", *parts[1::2], ""]
    words: list[str] = []
    joinable = None  # the shape of the value that ends `words`, while another one of that shape may join it
    for before, text, after in zip(separators, parts[::2], separators[1:], strict=False):
        if ":" in before or "=" in before:
            joinable = None
        if not text:
            continue
        word, shape = _read(before, text, after)
        if not word:
            joinable = None
        elif word != VALUE_WORD:
            words.append(word)
            joinable = None
        elif shape != joinable and not (words and " (" in before and ")" in after):
            words.append(word)
            joinable = shape
    return " ".join(words[:WORDS_MAXIMUM])


def _read(before: str, text: str, after: str) -> tuple[str, str]:
    """The word that `text` is, empty if it has no letter, and its shape if it is a value."""
    if text.isalpha():
        word = text[:WORD_CHARACTERS_MAXIMUM]
    elif VALUE.search(text):
        return VALUE_WORD, NUMBER.sub("0", text)
    elif not LETTER.search(text):
        return "", ""
    else:
        word = text[:WORD_CHARACTERS_MAXIMUM].strip(PUNCTUATION)
    if word in CONSTANTS or ("." in word and NAME.fullmatch(word)):
        return VALUE_WORD, ""
    if word in SWITCHES and (not after or ")" in after or any(sign in before for sign in ":=(")):
        return VALUE_WORD, ""
    return word, ""


def _text(message: str) -> str:
    """The text of a message that is one JSON object, if it names one."""
    if message[:1] != "{" or len(message) > JSON_CHARACTERS_MAXIMUM:
        return message
    try:
        document = msgspec.json.decode(message, type=dict[str, object])
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return message
    texts = (document.get(key) for key in MESSAGE_KEYS)
    return next((text for text in texts if isinstance(text, str) and text), message)
