"""What is certainly a value in a log line, as one table: name, guard, pattern."""

import re
from collections.abc import Callable
from typing import Final, NamedTuple

FIRST_MARK: Final = 0xE000  # private use: `forms` takes these characters out of every line that comes in
MARKS: Final = "\ue000-\ue0ff"
VALUE: Final = "\ue0ff"  # the mark of values without a name of their own

MONTH: Final = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}"
DAY: Final = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]{0,6}"
BEFORE: Final = r"(?<![A-Za-z0-9_.])"
AFTER: Final = r"(?![A-Za-z0-9_])"
UNIT: Final = (
    r"(?:[KMGTPkmgtp]i?[Bb](?:ps)?|B|bytes/s|[KMG]?bps|[num]?s|secs?|msecs?|mins?|hrs?|[KMG]?Hz|%"
    r"|°?[CF]|V|W|mA|px|dBm?)"
)
SENTENCES: Final = r"(?<!\bmsg)(?<!message)(?<!\berror)(?<!\berr)(?<!\bevent)(?<!\breason)"  # these name no value
QUOTED_WORDS_MAXIMUM: Final = 4  # a longer quotation is a sentence


class Mask(NamedTuple):
    """One kind of value: its pattern, run only on lines with a character of `guard`, and what stays beside the mark."""

    name: str
    guard: str
    pattern: str
    leave: Callable[[re.Match[str]], str] | None = None


def _verb(match: re.Match[str]) -> str:
    return f"{match[1]} {VALUE}"


def _key(_match: re.Match[str]) -> str:
    return f"={VALUE}"


def _quotation(match: re.Match[str]) -> str:
    return VALUE if len(match[0].split(maxsplit=QUOTED_WORDS_MAXIMUM)) <= QUOTED_WORDS_MAXIMUM else match[0]


