"""The hash chain: every change of the log that later records or a checkpoint can contradict is found and placed."""

import hashlib
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediations.chain import GENESIS, ChainReport, FaultKind, Link, advance, verify
from remediations.records import Seen


def written(count: int, lag: int = 1) -> list[Link]:
    """A log as engines write it: each record was written by one that had seen all but the last `lag` - 1 records."""
    heads, links = [GENESIS], []
    for offset in range(count):
        seen = heads[max(0, offset + 1 - lag)]
        value = msgspec.json.encode({"number": offset, "seen": seen})
        links.append(Link(offset=offset, value=value, seen=seen))
        heads.append(advance(heads[-1], offset, value))
    return links


def head_of(links: list[Link]) -> Seen:
    """The head after all these records."""
    head = GENESIS
    for link in links:
        head = advance(head, link.offset, link.value)
    return head


def renumbered(links: list[Link]) -> list[Link]:
    """The same records at offsets without gaps, as a rewritten topic has them."""
    return [msgspec.structs.replace(link, offset=offset) for offset, link in enumerate(links)]


def edited(links: list[Link], place: int) -> list[Link]:
    """One record says something else."""
    changed = msgspec.structs.replace(links[place], value=links[place].value + b" ")
    return [*links[:place], changed, *links[place + 1 :]]


def swapped(links: list[Link], one: int, other: int) -> list[Link]:
    """Two records changed places."""
    links = list(links)
    links[one], links[other] = links[other], links[one]
    return renumbered(links)


def inserted(links: list[Link], place: int) -> list[Link]:
    """A forged record that knows the chain lies before another one."""
    forged = Link(offset=place, value=b"forged", seen=head_of(links[:place]))
    return renumbered([*links[:place], forged, *links[place:]])


def test_the_chain_is_the_hash_of_hashes() -> None:
    """h(n) = SHA-256(h(n-1) and the raw bytes), from 32 zero bytes on."""
    first = hashlib.sha256(bytes(32) + b"a").digest()
    head = advance(GENESIS, 0, b"a")
    assert Seen(offset=0, chain=first.hex()) == head
    assert Seen(offset=1, chain=hashlib.sha256(first + b"b").hexdigest()) == advance(head, 1, b"b")


@pytest.mark.parametrize("lag", [1, 2, 5], ids=["one engine", "two engines", "a slow engine"])
def test_a_sound_log_has_no_fault(lag: int) -> None:
    """A log that nobody touched verifies, and its head is the one that writers knew."""
    links = written(20, lag)
    assert ChainReport(head=head_of(links), records=20) == verify(links)


def test_an_empty_log_has_no_fault() -> None:
    """No records, no contradiction."""
    assert ChainReport(head=GENESIS, records=0) == verify([])


@pytest.mark.parametrize(
    ("change", "kind", "first", "last"),
    [
        pytest.param(lambda log: edited(log, 5), FaultKind.CHANGED, 5, 5, id="edited"),
        pytest.param(lambda log: edited(log, 0), FaultKind.CHANGED, 0, 0, id="edited at the beginning"),
        pytest.param(lambda log: edited(edited(log, 5), 8), FaultKind.CHANGED, 5, 5, id="edited twice"),
        pytest.param(lambda log: log[:5] + log[6:], FaultKind.MISSING, 5, 5, id="dropped"),
        pytest.param(lambda log: log[3:], FaultKind.MISSING, 0, 2, id="beginning dropped"),
        pytest.param(lambda log: renumbered(log[:5] + log[6:]), FaultKind.MISPLACED, 5, 5, id="dropped and renumbered"),
        pytest.param(lambda log: swapped(log, 5, 6), FaultKind.MISPLACED, 5, 5, id="swapped"),
        pytest.param(lambda log: swapped(log, 2, 7), FaultKind.MISPLACED, 2, 2, id="swapped far apart"),
        pytest.param(lambda log: [*log[:5], log[4], *log[5:]], FaultKind.MISPLACED, 4, 4, id="repeated"),
        pytest.param(lambda log: inserted(log, 5), FaultKind.CHANGED, 5, 7, id="inserted"),
        pytest.param(
            lambda log: [*log[:5], Link(offset=5, value=b"", seen=None), *log[6:]],
            FaultKind.UNSTAMPED,
            5,
            5,
            id="emptied",
        ),
    ],
)
def test_a_change_is_found_and_placed(
    change: Callable[[list[Link]], list[Link]], kind: FaultKind, first: int, last: int
) -> None:
    """The first bad offset is named together with what is wrong with it."""
    fault = verify(change(written(10))).fault
    assert fault is not None
    assert (kind, first, last) == (fault.kind, fault.first, fault.last)


