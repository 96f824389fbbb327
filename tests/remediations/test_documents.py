"""Reading YAML: what is wrong is refused with file, place, value and what was wanted."""

from pathlib import Path

import pytest

from remediations.documents import BYTES_MAXIMUM, decode, read_yaml
from remediations.errors import DocumentError, PlaybookError, PolicyError, RemediationError
from remediations.playbooks import Sidecar
from remediations.policies import Policy

RULE = "name: a, playbook: b"
SIDECAR = "description: d\naction: restart\ntimeout_seconds: 5\n"


def refusal(folder: Path, text: str | bytes, kind: type) -> str:
    """The message without the file name."""
    file = folder / "file.yml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(PolicyError) as caught:
        decode(read_yaml(file, PolicyError), kind, file, PolicyError)
    message = str(caught.value)
    assert message.startswith(f"{file}: ")
    return message.removeprefix(f"{file}: ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", "is empty", id="empty"),
        pytest.param("[]", "is [], wanted a mapping", id="a list"),
        pytest.param("version: [", "line 1, column 11: expected the node content, but found '<stream end>'", id="cut"),
        pytest.param("version: 1\nversion: 1", "line 2, column 1: key version is there twice", id="a key twice"),
        pytest.param(
            f"version: 1\nrules: [{{{RULE}, match: {{hosts: [], hosts: []}}}}]",
            "line 2, column 51: key hosts is there twice",
            id="a key twice, deep inside",
        ),
        pytest.param(
            "version: 1\non: 1", "line 2, column 1: key on is no text: put it in quotes", id="a key that is true"
        ),
        pytest.param("version: 1\n7: 1", "line 2, column 1: key 7 is no text: put it in quotes", id="a number as key"),
        pytest.param(
            "version: 1\nrules: &a []\nlimits: *a",
            "line 3, column 9: aliases are not read here: write the value out",
            id="an alias",
        ),
        pytest.param(
            "version: !!python/object/apply:os.getpid []",
            "line 1, column 10: could not determine a constructor for the tag"
            " 'tag:yaml.org,2002:python/object/apply:os.getpid'",
            id="a tag that would run code",
        ),
        pytest.param("a: 1\n---\nb: 1", "line 2, column 1: but found another document", id="two documents"),
        pytest.param("[" * 5000, "is nested too deeply", id="deep"),
        pytest.param("version: 2", "version: is 2, wanted one of 1", id="another version"),
        pytest.param("rules: []", "lacks the key version", id="a missing key"),
        pytest.param(
            f"version: 1\nrules: [{{{RULE}, cooldown: 5}}]",
            "rules[0]: has the unknown key cooldown, wanted name, playbook, mode, match, inputs, cooldown_seconds,"
            " attempts_maximum, verification; did you mean cooldown_seconds?",
            id="an unknown key",
        ),
        pytest.param(
            f"version: 1\nrules: [{{{RULE}}}, {{{RULE}, mode: autoo}}]",
            "rules[1].mode: is 'autoo', wanted one of observe, approve, auto",
            id="an unknown mode",
        ),
        pytest.param(
            f"version: 1\nrules: [{{{RULE}, match: {{kinds: [anomaly, noise]}}}}]",
            "rules[0].match.kinds[1]: is 'noise', wanted one of anomaly, silence, drift, fleet",
            id="an unknown kind",
        ),
        pytest.param(
            f'version: 1\nrules: [{{{RULE}, inputs: {{good: 1, "x.y": [1]}}}}]',
            "rules[0].inputs.x.y: is [1], wanted a scalar",
            id="a value of a mapping",
        ),
        pytest.param(
            "version: 1\nlimits: {starts_maximum: -1}",
            "limits.starts_maximum: is -1, wanted a whole number >= 0",
            id="a negative limit",
        ),
        pytest.param(
            "version: 1\nlimits: {starts_window_seconds: 604801}",
            "limits.starts_window_seconds: is 604801, wanted a number <= 604800.0",
            id="a window longer than memory",
        ),
        pytest.param(
            "version: 1\nlimits: {event_age_maximum_seconds: .inf}",
            "line 2, column 37: .inf is no finite number",
            id="infinity",
        ),
        pytest.param(
            "version: 1\nlimits: {event_age_maximum_seconds: .nan}",
            "line 2, column 37: .nan is no finite number",
            id="not a number",
        ),
        pytest.param(
            "version: 1\nlimits: {starts_maximum: 010}",
            "line 2, column 26: '010' is no plain number of at most 18 digits: write it so, or put it in quotes",
            id="an octal number",
        ),
        pytest.param(
            "version: 1\nlimits: {cooldown: 1:30}",
            "line 2, column 20: '1:30' is no plain number of at most 18 digits: write it so, or put it in quotes",
            id="a number to base 60",
        ),
        pytest.param(
            f"version: 1\nlimits: {{starts_maximum: {'9' * 19}}}",
            f"line 2, column 26: '{'9' * 19}' is no plain number of at most 18 digits: write it so,"
            " or put it in quotes",
            id="a number that no wire carries",
        ),
        pytest.param(
            f"version: 1\nrules: {'x' * 500}",
            f"rules: is '{'x' * 79}…, wanted a list",
            id="a long value is cut",
        ),
        pytest.param(
            "version: 1\nlimits: {event_age_maximum_seconds: 5m}",
            "limits.event_age_maximum_seconds: is '5m', wanted a number",
            id="a unit",
        ),
        pytest.param(
            "version: 1\nlimits: {protected_hosts: [2024-01-01]}\nrules: 5",
            "rules: is 5, wanted a list",
            id="a date is text",
        ),
    ],
)
def test_a_policy_that_is_wrong_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """The message names the place, what is there and what was wanted."""
    assert message == refusal(tmp_path, text, Policy)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(
            "inputs: {x: {from: constant, value: 1}, y: {from: nowhere}}",
            "inputs.y.from: is 'nowhere', wanted one of incident, inventory, constant, expression",
            id="an unknown source",
        ),
        pytest.param(
            "inputs: {x: {from: incident, field: score}}",
            "inputs.x.field: is 'score', wanted one of incident_id, host, action_id",
            id="an unknown field",
        ),
        pytest.param("inputs: {x: {from: inventory}}", "inputs.x: lacks the key variable", id="no variable"),
        pytest.param("inputs: {x: shop}", "inputs.x: is 'shop', wanted a mapping", id="no source"),
        pytest.param("risk: huge", "risk: is 'huge', wanted one of low, medium, high", id="an unknown risk"),
    ],
)
def test_a_sidecar_that_is_wrong_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """Places inside of mappings are named by their key, and choices are listed, also those of a tag."""
    assert message == refusal(tmp_path, SIDECAR + text, Sidecar)


