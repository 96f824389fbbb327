"""What a request may hold: everything else is refused before a file is written or a process started."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from remediations import runner
from remediations.runs import RunRequest, Target
from tests.playbooks.runs import PLAYBOOKS

GOOD = RunRequest(
    action_id="0123456789abcdef" * 2,
    incident_id="incident-1",
    attempt=1,
    playbook=str(PLAYBOOKS / "restart.yml"),
    targets=(Target("web-1", {"ansible_host": "10.0.0.1"}),),
    inputs={"restart_service_name": "web"},
    timeout_seconds=60.0,
)
PIPE = "{{ lookup('pipe', 'touch /tmp/executed') }}"


def target(name: str = "web-1", **variables: object) -> dict[str, object]:
    """A change of the targets to this one."""
    return {"targets": (Target(name, variables),)}


REFUSED: dict[str, tuple[dict[str, object], str]] = {
    "id leaves the folder": ({"action_id": "../../../../etc/aaaaaaaaaaaaaaaaaaaaaaaaaaaa"}, "action_id"),
    "id ends in a newline": ({"action_id": "a" * 32 + "\n"}, "action_id"),
    "id too short": ({"action_id": "abc"}, "action_id"),
    "incident id is a template": ({"incident_id": PIPE}, "incident_id"),
    "playbook outside the folder": ({"playbook": "/etc/passwd"}, "playbook"),
    "playbook leaves the folder": ({"playbook": f"{PLAYBOOKS}/../pyproject.yml"}, "playbook"),
    "playbook relative": ({"playbook": "restart.yml"}, "playbook"),
    "playbook missing": ({"playbook": str(PLAYBOOKS / "none.yml")}, "playbook"),
    "playbook is an option": ({"playbook": str(PLAYBOOKS / "--help.yml")}, "playbook"),
    "no target": ({"targets": ()}, "targets"),
    "target twice": ({"targets": (Target("a"), Target("a"))}, "targets"),
    "host is a range": (target("db[1:3]"), "targets"),
    "host is a pattern": (target("web*"), "targets"),
    "host is an exclusion": (target("!web"), "targets"),
    "host is a list": (target("a:b"), "targets"),
    "host is a file": (target("@hosts"), "targets"),
    "host is a group": (target("all"), "targets"),
    "host is an option": (target("-oProxyCommand=touch x"), "targets"),
    "host is a template": (target(PIPE), "targets"),
    "host leaves a folder": (target("../web-1"), "targets"),
    "host is a shell word": (target("web-1;touch x"), "targets"),
    "host is HTML": (target("<b>web-1</b>"), "targets"),
    "host is coloured": (target("\x1b[31mweb-1"), "targets"),
    "host looks like another": (target("w\u0435b-1"), "targets"),
    "host reads backwards": (target("\u202ebew"), "targets"),
    "host has full-width letters": (target("\uff57eb-1"), "targets"),
    "input is coloured": ({"inputs": {"label": "\x1b[2J"}}, "inputs.label"),
    "input has a line more": ({"inputs": {"label": "a\u2028b"}}, "inputs.label"),
    "input name looks like another": ({"inputs": {"l\u0430bel": "x"}}, "inputs"),
    "host brings an inventory": (target("web\n[all:vars]\nansible_connection=local"), "targets"),
    "address is an option": (target(ansible_host="-oProxyCommand=touch x"), "ansible_host"),
    "address is a template": (target(ansible_host=PIPE), "ansible_host"),
    "user is an option": (target(ansible_user="-oProxyCommand=touch x"), "ansible_user"),
    "port is a word": (target(ansible_port="22 -oProxyCommand=x"), "ansible_port"),
    "port out of range": (target(ansible_port=70000), "ansible_port"),
    "variable name is a template": ({"targets": (Target("web-1", {PIPE: 1}),)}, "targets.web-1."),
    "variable key decodes as unsafe": (target(labels={"__ansible_vault": "x"}), "labels"),
    "variable key is a template": (target(labels={PIPE: "x"}), "labels"),
    "variable has a newline": (target(note="a\nb"), "note"),
    "variable of a strange type": (target(note=b"bytes"), "note"),
    "input name breaks out of JSON": ({"inputs": {'a":1,"label': "x"}}, "inputs"),
    "input name is a template": ({"inputs": {PIPE: "x"}}, "inputs"),
    "input redirects the connection": ({"inputs": {"ansible_connection": "local"}}, "inputs.ansible_connection"),
    "input sets ssh options": ({"inputs": {"ansible_ssh_common_args": "-oProxyCommand=x"}}, "ansible_ssh_common_args"),
    "input replaces the action's id": ({"inputs": {"tidegate_action_id": "x"}}, "inputs.tidegate_action_id"),
    "input is Ansible's own": ({"inputs": {"hostvars": "x"}}, "inputs.hostvars"),
    "input has a null byte": ({"inputs": {"label": "a\0b"}}, "inputs.label"),
    "input is half a character": ({"inputs": {"label": "\ud800"}}, "inputs.label"),
    "input is too long": ({"inputs": {"label": "x" * 5000}}, "inputs.label"),
    "input is not a number": ({"inputs": {"level": float("nan")}}, "inputs.level"),
    "no time": ({"timeout_seconds": 0.0}, "timeout_seconds"),
    "endless": ({"timeout_seconds": float("inf")}, "timeout_seconds"),
    "time is no number": ({"timeout_seconds": float("nan")}, "timeout_seconds"),
}


def settings(folder: Path, **changes: int) -> runner.RunnerSettings:
    """Settings with all folders below this one."""
    plain = runner.RunnerSettings(folder=str(folder / "runs"), playbooks=str(PLAYBOOKS), home=str(folder))
    return msgspec.structs.replace(plain, **changes)


@pytest.mark.parametrize("case", REFUSED)
def test_refused_before_anything_is_written(case: str, tmp_path: Path) -> None:
    """A request with a hostile or impossible part is refused by that part's name, and leaves no file."""
    change, field = REFUSED[case]
    with pytest.raises(runner.RunRefusedError) as caught:
        runner.prepare(msgspec.structs.replace(GOOD, **change), settings(tmp_path))
    assert field in caught.value.field
    assert list(tmp_path.iterdir()) == []
    assert str(caught.value).isprintable()


