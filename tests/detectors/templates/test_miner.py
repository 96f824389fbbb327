"""The miner: one id an event, fixed at arrival, bounded, and a state that is exact."""

import doctest
import importlib
import pkgutil
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import detectors.templates
from detectors.templates.miner import Match, MinerSettings, TemplateMiner
from detectors.templates.similarity import THRESHOLD, similarity
from tests.detectors.templates.lines import EVENTS, HOSTILE, seeded, shop

SMALL = MinerSettings(templates_maximum=4)
WORDS = ("open", "close", "file", "user", "bob", "eve", "7", "10.0.0.7", "failed", "IDLE", "BUSY", "a.b", "c.d", "")
texts = st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join) | st.text(max_size=30) | st.sampled_from(HOSTILE)


def add_all(miner: TemplateMiner, lines: list[str]) -> list[Match]:
    """The match of each line."""
    return [miner.add(line) for line in lines]


@pytest.mark.parametrize("name", [module.name for module in pkgutil.iter_modules(detectors.templates.__path__)])
def test_examples_run(name: str) -> None:
    """Each module's examples give what they say."""
    assert doctest.testmod(importlib.import_module(f"detectors.templates.{name}")).failed == 0


@pytest.mark.parametrize("seed", range(3))
def test_an_event_is_a_template(seed: int) -> None:
    """Lines get equal ids exactly if they are of one event, from the first line on."""
    miner, pairs = TemplateMiner(), set()
    for event, line in shop(seed, 1000):
        pairs.add((event, miner.add(line).template_id))
    assert len(EVENTS) == len(pairs) == miner.count


def test_only_the_first_line_of_an_event_is_new() -> None:
    """As many lines are new as there are templates."""
    matches = add_all(miner := TemplateMiner(), [line for _, line in shop(1, 500)])
    assert miner.count == sum(match.is_new for match in matches)


def test_a_template_shows_values_and_what_varies() -> None:
    """`<*>` was masked, `<+>` was seen to vary."""
    miner = TemplateMiner()
    miner.add("open 3 files for user bob")
    assert "open <*> files for user <+>" == miner.add("open 5 files for user eve").template


def test_hosts_agree_on_ids() -> None:
    """Two miners that saw the events in another order name them alike: the id is of the form that it began with."""
    one = {match.template: match.template_id for match in add_all(TemplateMiner(), ["disk full", "disk ok", "up 3 s"])}
    other = {
        match.template: match.template_id for match in add_all(TemplateMiner(), ["up 9 s", "disk ok", "disk full"])
    }
    assert one == other


DIFFERENT = {
    "one word of two": ("connection opened", "connection closed"),
    "one word of six": ("the job of the night failed", "the job of the night finished"),
    "words in capitals": ("the state of worker is now IDLE", "the state of worker is now BUSY"),
}


@pytest.mark.parametrize("name", list(DIFFERENT))
def test_a_word_that_differs_is_another_event(name: str) -> None:
    """Values are free, words are not."""
    one, other = DIFFERENT[name]
    assert similarity(one.split(), other.split()) < THRESHOLD
    assert 2 == len({match.template_id for match in add_all(TemplateMiner(), [one, other])})


def test_templates_are_bounded_and_the_least_used_goes() -> None:
    """What was not seen longest makes room, and is new when it comes back."""
    miner = TemplateMiner(SMALL)
    add_all(miner, ["aa", "bb", "cc", "dd", "aa", "ee"])
    assert (4, 1) == (miner.count, miner.forgotten)
    assert [False, False, True] == [match.is_new for match in add_all(miner, ["aa", "ee", "bb"])]


def test_a_form_is_found_again_however_many_are_like_it() -> None:
    """Also where more templates than are looked at share length and all anchors."""
    rng = seeded(1)
    letters = "abcdefghijklmnopqrstuvwxyz"
    lines = ["job run " + " ".join(rng.choices(letters, k=4)) + " has ended" for _ in range(200)]
    miner = TemplateMiner()
    add_all(miner, lines)
    assert not any(match.is_new for match in add_all(miner, lines))


@settings(max_examples=150, deadline=None)
@given(st.lists(texts, max_size=40), st.integers(0, 40), st.sampled_from([SMALL, MinerSettings()]))
def test_state_round_trip_is_exact(lines: list[str], cut: int, chosen: MinerSettings) -> None:
    """A restored miner has the same bytes and goes on equally, so remembered answers are no part of the state."""
    miner = TemplateMiner(chosen)
    add_all(miner, lines[:cut])
    restored = TemplateMiner.from_bytes(miner.to_bytes(), chosen)
    assert miner.to_bytes() == restored.to_bytes()
    assert add_all(miner, lines[cut:]) == add_all(restored, lines[cut:])
    assert miner.to_bytes() == restored.to_bytes()


@settings(max_examples=100, deadline=None)
@given(st.lists(texts, max_size=30))
def test_remembered_answers_are_those_of_a_search(lines: list[str]) -> None:
    """A miner that is restored before every line, and so remembers none, matches alike."""
    miner, stateless = TemplateMiner(SMALL), TemplateMiner(SMALL)
    for line in lines * 2:
        stateless = TemplateMiner.from_bytes(stateless.to_bytes(), SMALL)
        assert miner.add(line) == stateless.add(line)


def test_a_smaller_bound_keeps_what_was_used_last() -> None:
    """Settings may shrink between a save and a restore."""
    miner = TemplateMiner()
    add_all(miner, ["aa", "bb", "cc", "dd", "ee", "ff", "bb"])
    restored = TemplateMiner.from_bytes(miner.to_bytes(), SMALL)
    assert [False] * 4 == [match.is_new for match in add_all(restored, ["bb", "ff", "ee", "dd"])]
    assert 4 == restored.count


DAMAGED = {
    "nothing": b"",
    "no state": b"\x93\x01\x02\x03",
    "cut": TemplateMiner().to_bytes()[:-1],
    "of another version": b"\x94\x07\x00\x00\x90",
    "twice": b"\x94\x01\x01\x00\x92\x94\x01\xa1a\x90\x01\x94\x01\xa1a\x90\x01",
    "outside": b"\x94\x01\x01\x00\x91\x94\x01\xa1a\x91\x05\x01",
}


@pytest.mark.parametrize("name", list(DAMAGED))
def test_damaged_bytes_are_refused(name: str) -> None:
    """With a ValueError that names them."""
    with pytest.raises(ValueError, match="saved log template"):
        TemplateMiner.from_bytes(DAMAGED[name])


@pytest.mark.parametrize("unit", HOSTILE)
def test_a_line_of_a_megabyte_is_harmless(unit: str) -> None:
    """It takes little time, and what is kept of it is small."""
    line, miner, spent = (unit * 1_000_000)[:1_000_000], TemplateMiner(), []
    for _ in range(3):
        begun = time.process_time()
        miner.add(line)
        spent.append(time.process_time() - begun)
    assert min(spent) < 0.05
    assert len(miner.to_bytes()) < 10_000


def test_a_flood_of_new_lines_is_bounded() -> None:
    """Ever new words at full length: templates stay within the bound, work a line does not grow with the flood."""
    rng, miner = seeded(2), TemplateMiner(MinerSettings(templates_maximum=100))
    begun = time.process_time()
    for _ in range(300):
        miner.add("flood " + " ".join("".join(rng.choices("abcdefgh", k=6)) for _ in range(180)) + " flood")
    assert (100, 200) == (miner.count, miner.forgotten)
    assert time.process_time() - begun < 3.0
