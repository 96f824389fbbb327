"""Groups of commands: an option means the same in front of a command's name and behind it."""

from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperGroup, TyperOption

from console.options import AsJson, Config, Servers

TYPED = "COMMANDLINE"


class OptionsAnywhere(TyperGroup):
    """A group that hands every option it was given on to the command below it, which refuses what it does not know.

    An option that was then typed twice must have been given the same value.
    """

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401 - typer's own classes are private
        """The command of this name, with the options that stood in front of it behind it."""
        name, command, rest = super().resolve_command(ctx, args)
        given = [each for each in self.params if isinstance(each, TyperOption) and _is_typed(ctx, each.name)]
        if command is None or not given:
            return name, command, rest
        with command.make_context(name, list(rest), parent=ctx, resilient_parsing=True) as below:
            for option in given:
                here, there = ctx.params.get(option.name), below.params.get(option.name)
                if _is_typed(below, option.name) and here != there:
                    ctx.fail(f"{option.opts[0]} is given twice: {_told(here)} before {name}, {_told(there)} behind it.")
        return name, command, [*(word for each in given for word in _words(each, ctx.params.get(each.name))), *rest]


def commands_below(*, config: Config = None, bootstrap_servers: Servers = "", as_json: AsJson = False) -> None:
    """Take the options of a group that does nothing by itself; the commands below it get them."""
    del config, bootstrap_servers, as_json


def group(words: str) -> typer.Typer:
    """A group of commands, told by `words`. It answers without a command's name if it gets a callback that does."""
    return typer.Typer(help=words, cls=OptionsAnywhere, callback=commands_below, no_args_is_help=True)


def _is_typed(ctx: Any, name: str | None) -> bool:  # noqa: ANN401 - as above
    source = ctx.get_parameter_source(name)
    return source is not None and source.name == TYPED


def _words(option: TyperOption, value: object) -> Sequence[str]:
    """An option as it would be typed."""
    name = max(option.opts, key=len)
    if option.is_flag:
        return [name] if value else option.secondary_opts[:1]
    values = value if isinstance(value, list | tuple) else [value]
    return [f"{name}={each}" for each in values]


def _told(value: object) -> str:
    return "yes" if value is True else "no" if value is False else str(value)
