"""YAML files that operators write → frozen structs, refused with file, path, value and what was wanted.

Only plain data is read: no tags but `!vault`, no timestamps, no numbers that are not finite, no key twice.
"""

import difflib
import math
import re
from collections.abc import Hashable
from pathlib import Path

import msgspec
import yaml
from msgspec import inspect

from remediations.errors import DocumentError

BYTES_MAXIMUM = 1_048_576
VAULTED = "__ansible_vault"
_MERGE = "tag:yaml.org,2002:merge"
_DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_SHOWN = 80
_STEP = re.compile(r"\.(?P<key>[^.\[\]]+)|\[(?P<index>\d+)\]|(?P<any>\[\.\.\.\])")
_ANY_KEY = "[...]"
_WORDS = {
    "object": "a mapping",
    "array": "a list",
    "object | null": "a mapping",
    "bool | int | float | str": "a scalar",
}
_TYPES = {"int": "a whole number", "float": "a number", "str": "text", "bool": "true or false"}

type _Steps = list[str | int]


def read_yaml(file: Path, error: type[DocumentError], *, aliases: bool = False) -> object:
    """Read one YAML document of at most 1 MiB. Raises `error`. Aliases are refused unless asked for."""
    try:
        raw = file.read_bytes()
    except OSError as cause:
        raise error(file, "", f"cannot be read: {cause.strerror}") from cause
    if len(raw) > BYTES_MAXIMUM:
        raise error(file, "", f"has {len(raw)} bytes, wanted at most {BYTES_MAXIMUM}")
    loader = _AliasLoader if aliases else _PlainLoader
    try:
        data: object = yaml.load(raw, Loader=loader)  # noqa: S506 - both are safe loaders
    except yaml.MarkedYAMLError as cause:
        raise error(file, _line(cause.problem_mark), f"{cause.problem or cause.context}") from cause
    except (yaml.YAMLError, ValueError) as cause:
        raise error(file, "", f"is not YAML: {cause}") from cause
    except RecursionError as cause:
        raise error(file, "", "is nested too deeply") from cause
    if data is None:
        raise error(file, "", "is empty")
    return data


def decode[T](data: object, kind: type[T], file: Path, error: type[DocumentError]) -> T:
    """Turn plain data into a struct. Raises `error` at the first place that does not fit."""
    try:
        return msgspec.convert(data, kind)
    except msgspec.ValidationError as cause:
        problem, steps = _located(cause)
        while _ANY_KEY in steps:
            steps[steps.index(_ANY_KEY)] = _culprit(data, kind, steps)
        raise error(file, _path(steps), _explained(problem, _at(data, steps), _wanted(kind, steps))) from cause


class _PlainLoader(yaml.SafeLoader):
    """SafeLoader that refuses what is ambiguous."""

    def compose_node(self, parent: yaml.Node | None, index: object) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call] # the stubs leave it out
            raise yaml.composer.ComposerError(None, None, "aliases are not read here: write the value out", mark)
        return super().compose_node(parent, index)  # type: ignore[arg-type] # the stubs know no index of a sequence

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, object]:  # noqa: FBT001, FBT002 - PyYAML's signature
        _check_keys(self, node)
        return super().construct_mapping(node, deep=deep)

    def construct_text(self, node: yaml.ScalarNode) -> str:
        """Read a date as the text that it is."""
        return str(node.value)

    def construct_vaulted(self, node: yaml.ScalarNode) -> dict[Hashable, object]:
        """Read what Ansible's vault has encrypted as it is, in the form in which Ansible hands it on."""
        return {VAULTED: str(node.value)}

    def construct_decimal(self, node: yaml.ScalarNode) -> int:
        """Read a whole number as it is written: YAML would take 010 for 8, and 1:30 for 90."""
        if _DECIMAL.fullmatch(node.value) is None:
            problem = (
                f"{shortened(node.value)} is no plain number of at most 18 digits: write it so, or put it in quotes"
            )
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        return int(node.value)

    def construct_finite(self, node: yaml.ScalarNode) -> float:
        """Read a number; infinity and NaN make no limit."""
        value = self.construct_yaml_float(node)
        if not math.isfinite(value) or ":" in node.value:
            raise yaml.constructor.ConstructorError(None, None, f"{node.value} is no finite number", node.start_mark)
        return value


class _AliasLoader(_PlainLoader):
    """As above, with aliases: for files that are Ansible's own."""

    def compose_node(self, parent: yaml.Node | None, index: object) -> yaml.Node | None:
        return yaml.SafeLoader.compose_node(self, parent, index)  # type: ignore[arg-type] # as above


for _loader in (_PlainLoader, _AliasLoader):
    _loader.add_constructor("tag:yaml.org,2002:float", _PlainLoader.construct_finite)
    _loader.add_constructor("tag:yaml.org,2002:timestamp", _PlainLoader.construct_text)
    _loader.add_constructor("!vault", _PlainLoader.construct_vaulted)
