"""Pages of state: which are written, what may be committed; no sample is lost, whoever writes, dies or wakes."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from detectors.samples import MetricSample, Sample, Source
from stream.detect.pages import PageBook, PageRecord, Writer, Writing, decode_page, generation_of
from stream.detect.state import merge_record, restore
from stream.errors import StateError
from stream.testing import CountingShard, Tally

FOREVER = float("inf")


def row_of_ten_bytes(row: int) -> bytes:
    """A row's state."""
    return b"row%07d" % row


def book_with(*changes: tuple[int, int, float], page_bytes_maximum: int = 1000) -> PageBook:
    """A book after changes (row, offset, time)."""
    book = PageBook(Writer(1, "me"), page_bytes_maximum)
    for row, offset, now in changes:
        book.changed({row: offset}, now)
    return book


def test_nothing_unsaved_commits_all() -> None:
    """Without unsaved changes everything processed may be committed."""
    assert book_with().committable(42) == 42


def test_the_oldest_unsaved_change_holds_the_commit_back() -> None:
    """Later changes of a page do not hide its oldest one."""
    assert book_with((0, 5, 1.0), (0, 9, 2.0), (1, 7, 2.0)).committable(10) == 5


def test_a_page_on_its_way_holds_the_commit_back() -> None:
    """A page counts only when it is acknowledged; changes made meanwhile count anew."""
    book = book_with((0, 5, 1.0))
    writing = book.take(row_of_ten_bytes, 6, FOREVER, FOREVER)
    book.changed({0: 8}, 2.0)
    assert book.committable(10) == 5
    book.saved(writing)
    assert book.committable(10) == 8


def test_a_failed_write_is_unsaved_again() -> None:
    """A page that may not have arrived holds the commit back and is written again."""
    book = book_with((0, 5, 1.0))
    book.failed(book.take(row_of_ten_bytes, 6, FOREVER, FOREVER))
    assert book.committable(10) == 5
    assert [record.key for record in book.take(row_of_ten_bytes, 6, FOREVER, FOREVER).records] == [b"0@1-me"]


def test_a_page_being_written_is_not_taken_twice() -> None:
    """Two writes of one page could arrive in either order."""
    book = book_with((0, 5, 1.0))
    book.take(row_of_ten_bytes, 6, FOREVER, FOREVER)
    book.changed({0: 8}, 2.0)
    assert book.take(row_of_ten_bytes, 9, FOREVER, FOREVER).records == ()


def many_pages() -> PageBook:
    """Three pages of one row each, saved once."""
    book = PageBook(Writer(1, "me"), page_bytes_maximum=10)
    book.changed({0: 0, 1: 1, 2: 2}, 0.0)
    book.saved(book.take(row_of_ten_bytes, 3, FOREVER, FOREVER))
    return book


def test_oldest_change_first_within_the_budget() -> None:
    """The budget ends a round; the pages left over come first in the next."""
    book = many_pages()
    for row, since in ((2, 1.0), (0, 2.0), (1, 3.0)):
        book.changed({row: 10 + row}, since)
    rounds = [book.take(row_of_ten_bytes, 20, 1, FOREVER) for _ in range(3)]
    rows = [decode_page(record.key, record.value or b"").rows for taken in rounds for record in taken.records]
    assert rows == [(b"row0000002",), (b"row0000000",), (b"row0000001",)]


def test_young_changes_wait() -> None:
    """A page whose oldest change is younger than asked for is left for later."""
    book = book_with((0, 5, 7.0))
    assert book.take(row_of_ten_bytes, 6, FOREVER, before_seconds=6.0).records == ()
    assert len(book.take(row_of_ten_bytes, 6, FOREVER, before_seconds=7.0).records) == 1


def test_a_page_that_grew_is_split_and_written_last() -> None:
    """The rows that move away are durable under their new key before the old page goes without them."""
    book = book_with((0, 0, 0.0), (1, 1, 0.0), (2, 2, 0.0), page_bytes_maximum=20)
    records = book.take(row_of_ten_bytes, 3, FOREVER, FOREVER).records
    assert [(record.key, len(decode_page(record.key, record.value or b"").rows)) for record in records] == [
        (b"1@1-me", 1),
        (b"0@1-me", 2),
    ]


def test_a_row_larger_than_a_page_is_a_page() -> None:
    """Nothing is too large to be saved."""
    book = book_with((0, 0, 0.0), (1, 1, 0.0), page_bytes_maximum=4)
    records = book.take(row_of_ten_bytes, 3, FOREVER, FOREVER).records
    assert [len(decode_page(record.key, record.value or b"").rows) for record in records] == [1, 1]


