"""Write the generated pages of docs/: settings from the structs, metrics from the tables, commands from the CLI.

`python -m docs.generate` writes them; a test fails when a page is not what this would write.
"""

import ast
import inspect
import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import typer
from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase
from typer.cli import get_docs_for_click

from console.cli import app
from stream import settings
from stream.metrics import DetectMetrics, EngineMetrics, OwnerMetrics

FOLDER = Path(__file__).parent


def field_descriptions(struct: type[msgspec.Struct]) -> dict[str, str]:
    """The sentence below each field of a struct, by field name."""
    (body,) = (node.body for node in ast.parse(inspect.getsource(struct)).body if isinstance(node, ast.ClassDef))
    found: dict[str, str] = {}
    for field, words in itertools.pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(words, ast.Expr):
            found[field.target.id] = str(ast.literal_eval(words.value))
    return found


def number_words(kind: msgspec.inspect.IntType | msgspec.inspect.FloatType) -> str:
    """A number's type with its range."""
    match kind:
        case msgspec.inspect.IntType(ge=0, le=high) if high is not None:
            return f"integer 0 to {high}"
        case msgspec.inspect.IntType():
            return "integer above 0"
        case msgspec.inspect.FloatType(ge=0):
            return "number from 0"
        case msgspec.inspect.FloatType(gt=low):
            return "number" if low is None else "number above 0"


def type_words(kind: msgspec.inspect.Type) -> str:
    """A field's type as an operator would say it; one that may be left out is told as what it is otherwise."""
    if isinstance(kind, msgspec.inspect.UnionType):
        kind = next(each for each in kind.types if not isinstance(each, msgspec.inspect.NoneType))
    match kind:
        case msgspec.inspect.IntType() | msgspec.inspect.FloatType():
            return number_words(kind)
        case msgspec.inspect.LiteralType(values=values):
            return " or ".join(f"`{value}`" if value else "empty" for value in values)
        case msgspec.inspect.BoolType():
            return "true or false"
        case msgspec.inspect.VarTupleType(item_type=item):
            return f"list of {'mappings' if isinstance(item, msgspec.inspect.StructType) else 'texts'}"
        case msgspec.inspect.DictType(value_type=value):
            return f"mapping of text to {type_words(value)}"
        case _:
            return "text"


def default_words(default: object) -> str:
    """A default as it would be written; empty for what has none, and for empty mappings, which have a factory."""
    if isinstance(default, tuple):
        return f"[{', '.join(repr(one) for one in default)}]" if default else ""
    return "" if default is msgspec.NODEFAULT or default is None else str(default)


def setting_rows(struct: type[msgspec.Struct], path: tuple[str, ...] = ()) -> Iterator[tuple[str, str, str, str]]:
    """Path, type, default and description of every setting below `struct`, in the order of the file."""
    words = field_descriptions(struct)
    for field in msgspec.structs.fields(struct):
        here, kind = (*path, field.name), msgspec.inspect.type_info(field.type)
        if isinstance(kind, msgspec.inspect.StructType):
            yield from setting_rows(kind.cls, here)
        else:
            default = default_words(field.default)
            yield ".".join(here), type_words(kind), default, " ".join(words.get(field.name, "").split())
            if isinstance(kind, msgspec.inspect.VarTupleType) and isinstance(
                kind.item_type, msgspec.inspect.StructType
            ):
                yield from setting_rows(kind.item_type.cls, (*path, f"{field.name}[]"))


def settings_page() -> str:
    """docs/settings.md."""
    rows = [
        f"| `{path}` | {kind} | {f'`{default}`' if default else 'empty'} | {words} |"
        for path, kind, default, words in setting_rows(settings.Settings)
    ]
    return "\n".join(
        [
            "# Settings",
            "",
            "One YAML file, named by `--config`, by `TIDEGATE_CONFIG`, or `tidegate.yml` in the current folder.",
            "Unknown keys, wrong types and values out of range are refused, with file, path and value. Every setting",
            f"can be overridden in the environment: `{settings.ENVIRONMENT_PREFIX}` and the path in capitals with `__`",
            "for each dot, such as `TIDEGATE_KAFKA__BOOTSTRAP_SERVERS`. Relative paths start at the file's folder.",
            "",
            "What can not work is refused too, by `tidegate check` and every start alike, with exit status 2: a topic",
            "that Kafka would not take (each setting names one topic: no list, no pattern), one topic in two settings,",
            "addresses, ports and paths that are none, a health port of the engine among those of the workers.",
            "",
            "| setting | type | default | meaning |",
            "|---|---|---|---|",
            *rows,
            "",
        ]
    )


def metric_rows(table: Callable[[CollectorRegistry], object]) -> Iterator[str]:
    """One table row for each metric that `table` registers."""
    for metric in vars(table(CollectorRegistry())).values():
        if isinstance(metric, MetricWrapperBase):
            family = metric.describe()[0]
            name = family.name + ("_total" if family.type == "counter" else "")
            labels = ", ".join(f"`{label}`" for label in metric._labelnames) or "none"  # noqa: SLF001 - no public way
            yield f"| `{name}` | {family.type} | {labels} | {family.documentation} |"


def metrics_page() -> str:
    """docs/metrics.md."""
    heading = ["| metric | type | labels | meaning |", "|---|---|---|---|"]
    return "\n".join(
        [
            "# Metrics",
            "",
            "Each role serves `/metrics` (Prometheus), `/healthz` (its event loop turns) and `/readyz` (its checks by",
            "name, 503 when one fails) on its health port. The usual `process_*` and `python_gc_*` figures and",
            "`tidegate_build_info` are there too. No label carries a host's name or a series' name.",
            "",
            "## detect",
            "",
            *heading,
            *metric_rows(DetectMetrics),
            "",
            "## engine",
            "",
            *heading,
            *metric_rows(EngineMetrics),
            "",
            "## Both, about `tidegate up`",
            "",
            "While one of its troubles holds, `/readyz` of each role answers 503 with the words below `causes`.",
            "",
            *heading,
            *metric_rows(OwnerMetrics),
            "",
        ]
    )


def commands_page() -> str:
    """docs/commands.md."""
    command = typer.main.get_command(app)
    with command.make_context("tidegate", [], resilient_parsing=True) as context:
        return get_docs_for_click(obj=command, ctx=context, name="tidegate", title="Commands").rstrip() + "\n"


PAGES: dict[str, Callable[[], str]] = {
    "settings.md": settings_page,
    "metrics.md": metrics_page,
    "commands.md": commands_page,
}


def main() -> int:
    """Write every page."""
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
