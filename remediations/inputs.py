"""Inputs of a playbook: where their values come from, and whether a value is what the role declares."""

import math
from collections.abc import Callable, Mapping

import msgspec

from remediations import expressions
from remediations.documents import shortened
from remediations.expressions import Answer
from remediations.playbooks import (
    FromConstant,
    FromExpression,
    FromIncident,
    FromInventory,
    IncidentField,
    InputSource,
    InputSpec,
    Playbook,
)
from remediations.policies import Scalar
from remediations.runs import Target

_FITS: dict[str, Callable[[object], bool]] = {
    "str": lambda value: isinstance(value, str),
    "path": lambda value: isinstance(value, str),
    "int": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "float": lambda value: isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value),
    "bool": lambda value: isinstance(value, bool),
    "raw": lambda value: isinstance(value, str | int | float | bool),
}


class Inputs(msgspec.Struct, frozen=True):
    """The values of a playbook's inputs; `problem` says why one has none, empty if all have.

    `is_missing`: the host lacks a variable; with that, it would have a value.
    """

    values: dict[str, Scalar] = {}
    problem: str = ""
    is_missing: bool = False


def misfit(spec: InputSpec, value: object) -> str:
    """Say in words why a value is not what the role declares, empty if it is."""
    fits = _FITS.get(spec.type)
    if fits is None:
        return f"is declared as {spec.type}; only {', '.join(_FITS)} can be given from here"
    if not fits(value):
        return f"has the value {shortened(value)}, wanted {'a scalar' if spec.type == 'raw' else spec.type}"
    if spec.choices is not None and value not in spec.choices:
        return f"has the value {shortened(value)}, wanted one of {', '.join(map(str, spec.choices))}"
    return ""


def resolve(
    playbook: Playbook, given: Mapping[str, Scalar], target: Target, incident: Mapping[str, str | float]
) -> Inputs:
    """Give every input its value: the rule's own (`given`), else the one from the sidecar's source.

    `incident` maps the names of incident fields to their values; an input whose field is not in it is left out.
    """
    sources = playbook.sidecar.inputs
    values: dict[str, Scalar] = {}
    for name in sorted({*sources, *given}):
        source = FromConstant(value=given[name]) if name in given else sources[name]
        if isinstance(source, FromIncident) and source.field.value not in incident:
            continue
        answer = _value(source, target, incident)
        if answer.problem:
            return Inputs(problem=f"{name}: {answer.problem}", is_missing=answer.is_missing)
        problem = misfit(playbook.inputs.get(name, InputSpec(type="raw")), answer.value)
        if problem:
            return Inputs(problem=f"{name} {problem}")
        if isinstance(answer.value, str | int | float | bool):
            values[name] = answer.value
    return Inputs(values=values)


def names_action(playbook: Playbook) -> tuple[str, ...]:
    """Give the inputs that are filled with the action's own id."""
    return tuple(
        name
        for name, source in playbook.sidecar.inputs.items()
        if isinstance(source, FromIncident) and source.field is IncidentField.ACTION_ID
    )


def _value(source: InputSource, target: Target, incident: Mapping[str, str | float]) -> Answer:
    match source:
        case FromIncident(field=field):
            return Answer(incident[field.value])
        case FromInventory(variable=variable) if variable not in target.variables:
            problem = f"host {target.name} has no variable {variable} in the inventory"
            return Answer(problem=problem, is_missing=True)
        case FromInventory(variable=variable):
            return Answer(target.variables[variable])
        case FromConstant(value=value):
            return Answer(value)
        case FromExpression(expression=expression):
            answer = expressions.evaluate(expression, incident, target.variables)
            place = f" on host {target.name}: {expression}" if answer.problem else ""
            return msgspec.structs.replace(answer, problem=answer.problem + place)