def test_keys_of_earlier_writers_go_when_their_rows_are_saved_again() -> None:
    """A removal is given out only after every row of the old key stands under a new one."""
    book = PageBook(Writer(5, "me"), page_bytes_maximum=10)
    book.adopt({b"0@4-old": [0, 1]}, 7, 0.0)
    book.changed({0: 8}, 1.0)
    writing = book.take(row_of_ten_bytes, 9, FOREVER, FOREVER)
    assert len(writing.records) == 2
    assert (PageRecord(key=b"0@4-old", value=None),) == book.saved(writing)


def test_a_key_goes_only_when_all_its_rows_stand_elsewhere() -> None:
    """Two earlier writers held the same row: it is in one page now, and both keys wait for that page."""
    book = PageBook(Writer(5, "me"))
    book.adopt({b"0@3-dead": [0, 1], b"0@4-late": [1, 2]}, 7, 0.0)
    pages = [book.take(row_of_ten_bytes, 9, 1, FOREVER) for _ in range(2)]
    assert [keys_and_rows(writing) for writing in pages] == [[(b"1@5-me", 1)], [(b"0@5-me", 2)]]
    assert [tuple(removal.key for removal in book.saved(writing)) for writing in pages] == [
        (),
        (b"0@3-dead", b"0@4-late"),
    ]


def keys_and_rows(writing: Writing) -> list[tuple[bytes, int]]:
    """Key and number of rows of each record."""
    return [(record.key, len(decode_page(record.key, record.value or b"").rows)) for record in writing.records]


def test_rows_that_moved_away_stay_ahead_of_the_page_they_left() -> None:
    """After a failed write of a split page the rows that left it are written first again, however small the budget."""
    book = book_with((0, 0, 0.0), (1, 1, 0.0), page_bytes_maximum=10)
    book.failed(book.take(row_of_ten_bytes, 2, FOREVER, FOREVER))
    rounds = [book.take(row_of_ten_bytes, 2, 1, FOREVER) for _ in range(2)]
    assert [keys_and_rows(writing) for writing in rounds] == [[(b"1@1-me", 1)], [(b"0@1-me", 1)]]


def test_pages_of_an_outlived_samples_topic_go_whatever_their_generation() -> None:
    """In a cluster built anew generations begin again: who wrote there before is no living successor."""
    book = PageBook(Writer(1, "me"))
    book.adopt({b"0@500-old": [0, 1]}, 900, 0.0)
    book.outlive("new")
    book.changed({0: 0, 1: 0}, 0.0)
    writing = book.take(row_of_ten_bytes, 0, FOREVER, FOREVER)
    assert [decode_page(one.key, one.value or b"").life for one in writing.records] == ["new"]
    assert book.saved(writing) == (PageRecord(b"0@500-old", None),)


def test_keys_of_a_newer_generation_are_left_alone() -> None:
    """Who finds them is a worker that others take for dead."""
    book = PageBook(Writer(5, "me"))
    book.adopt({b"0@6-new": [0]}, 7, 0.0)
    book.changed({0: 8}, 1.0)
    assert book.saved(book.take(row_of_ten_bytes, 9, FOREVER, FOREVER)) == ()


@pytest.mark.parametrize("key", [b"", b"0", b"0@", b"0@x-y", b"0@12", b"\xff@-"])
def test_a_foreign_key_is_refused_by_name(key: bytes) -> None:
    """Somebody else wrote to the state topic."""
    with pytest.raises(StateError, match="wanted page@generation-writer"):
        generation_of(key)


@pytest.mark.parametrize(
    ("value", "error"),
    [
        pytest.param(b"", "cannot be read", id="empty"),
        pytest.param(b"\xc1", "cannot be read", id="not msgpack"),
        pytest.param(b"\x93\x07\x00\x90", "has version 7, wanted 1", id="another version"),
    ],
)
def test_a_damaged_page_is_refused_by_name(value: bytes, error: str) -> None:
    """The key and what is wrong are told."""
    with pytest.raises(StateError, match=f"b'0@1-me' {error}"):
        decode_page(b"0@1-me", value)