@pytest.mark.parametrize(
    "chain",
    [pytest.param("ab" * 32, id="another value"), pytest.param("no hex", id="no value at all")],
)
def test_a_forged_stamp_is_found(chain: str) -> None:
    """A record that claims to have seen another log is a fault of itself or of what it saw."""
    links = written(10)
    links[5] = msgspec.structs.replace(links[5], seen=Seen(offset=4, chain=chain))
    fault = verify(links).fault
    assert fault is not None
    assert FaultKind.CHANGED == fault.kind
    assert fault.first <= 5 <= fault.last


def test_with_a_slow_writer_the_change_is_placed_between_what_was_confirmed_and_the_witness() -> None:
    """Nobody has seen the records between two looks alone: the fault names all of them."""
    fault = verify(edited(written(20, lag=4), 10)).fault
    assert fault is not None
    assert fault.first <= 10 <= fault.last
    assert fault.last - fault.first < 4


@pytest.mark.parametrize(
    ("cut", "kind", "first", "last"),
    [
        pytest.param(8, FaultKind.TRUNCATED, 8, 9, id="two records short"),
        pytest.param(0, FaultKind.TRUNCATED, 0, 9, id="nothing left"),
    ],
)
def test_a_truncation_is_found_against_a_checkpoint(cut: int, kind: FaultKind, first: int, last: int) -> None:
    """A log that ends before a head that was kept outside lost its end."""
    links = written(10)
    fault = verify(links[:cut], checkpoints=[head_of(links)]).fault
    assert fault is not None
    assert (kind, first, last) == (fault.kind, fault.first, fault.last)


def test_a_log_that_was_restamped_is_found_against_a_checkpoint() -> None:
    """Whoever rewrites all later records contradicts no record, but the checkpoint."""
    links, other = written(10), written(10)
    other[5] = msgspec.structs.replace(other[5], value=b"forged")
    for offset in range(6, 10):
        other[offset] = Link(offset=offset, value=b"restamped", seen=head_of(other[:offset]))
    assert verify(other).fault is None
    fault = verify(other, checkpoints=[head_of(links)]).fault
    assert fault is not None
    assert (FaultKind.CHECKPOINT, 9) == (fault.kind, fault.last)


def test_a_change_of_the_newest_record_needs_a_checkpoint() -> None:
    """Nobody has seen the newest record yet: only a head that was kept outside contradicts its change."""
    links = written(10)
    assert verify(edited(links, 9)).fault is None
    fault = verify(edited(links, 9), checkpoints=[head_of(links)]).fault
    assert fault is not None
    assert (FaultKind.CHECKPOINT, 9, 9) == (fault.kind, fault.first, fault.last)


def test_verification_goes_on_from_a_checkpoint() -> None:
    """Who trusts a checkpoint reads only what came after it and gets the same head."""
    links = written(10)
    report = verify(links[6:], start=head_of(links[:6]))
    assert ChainReport(head=head_of(links), records=4) == report
    fault = verify(edited(links, 7)[6:], start=head_of(links[:6])).fault
    assert fault is not None
    assert 7 == fault.first


@given(
    count=st.integers(2, 30),
    lag=st.integers(1, 4),
    place=st.integers(0, 29),
    change=st.sampled_from([edited, inserted, lambda log, place: renumbered(log[:place] + log[place + 1 :])]),
)
def test_any_change_is_found_against_a_checkpoint(
    count: int, lag: int, place: int, change: Callable[[list[Link], int], list[Link]]
) -> None:
    """Whatever is edited, inserted or dropped anywhere, a checkpoint of the true head never lets it pass."""
    links = written(count, lag)
    fault = verify(change(links, place % count), checkpoints=[head_of(links)]).fault
    assert fault is not None
    assert fault.first <= fault.last