def test_a_run_without_a_deadline_is_refused(tmp_path: Path) -> None:
    """Every playbook ends: its time must be over 0."""
    text = SIDECAR.replace("5", "0")
    assert refusal(tmp_path, text, Sidecar) == "timeout_seconds: is 0, wanted a number > 0.0"


@pytest.mark.parametrize(
    ("content", "part"),
    [
        pytest.param(b"\xff\xfe\x00", "is not YAML", id="no text"),
        pytest.param(b"version: \x00", "is not YAML", id="a control character"),
        pytest.param(b"#" * (BYTES_MAXIMUM + 1), f"has {BYTES_MAXIMUM + 1} bytes, wanted at most", id="too large"),
    ],
)
def test_what_is_no_yaml_is_refused(tmp_path: Path, content: bytes, part: str) -> None:
    """Bytes that are no document are refused as such, before anything is made of them."""
    assert refusal(tmp_path, content, Policy).startswith(part)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A file that cannot be read is refused with its name, as an error of the kind that was asked for."""
    with pytest.raises(PlaybookError, match=r"none\.yml: cannot be read: No such file or directory"):
        read_yaml(tmp_path / "none.yml", PlaybookError)


def test_all_errors_of_files_are_one_family() -> None:
    """A caller that reports any refused file needs to know one name."""
    assert issubclass(PolicyError, DocumentError)
    assert issubclass(DocumentError, RemediationError)


def test_aliases_and_merges_are_read_where_they_are_ansibles(tmp_path: Path) -> None:
    """Files that Ansible reads may use anchors and merges, and octal modes; what they merge may be overridden."""
    file = tmp_path / "specs.yml"
    file.write_text("a: &a {x: 1, y: 2}\nb:\n  <<: *a\n  y: 0644\n")
    assert read_yaml(file, PlaybookError, aliases=True) == {"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 0o644}}


def test_a_good_policy_becomes_structs(tmp_path: Path) -> None:
    """Whole numbers do for seconds, and what is left out has its default."""
    file = tmp_path / "policy.yml"
    file.write_text(f"version: 1\nrules: [{{{RULE}, cooldown_seconds: 60}}]\n")
    policy = decode(read_yaml(file, PolicyError), Policy, file, PolicyError)
    assert (60.0, 1) == (policy.rules[0].cooldown_seconds, policy.rules[0].attempts_maximum)
