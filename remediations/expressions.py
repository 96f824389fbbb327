"""Expressions in sidecars: CEL over the incident and the variables of the host, without side effects and always ending.

    incident.incident_id, incident.host, incident.kind, incident.score    as the incident was opened
    host.<variable>                                                       as the inventory has it

An expression reads these and nothing else; what it gives is checked like any other value of an input.
"""

import re
from collections.abc import Mapping
from functools import lru_cache

import cel
import msgspec

NAMES = ("incident", "host")
FUNCTIONS = ("bool", "contains", "double", "endsWith", "has", "int", "matches", "size", "startsWith", "string")
LENGTH_MAXIMUM = 1000
_BOUND = re.compile(r"\.(?:all|exists|exists_one|filter|map)\(\s*([A-Za-z_][A-Za-z0-9_]*)\s*,")
_OPERATOR = re.compile(r"[_@!-]")
_ERRORS = (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError)  # what the library raises


class Answer(msgspec.Struct, frozen=True):
    """What an expression gave. `problem` says why it gave nothing; `is_missing`: because a variable is not there."""

    value: object = None
    problem: str = ""
    is_missing: bool = False


def check(expression: str) -> str:
    """Say in words why an expression can not be used, empty if it can: it must be CEL and read only what there is."""
    if len(expression) > LENGTH_MAXIMUM:
        return f"has {len(expression)} characters, wanted at most {LENGTH_MAXIMUM}"
    try:
        program = _compiled(expression)
    except ValueError as error:
        return f"is no CEL expression: {_first_line(error)}"
    unknown = sorted(set(program.variables()) - {*NAMES, *_BOUND.findall(expression)})
    if unknown:
        return f"reads {', '.join(unknown)}, wanted only {' and '.join(NAMES)}"
    called = sorted(name for name in set(program.functions()) - set(FUNCTIONS) if _OPERATOR.match(name) is None)
    if called:
        return f"calls {', '.join(called)}, wanted only {', '.join(FUNCTIONS)}"
    return ""


def evaluate(expression: str, incident: Mapping[str, object], variables: Mapping[str, object]) -> Answer:
    """Give the value of an expression, or why there is none."""
    try:
        return Answer(value=_compiled(expression).execute({"incident": dict(incident), "host": dict(variables)}))
    except KeyError as error:
        return Answer(problem=f"there is no {error.args[0]}", is_missing=True)
    except _ERRORS as error:
        return Answer(problem=f"gives no value: {_first_line(error)}")


@lru_cache(maxsize=256)
def _compiled(expression: str) -> cel.Program:
    return cel.compile(expression)


def _first_line(error: Exception) -> str:
    """Give the library's own words, without the advice and the lists that it adds."""
    return str(error).strip().partition("\n")[0].partition(". ")[0].partition(" expecting ")[0]
