"""Inputs by CEL: refused at load when they are no expression, denied when a host has no value, never an instruction."""

import msgspec
import pytest

from remediations import expressions, inputs
from remediations.expressions import Answer
from remediations.inputs import Inputs
from remediations.playbooks import FromExpression, InputSpec
from remediations.runs import Target
from tests.remediations.stories import PLAYBOOK

INCIDENT: dict[str, str | float] = {"incident_id": "i1", "host": "web-1", "kind": "anomaly", "score": 4.5}
VARIABLES: dict[str, object] = {"service": "shop", "replicas": 3, "names": ["a", "b"], "text": "{{ lookup('pipe') }}"}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("host.service", Answer("shop")),
        ("incident.host + ':' + host.service", Answer("web-1:shop")),
        ("host.replicas + 1", Answer(4)),
        ("has(host.limit) ? host.limit : 10", Answer(10)),
        ("incident.score > 4.0 ? 'hard' : 'soft'", Answer("hard")),
        ("host.names.exists(name, name == 'b')", Answer(value=True)),
        ("host.text", Answer("{{ lookup('pipe') }}")),
        ("host.gone", Answer(problem="there is no gone", is_missing=True)),
        ("host.replicas / 0", Answer(problem="gives no value: division by zero in CEL expression")),
        (
            "host.replicas * 1.5",
            Answer(
                problem="gives no value: No such overload: the operation is not defined for the given operand types"
            ),
        ),
    ],
)
def test_an_expression_reads_incident_and_host(expression: str, expected: Answer) -> None:
    """What is worked out is a value, text of the inventory stays text, and no value is said in words."""
    assert "" == expressions.check(expression)
    assert expected == expressions.evaluate(expression, INCIDENT, VARIABLES)


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        pytest.param("host.a +", "is no CEL expression: Failed to parse expression 'host.a +'", id="not CEL"),
        pytest.param("now - 5", "reads now, wanted only incident and host", id="another name"),
        pytest.param("host.a.map(x, y)", "reads y, wanted only incident and host", id="not the bound name"),
        pytest.param(
            "host.a == 1 && open('/etc/passwd')",
            "calls open, wanted only bool, contains, double, endsWith, has, int, matches, size, startsWith, string",
            id="another function",
        ),
        pytest.param("1" * 1001, "has 1001 characters, wanted at most 1000", id="too long"),
    ],
)
def test_what_is_no_such_expression_is_refused(expression: str, problem: str) -> None:
    """It is found when the sidecar is read, also where it would be evaluated only now and then."""
    assert expressions.check(expression).startswith(problem)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        pytest.param("host.replicas * 2", Inputs(values={"count": 6}), id="fits"),
        pytest.param("host.service", Inputs(problem="count has the value 'shop', wanted int"), id="of another type"),
        pytest.param("[1]", Inputs(problem="count has the value [1], wanted int"), id="a list"),
        pytest.param("host.replicas * 100", Inputs(problem="count has the value 300, wanted one of 6, 7"), id="choice"),
        pytest.param(
            "host.gone",
            Inputs(problem="count: there is no gone on host web-1: host.gone", is_missing=True),
            id="no such variable",
        ),
    ],
)
def test_an_input_by_expression_is_checked_like_any_other(expression: str, expected: Inputs) -> None:
    """The role's own declaration holds for what an expression gives."""
    sidecar = msgspec.structs.replace(PLAYBOOK.sidecar, inputs={"count": FromExpression(expression)})
    playbook = msgspec.structs.replace(
        PLAYBOOK, sidecar=sidecar, inputs={"count": InputSpec(type="int", choices=(6, 7))}
    )
    assert expected == inputs.resolve(playbook, {}, Target("web-1", VARIABLES), INCIDENT)


def test_a_rules_own_value_wins_over_the_sidecars_source() -> None:
    """A policy may say for its hosts what the sidecar says for all."""
    sidecar = msgspec.structs.replace(PLAYBOOK.sidecar, inputs={"count": FromExpression("1")})
    playbook = msgspec.structs.replace(PLAYBOOK, sidecar=sidecar, inputs={"count": InputSpec(type="int")})
    assert Inputs(values={"count": 2}) == inputs.resolve(playbook, {"count": 2}, Target("web-1", {}), INCIDENT)


@pytest.mark.parametrize("value", [float("inf"), float("nan"), True])
def test_a_number_is_a_finite_one(value: float) -> None:
    """Neither infinity nor truth makes a limit."""
    assert inputs.misfit(InputSpec(type="float"), value).endswith("wanted float")
