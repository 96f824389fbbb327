"""From a line to words and values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.templates.forms import WORDS_MAXIMUM, form
from detectors.templates.headers import without_header
from tests.detectors.templates.lines import HOSTILE

FORMS = {
    "nothing": ("", ""),
    "only signs": ("--- *** ---", ""),
    "JSON with half a character is text": ('{"msg":"\ud800"}', "<*>"),
    "a number is a value": ("retry 3 now", "retry <*> now"),
    "a word with a digit is a value": ("worker-7 ended", "<*> ended"),
    "values of one shape are one": ("ports 80 81 82", "ports <*>"),
    "values of two shapes are two": ("ports 80 10.0.0.7", "ports <*> <*>"),
    "a colon keeps values apart": ("1: 2", "<*> <*>"),
    "a value in brackets says no more": ("lost lease (7)", "lost lease"),
    "constants are values": ("cached: true and null", "cached <*> and <*>"),
    "on is a word": ("depends on it", "depends on it"),
    "on is a value at the end": ("debug is on", "debug is <*>"),
    "a file's name is a value": ("loaded app.jar now", "loaded <*> now"),
    "a module's name is a value": ("in shop.basket.items now", "in <*> now"),
    "punctuation is not the word's": ("done, ready!", "done ready"),
    "a JSON line is its message": ('{"level":"info","msg":"took 3 s","n":[1]}', "took <*>"),
    "JSON without a message is braces": ('{"a":1}', "<*>"),
    "damaged JSON is text": ('{"msg":"took', "<*> took"),
    "deep JSON is text": ('{"msg":' + "[" * 3000, "<*>"),
    "colours and controls go": ("\x1b[31mfailed\x1b[0m\x00to\x07start\r\n", "failed to start"),
    "our marks can not be forged": ("a \ue000\ue0ff b", "a b"),
    "halves of characters go": ("a \ud800 b", "a b"),
    "templates' signs can not be forged": ("<*> <+> a", "a"),
    "other alphabets are words": ("пользователь 用户 вошёл", "пользователь 用户 вошёл"),
}


@pytest.mark.parametrize("name", list(FORMS))
def test_forms(name: str) -> None:
    """The table."""
    line, expected = FORMS[name]
    assert expected == form(line)


HEADERS = {
    "none": ("Server started", "Server started"),
    "a number is none": ("1365301360 alignment exceptions", "1365301360 alignment exceptions"),
    "syslog": ("Jun 14 15:16:01 combo sshd(pam_unix)[19939]: check pass", "check pass"),
    "RFC 3339 and level": ("2026-11-21T10:00:00.123Z ERROR shop.Basket: full", "full"),
    "log4j": ("2015-07-29 17:41:44,747 - INFO  [Peer[id=1]/0:0:0:Election@774] - Time out: 3200", "Time out: 3200"),
    "no time any more": ("- WARN  [Peer:Manager@368] - Can not open channel", "Can not open channel"),
    "Apache": ("[Sun Dec 04 04:47:44 2005] [notice] workerEnv.init() ok", "workerEnv.init() ok"),
    "epoch": ("1700000000.5 proxy INFO ready", "ready"),
    "bars": ("a|b|c|message", "message"),
}


@pytest.mark.parametrize("name", list(HEADERS))
def test_headers(name: str) -> None:
    """The table."""
    line, expected = HEADERS[name]
    assert expected == without_header(line)


@given(st.text() | st.lists(st.sampled_from([*HOSTILE, "word", "10.0.0.7", "2026-11-21 10:00:00"])).map("".join))
def test_any_text_has_a_bounded_printable_form(line: str) -> None:
    """Whatever the line: blanks between words, no controls, no more words than the bound, fit for UTF-8."""
    found = form(without_header(line))
    assert found.split() == [word for word in found.split(" ") if word]
    assert len(found.split()) <= WORDS_MAXIMUM
    assert found.encode().decode() == found
    assert not any(sign in found for sign in "\x00\x1b\n\r\t\x7f\x85\ue000\ue0ff")