def test_what_cannot_be_read_is_left_and_the_rest_is_recovered() -> None:
    """One damaged page costs the memory of its hosts, no others; it is not removed, for a newer version may read it."""
    source, shard = CountingShard(0), CountingShard(0)
    source.apply([(0, sample("a", 0))])
    book = PageBook(Writer(1, "old"))
    book.changed(source.take_dirty(), 0.0)
    pages = {record.key: record.value or b"" for record in book.take(source.row_state, 1, FOREVER, FOREVER).records}
    restored = restore(shard, pages | {b"9@1-old": b"?", b"nobody": b"?"}, Writer(2, "me"), 0.0)
    assert source.tallies == shard.tallies
    restored.changed({0: 1}, 0.0)
    removed = restored.saved(restored.take(shard.row_state, 2, FOREVER, FOREVER))
    assert (PageRecord(key=b"0@1-old", value=None),) == removed


def saved_pages(shard: CountingShard, life: str, writer: Writer) -> dict[bytes, bytes]:
    """All rows of a shard, saved in a life of the samples topic."""
    book = PageBook(writer)
    book.life = life
    book.changed(shard.take_dirty(), 0.0)
    records = book.take(shard.row_state, 0, FOREVER, FOREVER).records
    return {record.key: record.value for record in records if record.value is not None}


@pytest.mark.parametrize("is_latest_first", [False, True])
def test_rows_left_of_an_earlier_life_hide_no_record(*, is_latest_first: bool) -> None:
    """Saving all rows anew was cut short: a row of the earlier life is no newer than one of this life, and none of its
    offsets makes a new record a duplicate.
    """
    earlier, later = CountingShard(0), CountingShard(0)
    earlier.apply([(5000, sample("web-1", 1)), (5001, sample("web-2", 2))])
    later.apply([(3, sample("web-1", 3)), (4, sample("web-1", 4))])
    pages = saved_pages(earlier, "a", Writer(7, "one")) | saved_pages(later, "b", Writer(8, "two"))
    if is_latest_first:
        pages = dict(reversed(pages.items()))
    shard = CountingShard(0)
    assert restore(shard, pages, Writer(9, "me"), 0.0).life == "b"
    assert [(one.host, one.applied_offset) for one in shard.tallies] == [("web-1", 4), ("web-2", -1)]
    shard.apply([(5, sample("web-2", 5))])
    assert shard.refusals.duplicates == 0


def test_pages_of_two_lives_are_left_by_a_worker_that_ended_between_them() -> None:
    """Offsets of the earlier life say nothing of the records that come now; what was saved in the later one stays."""
    shard, pages = CountingShard(0), dict[bytes, bytes]()
    shard.apply([(90, sample("a", 0)), (91, sample("b", 1)), (92, sample("a", 7))])
    earlier = PageBook(Writer(1, "old"), page_bytes_maximum=1)
    earlier.life = "first"
    earlier.changed(shard.take_dirty(), 0.0)
    pages |= {one.key: one.value or b"" for one in earlier.take(shard.row_state, 93, FOREVER, FOREVER).records}
    shard.forget_offsets()
    shard.take_dirty()
    shard.apply([(3, sample("b", 2))])
    later = PageBook(Writer(2, "new"))
    later.life = "second"
    later.changed(shard.take_dirty(), 0.0)
    pages |= {
        one.key: one.value or b"" for one in later.take(lambda _row: shard.row_state(1), 4, FOREVER, FOREVER).records
    }
    found = CountingShard(0)
    book = restore(found, pages, Writer(3, "me"), 0.0)
    tallies = {tally.host: (tally.applied_offset, tally.samples) for tally in found.tallies}
    assert tallies == {"a": (-1, 2), "b": (3, 2)}
    assert book.life == "second"
    found.apply([(4, sample("a", 14))])
    assert (found.refusals.duplicates, {one.host: one.samples for one in found.tallies}) == (0, {"a": 3, "b": 2})


def sample(host: str, offset: int) -> Sample:
    """A sample whose place in the source is its offset here; the more sources a host has had, the larger its row."""
    return MetricSample(host, float(offset), {}, Source(f"metrics-{offset % 7}", 0, offset))


class Worker:
    """A worker that owns the one partition, or believes so; at most one of its writes is on its way."""

    def __init__(self, generation: int, name: str, log: list[PageRecord], start: int) -> None:
        pages: dict[bytes, bytes] = {}
        for record in log:
            merge_record(pages, record.key, record.value)
        self.generation = generation
        self.shard = CountingShard(0)
        self.book = restore(self.shard, pages, Writer(generation, name), 0.0, page_bytes_maximum=120)
        self.next_offset = start
        self.writing: Writing | None = None
        self.arrived = 0

    def tallies(self) -> dict[str, Tally]:
        """State by host."""
        return {tally.host: tally for tally in self.shard.tallies}