def test_long_temporary_folder_is_not_used(tmp_path: Path) -> None:
    """Sockets are made in the temporary folder, and their paths have a limit: a longer one gives way to a short one."""
    long = tmp_path / ("x" * 80)
    long.mkdir()
    for folder, is_used in ((tmp_path, len(str(tmp_path)) <= 57), (long, False), (tmp_path / "none", False)):
        told = msgspec.structs.replace(settings(tmp_path), environment={"TMPDIR": str(folder)})
        chosen = runner.prepare(GOOD, told).environment["TMPDIR"]
        assert is_used == (str(folder) == chosen)
        assert len(chosen) <= 57
        assert Path(chosen).is_dir()


def test_refused_without_space(tmp_path: Path) -> None:
    """A run that could not write down what it does is not begun."""
    with pytest.raises(runner.RunRefusedError, match="free space"):
        runner.prepare(GOOD, settings(tmp_path, free_bytes_minimum=2**62))


@contextmanager
def prepared(folder: Path, request: RunRequest = GOOD) -> Iterator[runner.PreparedRun]:
    """A run that is prepared, never started, and discarded."""
    run = runner.prepare(request, settings(folder))
    try:
        yield run
    finally:
        runner.discard(run)


def test_prepared_run_keeps_values_off_the_command_line(tmp_path: Path) -> None:
    """Values are in files that only their owner reads; the command line and the built environment hold none."""
    targets = (Target("web-1", {"a": "s3cret"}),)
    with prepared(tmp_path, msgspec.structs.replace(GOOD, inputs={"label": "s3cret-value"}, targets=targets)) as run:
        assert "s3cret" not in " ".join(run.argv) + str(run.environment)
        assert {0} == {path.stat().st_mode & 0o077 for path in Path(run.cwd).rglob("*")}


def test_environment_is_built(tmp_path: Path) -> None:
    """The environment holds what the runner sets, and nothing of ours."""
    with prepared(tmp_path) as run:
        others = {key for key in run.environment if not key.startswith("ANSIBLE_")}
    assert others == {"PATH", "HOME", "LANG", "LC_ALL", "MAX_EVENT_RES", "TMPDIR"}


def test_text_from_outside_is_marked_as_text(tmp_path: Path) -> None:
    """Every string of inputs and variables, however deep, is written as unsafe text; numbers and keys stay."""
    variables: dict[str, object] = {"labels": {"zone": [PIPE, 3]}, "flag": True}
    targets = (Target("web-1", variables),)
    with prepared(tmp_path, msgspec.structs.replace(GOOD, inputs={"label": PIPE, "level": 2}, targets=targets)) as run:
        host = json.loads(Path(run.cwd, "inventory", "hosts.json").read_bytes())["all"]["hosts"]["web-1"]
        extra = json.loads(Path(run.cwd, "env", "extravars").read_bytes())
    assert host["labels"] == {"zone": [{"__ansible_unsafe": PIPE}, 3]}
    assert extra["label"] == {"__ansible_unsafe": PIPE}
    assert (host["flag"], extra["level"]) == (True, 2)


def test_each_run_has_a_fresh_folder(tmp_path: Path) -> None:
    """Two runs of one action share no file: leftovers of the first would be read by the second."""
    with prepared(tmp_path) as first, prepared(tmp_path) as second:
        assert first.cwd != second.cwd
        assert Path(first.cwd).parent == Path(second.cwd).parent


def test_discarded_run_leaves_nothing(tmp_path: Path) -> None:
    """A run that is not started after all leaves no file."""
    with prepared(tmp_path) as run:
        assert Path(run.cwd).is_dir()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