_PlainLoader.add_constructor(
    "tag:yaml.org,2002:int", _PlainLoader.construct_decimal
)  # last: Ansible's own files may say 0644


def _check_keys(loader: yaml.SafeLoader, node: yaml.MappingNode) -> None:
    """Refuse keys that are there twice, or that YAML takes for something else than text."""
    seen: set[str] = set()
    for key_node, _ in node.value:
        if key_node.tag == _MERGE:
            continue
        key: object = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str):
            written = key_node.value if isinstance(key_node, yaml.ScalarNode) else "that is no scalar"
            problem = f"key {written} is no text: put it in quotes"
        elif key in seen:
            problem = f"key {key} is there twice"
        else:
            seen.add(key)
            continue
        raise yaml.constructor.ConstructorError(None, None, problem, key_node.start_mark)


def _line(mark: yaml.Mark | None) -> str:
    return "" if mark is None else f"line {mark.line + 1}, column {mark.column + 1}"


def _located(error: msgspec.ValidationError) -> tuple[str, _Steps]:
    """Split msgspec's message into the problem and the steps that lead to it."""
    problem, _, place = str(error).partition(" - at `$")
    found = _STEP.finditer(place.removesuffix("`"))
    return problem, [int(step["index"]) if step["index"] else step["key"] or _ANY_KEY for step in found]


def _culprit(data: object, kind: type, steps: _Steps) -> str:
    """Find the key that msgspec did not name: the one that fails in the same way without its siblings."""
    place = steps.index(_ANY_KEY)
    mapping = _at(data, steps[:place])
    for key, value in mapping.items() if isinstance(mapping, dict) else ():
        try:
            msgspec.convert(_replaced(data, steps[:place], {key: value}), kind)
        except msgspec.ValidationError as error:
            if _located(error)[1][: place + 1] == steps[: place + 1]:
                return str(key)
    return "?"


def _replaced(data: object, steps: _Steps, value: object) -> object:
    if not steps:
        return value
    step, rest = steps[0], steps[1:]
    if isinstance(data, dict):
        return data | {step: _replaced(data[step], rest, value)}
    if isinstance(data, list) and isinstance(step, int):
        return [*data[:step], _replaced(data[step], rest, value), *data[step + 1 :]]
    return data


def _at(data: object, steps: _Steps) -> object:
    for step in steps:
        if isinstance(data, dict):
            data = data.get(step)
        elif isinstance(data, list) and isinstance(step, int):
            data = data[step]
    return data


def _path(steps: _Steps) -> str:
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    return text.removeprefix(".")


def _explained(problem: str, value: object, wanted: tuple[str, ...]) -> str:
    """Say what is there and what was wanted, in the words of the file and not in those of the decoder."""
    named = re.search(r"`([^`]*)`", problem)
    if problem.startswith("Object contains unknown field") and named is not None:
        close = difflib.get_close_matches(named[1], wanted, n=1)
        guess = f"; did you mean {close[0]}?" if close else ""
        return f"has the unknown key {named[1]}, wanted {', '.join(wanted)}{guess}"
    if problem.startswith("Object missing required field") and named is not None:
        return f"lacks the key {named[1]}"
    if problem.startswith("Expected"):
        text = problem.removeprefix("Expected ").partition(", got")[0].replace("`", "")
        kind, space, limit = text.partition(" ")
        return f"is {shortened(value)}, wanted {_WORDS.get(text) or _TYPES.get(kind, kind) + space + limit}"
    return f"is {shortened(value)}, wanted {'one of ' + ', '.join(wanted) if wanted else problem}"


def shortened(value: object) -> str:
    """A value as text for a message, cut when it is long."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _wanted(kind: type, steps: _Steps) -> tuple[str, ...]:
    """Give the keys or the values that would do at a place, as far as they can be listed."""
    kinds: list[inspect.Type] = [inspect.type_info(kind)]
    for step in steps:
        kinds = [inner for outer in kinds for inner in _inner(outer, step)]
    return tuple(name for each in kinds for name in _names(each))


def _inner(kind: inspect.Type, step: str | int) -> list[inspect.Type]:
    match kind:
        case inspect.StructType(tag_field=field, tag=tag) if field == step:
            return [inspect.LiteralType((str(tag),))]
        case inspect.StructType(fields=fields):
            return [inner for field in fields if field.encode_name == step for inner in _flat(field.type)]
        case inspect.DictType(value_type=inner) | inspect.VarTupleType(item_type=inner):
            return _flat(inner)
        case _:
            return []


def _flat(kind: inspect.Type) -> list[inspect.Type]:
    if isinstance(kind, inspect.UnionType):
        return list(kind.types)
    return _flat(kind.type) if isinstance(kind, inspect.Metadata) else [kind]


def _names(kind: inspect.Type) -> list[str]:
    match kind:
        case inspect.StructType(fields=fields):
            return [field.encode_name for field in fields]
        case inspect.EnumType(cls=cls):
            return [str(member.value) for member in cls]
        case inspect.LiteralType(values=values):
            return [str(value) for value in values]
        case _:
            return []
