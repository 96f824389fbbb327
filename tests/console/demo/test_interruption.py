"""A signal becomes one KeyboardInterrupt, and none while something must not be torn apart."""

import os
import signal
from collections.abc import Iterator

import pytest

from console.demo.interruption import SIGNALS, Interruptions


@pytest.fixture(autouse=True)
def signals_of_the_tests() -> Iterator[None]:
    """What these tests do to the signals of their process is undone."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS, ids=[number.name for number in SIGNALS])
def test_the_first_signal_interrupts_and_later_ones_do_not(number: signal.Signals) -> None:
    """Ctrl-C pressed twice does not stop the stopping."""
    with Interruptions():
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)


def test_a_held_signal_waits_for_the_end_of_the_block() -> None:
    """The block is finished first; nested blocks count as one."""
    done = []
    with Interruptions() as interruptions, pytest.raises(KeyboardInterrupt):  # noqa: PT012 - the order is the rule
        with interruptions.held():
            with interruptions.held():
                os.kill(os.getpid(), signal.SIGINT)
            done.append("inner")
        done.append("never")
    assert done == ["inner"]


def test_what_is_ignored_stays_ignored() -> None:
    """While everything stops, no signal changes anything."""
    done = []
    with Interruptions() as interruptions:
        interruptions.ignore()
        os.kill(os.getpid(), signal.SIGINT)
        done.append("after the first")
        with interruptions.held():
            os.kill(os.getpid(), signal.SIGTERM)
        done.append("after the second")
    assert done == ["after the first", "after the second"]


def test_the_handlers_from_before_come_back() -> None:
    """The demo leaves the process as it found it."""
    before = [signal.getsignal(number) for number in SIGNALS]
    with Interruptions():
        assert before != [signal.getsignal(number) for number in SIGNALS]
    assert before == [signal.getsignal(number) for number in SIGNALS]


def test_after_an_interruption_signals_stay_ignored() -> None:
    """A second Ctrl-C while the program ends, its work done, does not change how it ends."""
    with Interruptions(), pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
    assert {signal.getsignal(number) for number in SIGNALS} == {signal.SIG_IGN}
