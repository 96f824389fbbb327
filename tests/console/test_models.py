"""Commands to models as they are typed, and what is shown of models; without Kafka."""

import io

import pytest
import typer
from rich.console import Console, RenderableType
from typer.testing import CliRunner

from console.errors import HostNotFoundError, TypedError
from console.maintenance import in_maintenance, maintenance, parse_span
from console.models import draw_model, model_of, models, parse_time
from console.requests import checked, request, tell
from detectors.commands import Answer, ModelReset, Refusal
from detectors.saves import SavedState
from detectors.signals import HostState, HostStatus

NOW = 1_700_000_000.0
RESET = ModelReset(id="1", host="web-1", time=NOW, by="ann", reason="new disk")


def status(host: str, time: float = NOW, until: float = 0.0, saves: tuple[SavedState, ...] = ()) -> HostStatus:
    """A roster entry."""
    return HostStatus(host, HostState.NORMAL, time, time, 0.3, 1234, 5, 0, maintenance_until=until, saves=saves)


def text_of(drawn: RenderableType) -> str:
    """What a terminal would show."""
    out = io.StringIO()
    Console(file=out, width=100).print(drawn)
    return out.getvalue()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("45s", 45.0), ("30m", 1800.0), ("2h", 7200.0), ("1d12h", 129_600.0), ("1h30m", 5400.0)],
)
def test_a_length_of_time_is_read(text: str, seconds: float) -> None:
    """Units may be joined, as Prometheus and Alertmanager write them."""
    assert parse_span(text) == seconds


@pytest.mark.parametrize("text", ["", "2", "h", "-1h", "0s", "2h ", "1.5h", "2 h", "1w", "2h!", "9999999999s"])
def test_what_is_no_length_of_time_is_refused(text: str) -> None:
    """A maintenance without an end, or with one that was mistyped, is none."""
    with pytest.raises(TypedError, match="wanted a length of time such as 30m"):
        parse_span(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2023-11-14T22:13:20.000Z", NOW),
        ("2023-11-14T22:13:20", NOW),
        ("2023-11-14 23:13:20+01:00", NOW),
        ("2023-11-14", 1_699_920_000.0),
    ],
)
def test_a_time_is_read(text: str, seconds: float) -> None:
    """UTC unless it says otherwise."""
    assert parse_time(text) == seconds


@pytest.mark.parametrize("text", ["yesterday", "1700000000", "2023-13-01", "10:00"])
def test_what_is_no_time_is_refused(text: str) -> None:
    """The text says what was typed."""
    with pytest.raises(TypedError, match=text):
        parse_time(text)


@pytest.mark.parametrize(
    ("host", "reason"), [("", "x"), ("h" * 513, "x"), ("web-1", "r" * 501)], ids=["no host", "long host", "long reason"]
)
def test_a_command_that_its_readers_would_refuse_is_not_written(host: str, reason: str) -> None:
    """The operator is told at once, not by the dead letter."""
    with pytest.raises(TypedError, match=r"model\.reset of"):
        checked(ModelReset(**request("ann", reason).stamp(host)))


def test_every_command_has_a_name_of_its_own() -> None:
    """So each answer finds its question."""
    asked = request("", "x")
    stamps = [asked.stamp("web-1"), asked.stamp("web-1")]
    assert stamps[0]["id"] != stamps[1]["id"]
    assert "@" in str(stamps[0]["by"])


def test_the_model_of_a_host_is_what_the_roster_said_last() -> None:
    """Saved states are shown newest first."""
    saves = (SavedState(NOW - 200.0, 3, 10), SavedState(NOW - 100.0, 4, 20))
    answer = model_of([status("a", NOW, saves=saves), status("a", NOW - 60.0), status("b")], "a")
    assert (answer.time, answer.saves) == (NOW, (saves[1], saves[0]))


@pytest.mark.parametrize(
    ("hosts", "words"),
    [((), "'web-9' is not in the roster of the last minutes; no host is"), (("a", "b"), "2 others are")],
)
def test_a_host_that_nobody_knows_is_named(hosts: tuple[str, ...], words: str) -> None:
    """A name that was mistyped is told apart from detect being down."""
    with pytest.raises(HostNotFoundError, match=words):
        model_of([status(host) for host in hosts], "web-9")


def test_saved_states_are_shown_as_rollback_takes_them() -> None:
    """The time of a row can be pasted behind `--to`."""
    shown = text_of(draw_model(model_of([status("a", saves=(SavedState(NOW, 3, 12345),))], "a"), NOW + 60.0))
    assert "2023-11-14T22:13:20.000Z" in shown
    assert "12,345" in shown


def test_hosts_in_maintenance_are_those_whose_time_is_not_over() -> None:
    """The one that is over soonest comes first."""
    notices = [status("a", until=NOW + 60.0), status("b", until=NOW + 30.0), status("c", until=NOW), status("d")]
    assert [row.host for row in in_maintenance(notices, NOW)] == ["b", "a"]


def test_a_refusal_is_told_by_the_exit_status(capsys: pytest.CaptureFixture[str]) -> None:
    """A script can tell."""
    tell([Answer(RESET, done=True, words="fine")], as_json=False)
    with pytest.raises(typer.Exit) as left:
        tell([Answer(RESET, done=False, words="no model", refusal=Refusal.UNKNOWN_HOST)], as_json=False)
    assert left.value.exit_code == 1
    assert capsys.readouterr().out.splitlines() == ["✓ fine", "✕ no model"]


@pytest.mark.parametrize(
    ("app", "arguments", "words"),
    [
        (models, ["reset", "web-1"], "--reason"),
        (models, ["rollback", "web-1"], "--reason"),
        (maintenance, ["start", "web-1", "--reason", "x"], "--for"),
        (maintenance, ["start", "--for", "1h", "--reason", "x"], "HOST"),
    ],
    ids=["reset without a reason", "rollback without one", "maintenance without an end", "maintenance of nothing"],
)
def test_what_must_be_said_is_asked_for(app: typer.Typer, arguments: list[str], words: str) -> None:
    """Nothing is written before everything is there."""
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert words in result.output