class Storm(RuleBasedStateMachine):
    """Workers come, work, save, die halfway through a write, wake from the dead; the log is compacted at any moment."""

    def __init__(self) -> None:
        super().__init__()
        self.hosts: list[str] = []
        self.log: list[PageRecord] = []
        self.committed = 0
        self.names = 0
        self.clock = 0.0
        self.owner = self.new_worker(0)
        self.workers = [self.owner]

    def new_worker(self, generation: int) -> Worker:
        """A worker that recovers now."""
        self.names += 1
        return Worker(generation, f"w{self.names}", self.log, self.committed)

    def any_worker(self, data: st.DataObject) -> Worker:
        """The owner or one of those that do not know they are dead."""
        return data.draw(st.sampled_from([self.owner, *self.workers[-3:]]))

    @rule(hosts=st.lists(st.sampled_from("abcdef"), min_size=1, max_size=20))
    def produce(self, hosts: list[str]) -> None:
        """Samples arrive."""
        self.hosts += hosts

    @rule(data=st.data(), count=st.integers(1, 20))
    def work(self, data: st.DataObject, count: int) -> None:
        """A worker goes on from where it was."""
        worker = self.any_worker(data)
        self.clock += 1.0
        self.process(worker, min(len(self.hosts), worker.next_offset + count))
        worker.book.changed(worker.shard.take_dirty(), self.clock)

    def process(self, worker: Worker, end: int) -> None:
        """Apply the samples up to `end`."""
        for offset in range(worker.next_offset, end):
            worker.shard.apply([(offset, sample(self.hosts[offset], offset))])
        worker.next_offset = max(end, worker.next_offset)

    @rule(data=st.data(), budget=st.integers(1, 300))
    def begin_save(self, data: st.DataObject, budget: int) -> None:
        """A worker sends pages."""
        worker = self.any_worker(data)
        if worker.writing is None:
            worker.writing = worker.book.take(worker.shard.row_state, worker.next_offset, budget, FOREVER)
            worker.arrived = 0

    @rule(data=st.data(), count=st.integers(1, 3))
    def arrive(self, data: st.DataObject, count: int) -> None:
        """Some of them reach the log."""
        worker = self.any_worker(data)
        if worker.writing is not None:
            self.log += worker.writing.records[worker.arrived : worker.arrived + count]
            worker.arrived += count

    @rule(data=st.data(), removed=st.integers(0, 4))
    def end_save(self, data: st.DataObject, removed: int) -> None:
        """All is acknowledged, and some removals arrive; or not all, and the worker does not know what arrived."""
        worker = self.any_worker(data)
        if worker.writing is None:
            return
        if worker.arrived >= len(worker.writing.records):
            self.log += worker.book.saved(worker.writing)[:removed]
        else:
            worker.book.failed(worker.writing)
        worker.writing = None

    @rule()
    def commit(self) -> None:
        """The owner commits what its book allows."""
        self.committed = max(self.committed, self.owner.book.committable(self.owner.next_offset))

    @rule()
    def rebalance(self) -> None:
        """A new worker takes over; the old one may not know it."""
        self.owner = self.new_worker(self.owner.generation + 1)
        self.workers.append(self.owner)

    @precondition(lambda self: self.owner.generation > 0)
    @rule()
    def late_recovery(self) -> None:
        """A worker of the generation before was stopped in its recovery, and reads only now."""
        self.workers.append(self.new_worker(self.owner.generation - 1))

    @rule()
    def compact(self) -> None:
        """Kafka keeps the last record of each key, and forgets tombstones."""
        last = {record.key: place for place, record in enumerate(self.log)}
        self.log = [
            record for place, record in enumerate(self.log) if last[record.key] == place and record.value is not None
        ]

    @invariant()
    def nothing_is_lost(self) -> None:
        """Whoever recovers now and reads on from the committed offset ends as if nothing had ever happened."""
        heir = self.new_worker(self.owner.generation + 1)
        self.process(heir, len(self.hosts))
        calm = Worker(0, "calm", [], 0)
        self.process(calm, len(self.hosts))
        assert heir.tallies() == calm.tallies()


TestStorm = Storm.TestCase
TestStorm.settings = settings(max_examples=200, stateful_step_count=50, deadline=None)
