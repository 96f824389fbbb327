"""Which offsets may be committed: tables, and any interleaving by Hypothesis."""

from types import SimpleNamespace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from stream.detect.offsets import Batch, Deliveries, Part, Partition, Record

SOURCE = Partition("samples", 0)


def records(*offsets: int) -> list[Record]:
    """Records that have nothing but an offset."""
    return [SimpleNamespace(offset=offset) for offset in offsets]


def part(*offsets: int) -> Part[Record]:
    """A fetch that ends with the last of these records."""
    return Part(records(*offsets), (), offsets[-1] + 1)


def delivered(deliveries: Deliveries[Record], *batches: tuple[int, ...]) -> list[Batch[Record]]:
    """Batches of these offsets, delivered in epoch 1."""
    found = [deliveries.deliver(1, SOURCE, part(*offsets)) for offsets in batches]
    return [batch for batch in found if batch is not None]


@pytest.mark.parametrize(
    ("done", "committable"),
    [
        pytest.param((), None, id="none done"),
        pytest.param((0,), 3, id="first done"),
        pytest.param((1, 2), None, id="a hole at the head holds everything back"),
        pytest.param((0, 2), 3, id="a hole in the middle ends the prefix"),
        pytest.param((2, 1, 0), 11, id="order of ends does not matter"),
    ],
)
def test_commits_the_longest_contiguous_prefix(done: tuple[int, ...], committable: int | None) -> None:
    """Only the prefix of done batches may be committed; gaps between offsets (compaction) do not break it."""
    deliveries: Deliveries[Record] = Deliveries()
    deliveries.begin(1, {SOURCE: 0})
    batches = delivered(deliveries, (0, 1, 2), (3, 4), (7, 10))
    for place in done:
        batches[place].done()
    progress = deliveries.progress(SOURCE)
    assert progress is not None
    assert committable == progress.committable()


def test_records_of_an_older_epoch_are_refused() -> None:
    """What was fetched before a seek is dropped: the seek has repositioned it."""
    deliveries: Deliveries[Record] = Deliveries()
    deliveries.begin(2, {SOURCE: 5})
    assert deliveries.deliver(1, SOURCE, part(5, 6)) is None


def test_records_are_handed_out_once() -> None:
    """Records at or below what was delivered are cut off a fetch that overlaps."""
    deliveries: Deliveries[Record] = Deliveries()
    deliveries.begin(1, {SOURCE: 0})
    delivered(deliveries, (0, 1, 2))
    assert deliveries.deliver(1, SOURCE, part(1, 2)) is None
    batch = deliveries.deliver(1, SOURCE, part(2, 3))
    assert batch is not None
    assert batch.first_offset == 3


def test_done_after_a_seek_commits_nothing() -> None:
    """An end that comes late speaks of a batch that was dropped, not of the same offsets delivered again."""
    deliveries: Deliveries[Record] = Deliveries()
    deliveries.begin(1, {SOURCE: 0})
    (late,) = delivered(deliveries, (0, 1))
    deliveries.begin(2, {SOURCE: 0})
    deliveries.deliver(2, SOURCE, part(0, 1))
    late.done()
    progress = deliveries.progress(SOURCE)
    assert progress is not None
    assert progress.committable() is None


def test_nothing_is_owned_after_a_revoke() -> None:
    """After a revoke nothing is delivered and nothing is committable."""
    deliveries: Deliveries[Record] = Deliveries()
    deliveries.begin(1, {SOURCE: 0})
    deliveries.drop()
    assert deliveries.deliver(1, SOURCE, part(0)) is None
    assert deliveries.owned() == ()


class Interleavings(RuleBasedStateMachine):
    """One partition, a worker that delivers, finishes, commits, is revoked and sought in any order.

    The model keeps which offsets were ever finished in an epoch whose delivery they belong to; the log is 0, 1, 2, …
    """

    def __init__(self) -> None:
        super().__init__()
        self.deliveries: Deliveries[Record] = Deliveries()
        self.epoch = 0
        self.committed = 0
        self.processed: set[int] = set()
        self.open: list[Batch[Record]] = []
        self.fetched: tuple[int, int] | None = None

    @rule()
    def seek(self) -> None:
        """An assignment: every position goes back to what is committed; batches at work stay at work."""
        self.epoch += 1
        self.deliveries.begin(self.epoch, {SOURCE: self.committed})

    @rule()
    def revoke(self) -> None:
        """A rebalance begins."""
        self.deliveries.drop()

    @rule(start=st.integers(0, 30), epochs_ago=st.integers(0, 2))
    def fetch(self, start: int, epochs_ago: int) -> None:
        """The client hands out records, perhaps from before the last seek."""
        self.fetched = (max(0, self.epoch - epochs_ago), start)

    @precondition(lambda self: self.fetched is not None)
    @rule(count=st.integers(1, 4))
    def deliver(self, count: int) -> None:
        """They are delivered; within an epoch the client's position never leaves a gap."""
        assert self.fetched is not None
        epoch, start = self.fetched
        progress = self.deliveries.progress(SOURCE)
        if progress is not None:
            start = min(start, progress.delivered_offset)
        batch = self.deliveries.deliver(epoch, SOURCE, part(*range(start, start + count)))
        if batch is not None:
            self.open.append(batch)

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        """Any batch ends, also one of an epoch long gone."""
        batch = self.open.pop(data.draw(st.integers(0, len(self.open) - 1)))
        self.processed.update(range(batch.first_offset, batch.next_offset))
        batch.done()

    @rule()
    def commit(self) -> None:
        """The committing timer fires."""
        progress = self.deliveries.progress(SOURCE)
        offset = None if progress is None else progress.committable()
        if progress is not None and offset is not None and offset > progress.committed_offset:
            self.committed = offset
            progress.committed(offset)

    @invariant()
    def never_ahead(self) -> None:
        """Every offset below the committed one was processed."""
        assert self.processed.issuperset(range(self.committed))


TestInterleavings = Interleavings.TestCase
TestInterleavings.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