# In this order. Every repetition is bounded or possessive: each pattern takes time linear in the line.
MASKS: Final = (
    Mask("request", '"', r'"(GET|POST|PUT|DELETE|HEAD|PATCH|OPTIONS|CONNECT|TRACE) [^"]{0,2000}+"', _verb),
    Mask(
        "time and date",
        ":",
        rf"{BEFORE}(?:{DAY},? {{1,3}})?(?:\d{{1,2}} )?{MONTH}\.? {{1,3}}\d{{1,2}},?(?: \d{{4}})?,? \d{{1,2}}:\d\d:\d\d"
        rf"(?:[.,]\d{{1,9}})?(?: [AP]M)?(?: (?:[A-Z]{{3,4}}|[+-]\d{{4}})(?= |$))?(?: \d{{4}})?{AFTER}",
    ),
    Mask("address", ".", r"(?<![0-9A-Za-z.])/?\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5}|/\d{1,2}|#\d{1,5})?(?![0-9A-Za-z])"),
    Mask(
        "date",
        "-/.",
        rf"{BEFORE}(?:\d{{4}}[-/.]\d{{1,2}}[-/.]\d{{1,2}}|\d{{1,2}}[-/.](?:\d{{1,2}}|{MONTH})[-/.]\d{{2,4}})"
        r"(?:[T _:-]{1,2}\d{1,2}[:.]\d\d(?:[:.]\d\d)?(?:[.,:]\d{1,9})?)?(?: ?(?:Z|UTC|GMT|[+-]\d\d:?\d\d))?"
        r"(?!\.?[A-Za-z0-9_])",
    ),
    Mask("clock", ":", rf"{BEFORE}\d{{1,3}}:\d\d(?::\d\d)?(?:[.,]\d{{1,9}})?(?: ?[AP]M)?(?![A-Za-z0-9_:])"),
    Mask("url", "/", r"(?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]{1,15}+://[^\s\"'<>,;)\]}]{1,3000}+"),
    Mask("mail", "@", r"(?<![\w.+-])[\w.+-]{1,64}+@[A-Za-z0-9-]{1,63}+(?:\.[A-Za-z0-9-]{1,63}+){1,6}"),
    Mask("uuid", "-", r"(?<![0-9A-Za-z])[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}(?![0-9A-Za-z])"),
    Mask("hardware address", ":-", r"(?<![0-9A-Za-z:])[0-9a-fA-F]{2}(?:[:-][0-9a-fA-F]{2}){5,7}(?![0-9A-Za-z:])"),
    Mask(
        "address of 128 bits",
        ":",
        r"(?<![\w:.])(?=[0-9a-fA-F]{0,4}:[0-9a-fA-F]{0,4}:)(?=[:A-Fa-f]{0,39}[0-9])"
        r"[0-9a-fA-F]{0,4}(?::[0-9a-fA-F]{0,4}){2,8}(?:%\w{1,16})?(?:/\d{1,3})?(?![\w:])",
    ),
    Mask("path", "/", rf"(?<![\w.:/\\])(?:~|\.{{1,2}})?/[^\s\"'<>,;:()\[\]{{}}=|{MARKS}]{{1,3000}}+"),
    Mask("drive", "\\", r"(?<!\w)[A-Za-z]:\\[^\s\"'<>,;|]{0,1000}+"),
    Mask("share", "\\", r"(?<![\\\w])\\{1,2}[\w.$?-]{1,100}+(?:\\[^\s\"'<>,;|\\]{1,255}+)++"),
    Mask("size", "0123456789", rf"(?<![A-Za-z0-9_.])[<>~+-]?\d{{1,20}}+(?:[.,]\d{{1,20}}+){{0,4}}+ ?{UNIT}{AFTER}"),
    Mask("hexadecimal", "xX", r"(?<![A-Za-z0-9_])0[xX][0-9a-fA-F]{1,64}+"),
    Mask(
        "key and value",
        "=",
        rf"(?<=[A-Za-z0-9_\])]){SENTENCES}=(?:\"[^\"]{{0,1000}}+\"|'[^']{{0,1000}}+'|\[[^\[\]]{{0,1000}}+\]"
        r"|[^\s,;)\]}=&|\"']{1,1000}+(?!=))",
        _key,
    ),
    Mask(
        "quoted",
        "\"'`",
        r"(?<!^)(?<!msg=)(?<!message=)(?<!error=)(?<!err=)(?<!event=)(?<!reason=)"
        r"(?:\"[^\"]{0,400}+\"|(?<![A-Za-z0-9])'[^']{1,400}+'(?![A-Za-z0-9])|`[^`']{1,400}+[`'])",
        _quotation,
    ),
    Mask("list", "[", r"\[[^\[\],]{0,1000}+,[^\[\]]{0,1000}+\]"),
    Mask("values and commas", ",", rf"(?<![\w.,-])[\w.{MARKS}-]{{1,100}}+(?:,[\w.{MARKS}-]{{1,100}}+){{2,500}}+(?!\w)"),
)
BRACES: Final = re.compile(r"(?<![\w$.])[\w$.]{0,100}+\{[^{}]{0,1000}+\}|\{[^{}]{0,1000}+\}")
BRACES_DEPTH: Final = 6

type Step = tuple[frozenset[str], Callable[[str], str]]


def _step(place: int, mask: Mask) -> Step:
    by = mask.leave or chr(FIRST_MARK + place)
    substitute = re.compile(mask.pattern).sub
    return frozenset(mask.guard), lambda line: substitute(by, line)


STEPS: Final = tuple(_step(place, mask) for place, mask in enumerate(MASKS))


def masked(line: str) -> str:
    """The line with a mark for every value that a mask knows; one mark a kind, `VALUE` for braces and quotations.

    Example:
        >>> masked("took 12 ms from 10.0.0.7:80, user=bob").translate(dict.fromkeys(range(0xE000, 0xE100), "#"))
        'took # from #, user=#'
    """
    present = frozenset(line)
    if "{" in present:
        line = _without_braces(line)
    for guard, substitute in STEPS:
        if not guard.isdisjoint(present):
            line = substitute(line)
    return line


def _without_braces(line: str) -> str:
    for _ in range(BRACES_DEPTH):
        line, found = BRACES.subn(VALUE, line)
        if not found:
            break
    return line
