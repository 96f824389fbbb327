"""The table of masks: what is a value, and that looking for it is cheap."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.templates.masks import BRACES, FIRST_MARK, MASKS, VALUE, masked
from tests.detectors.templates.lines import HOSTILE

NAMES = [mask.name for mask in MASKS]

# For each mask one line that it is for, and one like it that it leaves alone.
CASES = {
    "request": ('got "GET /a?b=c HTTP/1.1" here', 'got "GETTING there now and then" here'),
    "time and date": ("since Sun Jul 17 08:06:12 2005 up", "since Sunday in July up"),
    "address": ("from 10.0.0.7:8080 now", "version 10.0.0 now"),
    "date": ("on 2026-11-21T10:00:00Z now", "on 2026 now"),
    "clock": ("at 10:11:12.5 now", "at ten:eleven now"),
    "url": ("get https://example.com/a?b now", "get https: now"),
    "mail": ("to bob@example.com now", "to bob@ now"),
    "uuid": ("id 01234567-89ab-cdef-0123-456789abcdef now", "id well-known-port now"),
    "hardware address": ("of aa:bb:cc:dd:ee:ff now", "of aa:bb now"),
    "address of 128 bits": ("from fe80::1 now", "from std::vector now"),
    "path": ("open /etc/passwd now", "either/or now"),
    "drive": ("open C:\\Windows\\a now", "open C: now"),
    "share": ("open \\\\server\\share now", "open \\n now"),
    "size": ("freed 12.5 MB now", "freed MB now"),
    "hexadecimal": ("at 0xdeadbeef now", "at x now"),
    "key and value": ("with user=bob now", "with msg=bob now"),
    "quoted": ('open "the file" now', 'open "a file with a very long name" now'),
    "list": ("of [a, b] now", "of [a b] now"),
    "values and commas": ("of a,b,c now", "of a, b, c now"),
}


def test_every_mask_has_a_case() -> None:
    """A new mask comes with its examples."""
    assert NAMES == list(CASES)


@pytest.mark.parametrize("name", NAMES)
def test_a_mask_takes_its_value_and_no_other(name: str) -> None:
    """The value gets the mask's mark, what only looks like it gets none."""
    value, other = CASES[name]
    mark = VALUE if MASKS[NAMES.index(name)].leave else chr(FIRST_MARK + NAMES.index(name))
    assert mark in masked(value)
    assert other == masked(other)


def test_braces_hold_values() -> None:
    """Whatever is in braces, also nested, and the name before it."""
    assert f"saw {VALUE} now" == masked("saw Record{id=1, inner={a, b}} now")


@pytest.mark.parametrize("name", NAMES)
def test_a_guard_is_what_every_match_needs(name: str) -> None:
    """Leaving the pattern out where no character of the guard is can change nothing."""
    mask = MASKS[NAMES.index(name)]
    others = st.text(st.characters(max_codepoint=0x2FF, exclude_characters=mask.guard), max_size=60)

    @given(others)
    def never_matches(line: str) -> None:
        assert re.search(mask.pattern, line) is None

    never_matches()
    assert re.search(mask.pattern, CASES[name][0])


def cpu_seconds(pattern: re.Pattern[str], text: str) -> float:
    """Of the fastest of three searches through the text."""
    spent = []
    for _ in range(3):
        begun = time.process_time()
        pattern.sub("", text)
        spent.append(time.process_time() - begun)
    return min(spent)


@pytest.mark.parametrize("name", ["braces", *NAMES])
def test_a_pattern_takes_linear_time(name: str) -> None:
    """Eight times the text takes about eight times as long, never 64 times, on the worst text there is."""
    pattern = BRACES if name == "braces" else re.compile(MASKS[NAMES.index(name)].pattern)
    for unit in HOSTILE:
        long = cpu_seconds(pattern, (unit * 16_000)[:16_000])
        assert long < 0.02 or long < 24 * cpu_seconds(pattern, (unit * 2000)[:2000]), unit
