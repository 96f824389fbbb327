"""Every command of the command line, found by walking it: what is added later is walked too."""

from collections.abc import Iterator
from typing import Any

import typer
from typer.core import TyperGroup

from console.cli import app

ROOT: TyperGroup = typer.main.get_command(app)  # type: ignore[assignment]
WORDS = {  # what a required parameter takes, where it is not any word
    "lasts": "1m",
    "given": "a=b",
}


def groups(path: tuple[str, ...] = (), group: TyperGroup = ROOT) -> Iterator[tuple[tuple[str, ...], TyperGroup]]:
    """Every group with its path, the outermost first."""
    yield path, group
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from groups((*path, name), command)


def commands() -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command that is no group, with its path."""
    for path, group in groups():
        for name, command in group.commands.items():
            if not isinstance(command, TyperGroup):
                yield (*path, name), command


def required(command: Any) -> list[str]:  # noqa: ANN401 - typer's own classes are private
    """Words for all that a command insists on."""
    words: list[str] = []
    for each in command.params:
        if each.required:
            word = WORDS.get(each.name, "x")
            words.append(f"{each.opts[0]}={word}" if each.param_type_name == "option" else word)
    return words


def reached(words: list[str]) -> dict[str, object]:
    """What the command that these words name would be called with. Raises what parsing raises."""
    command: Any = ROOT
    context = command.make_context("tidegate", list(words))
    while isinstance(command, TyperGroup):
        rest = [*context._protected_args, *context.args]  # noqa: SLF001 - no public way
        if not rest:
            break  # a group that answers by itself
        name, command, rest = command.resolve_command(context, rest)
        context = command.make_context(name, rest, parent=context)
    return {"command": context.command_path, **context.params}
