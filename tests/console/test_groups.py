"""An option means the same in front of a command's name and behind it, in every group, for every command."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.core import TyperOption
from typer.testing import CliRunner

from console.cli import app
from console.groups import OptionsAnywhere
from stream.errors import SettingsError
from tests.console.walk import commands, groups, reached, required

SHARED = {"config", "bootstrap_servers", "as_json"}
GROUPS = {" ".join(("tidegate", *path)): group for path, group in groups()}


def places() -> dict[str, tuple[tuple[str, ...], tuple[str, ...], Any, TyperOption]]:
    """Each option of each group above each command: the words before it, those behind, the command, the option."""
    return {
        f"{' '.join(path[:depth] or ('tidegate',))} [{option.opts[0]}] {' '.join(path[depth:])}": (
            path[:depth],
            path[depth:],
            command,
            option,
        )
        for path, command in commands()
        for depth in range(len(path))
        for option in GROUPS[" ".join(("tidegate", *path[:depth]))].params
        if isinstance(option, TyperOption) and option.expose_value and not option.is_eager
    }


PLACES = places()


def outcome(words: list[str]) -> object:
    """What a command would be called with, or the error of usage, without the words that differ by design."""
    try:
        return reached(words)
    except Exception as error:  # noqa: BLE001 - typer's own class of errors is private
        return type(error).__name__, str(error)


def typed(option: TyperOption, value: str) -> str:
    """An option as it is typed."""
    return option.opts[0] if option.is_flag else f"{max(option.opts, key=len)}={value}"


@pytest.mark.parametrize("group", GROUPS.values(), ids=GROUPS.keys())
def test_every_group_hands_its_options_on(group: object) -> None:
    """A group is made by `console.groups.group`: so it takes what its commands take, and forgets nothing."""
    assert isinstance(group, OptionsAnywhere)
    below = {option.name for command in group.commands.values() for option in command.params}
    assert (SHARED & below) <= {option.name for option in group.params}


@pytest.mark.parametrize(("before", "behind", "command", "option"), PLACES.values(), ids=PLACES.keys())
def test_an_option_means_the_same_at_each_place(
    before: tuple[str, ...], behind: tuple[str, ...], command: object, option: TyperOption
) -> None:
    """In front of the command's name or behind it: the same call, or the same refusal."""
    word, rest = typed(option, "given.yml"), required(command)
    in_front = outcome([*before, word, *behind, *rest])
    at_the_end = outcome([*before, *behind, word, *rest])
    assert at_the_end == in_front
    is_known = option.name in {each.name for each in command.params}  # type: ignore[attr-defined]
    assert is_known == isinstance(in_front, dict)


@pytest.mark.parametrize(("before", "behind", "command", "option"), PLACES.values(), ids=PLACES.keys())
def test_an_option_given_twice_is_given_once_or_refused(
    before: tuple[str, ...], behind: tuple[str, ...], command: object, option: TyperOption
) -> None:
    """The same value twice is one value; two values are refused, and both are named."""
    if option.name not in {each.name for each in command.params}:  # type: ignore[attr-defined]
        return
    rest = required(command)
    once = reached([*before, *behind, typed(option, "one.yml"), *rest])
    assert once == reached([*before, typed(option, "one.yml"), *behind, typed(option, "one.yml"), *rest])
    if not option.is_flag:
        refused = outcome([*before, typed(option, "one.yml"), *behind, typed(option, "two.yml"), *rest])
        assert isinstance(refused, tuple), refused
        assert "is given twice: one.yml before" in refused[1]
        assert "two.yml behind it" in refused[1]


def sides(path: tuple[str, ...], word: list[str], rest: list[str]) -> list[list[str]]:
    """The command with the word at each place that it may have."""
    return [[*path[:depth], *word, *path[depth:], *rest] for depth in range(len(path) + 1)]


@pytest.mark.parametrize(
    "path",
    [("check",), ("maintenance", "start"), ("playbooks", "check"), ("audit", "verify")],
    ids=" ".join,
)
@pytest.mark.parametrize("word", [["-c", "{}"], ["--config", "{}"], ["--config={}"]], ids=" ".join)
def test_no_other_settings_are_read_than_those_named(tmp_path: Path, path: tuple[str, ...], word: list[str]) -> None:
    """The environment names sound settings, the option others: nothing is ever done with those of the environment."""
    sound, named = tmp_path / "sound.yml", tmp_path / "other.yml"
    sound.write_text("log_format: json\n")
    command = dict(commands())[path]
    for words in sides(path, [each.format(named) for each in word], required(command)):
        answer = CliRunner().invoke(app, words, env={"TIDEGATE_CONFIG": str(sound)})
        assert isinstance(answer.exception, SettingsError), words
        assert str(named) in str(answer.exception)


GIVEN: dict[str, Callable[[Path], list[str]]] = {
    "a file between groups": lambda file: ["playbooks", "-c", str(file)],
    "a file of all": lambda file: ["-c", str(file), "playbooks"],
}


@pytest.mark.parametrize("words", GIVEN.values(), ids=GIVEN.keys())
def test_a_group_that_answers_by_itself_takes_its_options(tmp_path: Path, words: Callable[[Path], list[str]]) -> None:
    """Without a command's name the option is the group's own."""
    file = tmp_path / "gone.yml"
    answer = CliRunner().invoke(app, words(file))
    assert isinstance(answer.exception, SettingsError)
    assert str(file) in str(answer.exception)
