"""The view shows the story on a terminal and in a pipe, and nothing in an event can steer the terminal."""

import io

import msgspec
import pytest
from rich.console import Console

from console.demo.story import Story, narrate, read
from console.demo.verdict import judge
from console.demo.view import LiveView, PlainView, Scene, Space, draw, draw_summary, view_for
from console.rendering import plain
from remediations.runs import TaskOutcome
from tests.console.demo import recorded
from tests.console.demo.test_story import told
from tests.console.demo.test_verdict import FACTS

ACTS = ("Start", "Break one service", "Repair")


def scene(story: Story, note: str = "") -> Scene:
    """A scene of the last act."""
    now = recorded.SECOND_FAULT + 5
    return Scene(ACTS, 2, note, recorded.BEGIN, now, ("web-1", recorded.SICK, "web-3"), {"web-1": 99}, story)


def printed(story: Story, width: int = 200, height: int = 60) -> str:
    """The picture as letters."""
    console = Console(file=io.StringIO(), width=width, force_terminal=False, color_system=None)
    console.print(draw(scene(story), Space(width, height)))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


SIZES = [("small", 80, 24), ("tall and narrow", 80, 60), ("usual", 120, 40), ("large", 220, 70)]


@pytest.mark.parametrize(("width", "height"), [each[1:] for each in SIZES], ids=[each[0] for each in SIZES])
def test_the_picture_tells_fleet_incident_gates_and_refusal(width: int, height: int) -> None:
    """What a viewer must see is there on every terminal."""
    words = printed(told(), width, height)
    for part in ("web-1", "▲", recorded.SECOND, "✕ cooldown", "latency_p50", "Break one service"):
        assert part in words


@pytest.mark.parametrize(("width", "height"), [each[1:] for each in SIZES[1:]], ids=[each[0] for each in SIZES[1:]])
def test_the_picture_of_the_repair_fits_the_terminal(width: int, height: int) -> None:
    """No row is lost below the edge, however many tasks the run has."""
    story = Story()
    tasks = [(recorded.FIRST_FAULT + 5.0, recorded.task(each, f"Task {each}", TaskOutcome.OK)) for each in range(40)]
    for entry in recorded.entries((*recorded.RECORDS[:5], *tasks, *recorded.RECORDS[5:-2])):
        story = read(story, entry)
    words = printed(story, width, height)
    assert len(words.splitlines()) <= height
    for part in ("Restart the service", "verification: success", "closed: a run helped"):
        assert part in words


def test_tasks_that_tell_nothing_are_left_out_of_the_picture() -> None:
    """Skipped tasks and Ansible's own checks of arguments are in the log, not in the picture."""
    story = Story()
    skipped = (recorded.FIRST_FAULT + 5.0, recorded.task(9, "Not needed", TaskOutcome.SKIPPED))
    for entry in recorded.entries((*recorded.RECORDS[:6], skipped)):
        story = read(story, entry)
    assert "Take the marker" in printed(story)
    assert "Not needed  1.2" not in printed(story)


def test_small_tasks_are_told_on_demand() -> None:
    """A pipe gets the tasks that a person cares about, and all of them when it is verbose."""
    story = Story()
    small = recorded.task(9, "Note how it was", TaskOutcome.OK)
    small = msgspec.structs.replace(small, task=msgspec.structs.replace(small.task, action="ansible.builtin.set_fact"))
    for entry in recorded.entries((*recorded.RECORDS[:7], (recorded.FIRST_FAULT + 7.5, small))):
        story = read(story, entry)
    for is_verbose in (False, True):
        out = io.StringIO()
        view_for(Console(file=out, force_terminal=False, width=200), is_verbose=is_verbose).show(scene(story))
        assert "Restart the service" in out.getvalue()
        assert ("Note how it was" in out.getvalue()) == is_verbose


HOSTILE = [
    ("markup", "[bold red]x[/] [link=file:///etc]y", "[bold red]x[/] [link=file:///etc]y"),
    ("escape sequence", "a\x1b[2Jb\x1b]0;title\x07", "a\ufffd[2Jb\ufffd]0;title\ufffd"),
    ("line breaks", "a\r\nb\tc", "a\ufffd\ufffdb\ufffdc"),
    ("bidirectional override", "a\u202eb", "a\ufffdb"),
    ("letters of the world", "größe 測定", "größe 測定"),
]


@pytest.mark.parametrize(("words", "expected"), [case[1:] for case in HOSTILE], ids=[case[0] for case in HOSTILE])
def test_text_of_events_reaches_the_terminal_as_letters_only(words: str, expected: str) -> None:
    """Markup stays letters; control characters are replaced."""
    assert expected == plain(words).plain
    assert expected in printed(narrate(Story(), 0.0, words, host="h"))


def test_lines_in_a_pipe_are_printed_once_each() -> None:
    """Without a terminal every new line is printed once, with its second."""
    out = io.StringIO()
    view = view_for(Console(file=out, force_terminal=False, width=80))
    assert isinstance(view, PlainView)
    story = narrate(Story(), recorded.BEGIN + 1, "first")
    with view:
        view.show(scene(story, "waiting"))
        view.show(scene(story, "waiting"))
        view.show(scene(narrate(story, recorded.BEGIN + 2, "second", host="web-1"), "waiting"))
    lines = out.getvalue().splitlines()
    assert [line for line in lines if "…" not in line] == ["   1.0 s  first", "   2.0 s  web-1: second"]
    assert sum("…" in line for line in lines) == 1


def test_a_terminal_gets_the_live_picture_and_its_cursor_back() -> None:
    """The live view hides the cursor while it draws and shows it again at the end."""
    out = io.StringIO()
    view = view_for(Console(file=out, force_terminal=True, width=120, height=50))
    assert isinstance(view, LiveView)
    with view:
        view.show(scene(told()))
    assert "\x1b[?25l" in out.getvalue()
    assert out.getvalue().rindex("\x1b[?25h") > out.getvalue().rindex("\x1b[?25l")


def test_the_summary_shows_figures_and_problems() -> None:
    """A failed demo says what failed."""
    console = Console(file=io.StringIO(), width=140, force_terminal=False, color_system=None)
    console.print(draw_summary(judge(Story(), FACTS)))
    assert isinstance(console.file, io.StringIO)
    for part in ("did not happen", "no signal was raised", "100 before, 200 after"):
        assert part in console.file.getvalue()
