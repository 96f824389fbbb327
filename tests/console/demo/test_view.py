"""The view shows the story on a terminal and in a pipe, and nothing in an event can steer the terminal."""

import io

import pytest
from rich.console import Console

from console.demo.story import Story, narrate, read
from console.demo.verdict import judge
from console.demo.view import LiveView, PlainView, Scene, draw, draw_summary, view_for
from console.rendering import plain
from tests.console.demo import recorded
from tests.console.demo.test_story import told
from tests.console.demo.test_verdict import FACTS

ACTS = ("Start", "Break one service", "Repair")


def scene(story: Story, note: str = "") -> Scene:
    """A scene of the last act."""
    now = recorded.SECOND_FAULT + 5
    return Scene(ACTS, 2, note, recorded.BEGIN, now, ("web-1", recorded.SICK, "web-3"), {"web-1": 99}, story)


def printed(width: int, story: Story) -> str:
    """The picture as letters."""
    console = Console(file=io.StringIO(), width=width, force_terminal=False, color_system=None)
    console.print(draw(scene(story), width))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [60, 80, 200])
def test_the_picture_tells_fleet_incident_gates_and_refusal(width: int) -> None:
    """What a viewer must see is there at every width."""
    words = printed(width, told())
    for part in ("web-1", "anomalous", recorded.SECOND, "cooldown", "latency_p50"):
        assert part in words


def test_the_picture_of_the_repair_tells_tasks_and_verification() -> None:
    """Before the second act the picture shows the run with its tasks and what came of it."""
    story = Story()
    for entry in recorded.entries(recorded.RECORDS[:-2]):
        story = read(story, entry)
    words = printed(200, story)
    for part in ("Take the marker", "Restart the service", "verification: success", "closed: a run helped"):
        assert part in words


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
    assert expected in printed(200, narrate(Story(), 0.0, words, host="h"))


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
