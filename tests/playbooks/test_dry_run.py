"""Dry runs of the shipped restart on a real supervisord: they say what would happen, and nothing happens."""

import io
import json
import sys
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from console.errors import DryRunRefusedError, TypedError
from console.playbooks.dry_run import DryRun, dry_run, parse_inputs
from console.playbooks.report import draw_dry_run
from remediations.catalogue import read_playbooks
from remediations.inventory import Inventory
from remediations.playbooks import Playbook
from remediations.policies import Scalar
from remediations.runner import RunnerSettings
from remediations.runs import RunStatus
from tests.playbooks.conftest import Supervisor
from tests.playbooks.runs import LOCAL, PLAYBOOKS


class Bench:
    """The shipped playbooks, an inventory with one local host, and nothing to be changed."""

    def __init__(self, folder: Path, supervisor: Supervisor) -> None:
        self.markers = folder / "markers"
        self.variables: dict[str, object] = LOCAL | {
            "service_name": "web",
            "tidegate_marker_folder": str(self.markers),
            "restart_supervisor_config": str(supervisor.configuration),
            "restart_supervisorctl": str(Path(sys.executable).parent / "supervisorctl"),
        }
        self.settings = RunnerSettings(folder=str(folder / "runs"), playbooks=str(PLAYBOOKS), home=str(folder))
        self.folder = folder

    @property
    def playbook(self) -> Playbook:
        """The shipped restart."""
        return read_playbooks(PLAYBOOKS)["restart"]

    def tried(self, *hosts: str, inputs: dict[str, Scalar] | None = None, playbook: Playbook | None = None) -> DryRun:
        """The dry run on these hosts, web-1 by default."""
        inventory = Inventory(hosts={"web-1": self.variables, "web-2": self.variables, "bare": {}})
        return dry_run(playbook or self.playbook, hosts or ("web-1",), inputs or {}, inventory, self.settings)


@pytest.fixture
def bench(tmp_path: Path, supervisor: Supervisor) -> Bench:
    """A bench on the supervisor's service `web`."""
    return Bench(tmp_path, supervisor)


def test_a_dry_run_tells_all_and_changes_nothing(bench: Bench, supervisor: Supervisor) -> None:
    """Preflight really looks, check mode gives the plan, and neither the service nor a marker is touched."""
    before = supervisor.pid()
    report = bench.tried()

    assert report.would_run, report
    assert ["preflight", "check"] == [stage.name for stage in report.stages]
    assert {"restart_service_name": "web"} == report.inputs
    assert any("Look" in task.task for task in report.stages[0].tasks), report.stages[0]
    assert any("Restart" in step for step in report.plan), report.plan
    assert (before, 1) == (supervisor.pid(), supervisor.starts())
    assert not bench.markers.exists()
    assert not (bench.folder / "runs").exists()
    assert "nothing speaks against a run" in drawn(report)


def test_preflight_finds_what_is_wrong_on_the_target(bench: Bench, supervisor: Supervisor) -> None:
    """A service that is not there is found by looking; check mode is not tried any more."""
    report = bench.tried(inputs={"restart_service_name": "ghost"})

    assert not report.would_run
    assert [("preflight", RunStatus.FAILED)] == [(stage.name, stage.status) for stage in report.stages]
    assert "ghost" in report.stages[0].reason
    assert 1 == supervisor.starts()


def test_wrong_arguments_are_refused_by_the_role_itself(bench: Bench) -> None:
    """Ansible checks the role's own specification before its first task, in a dry run too."""
    bench.variables["restart_wait_seconds"] = "soon"
    report = bench.tried()
    assert [RunStatus.FAILED] == [stage.status for stage in report.stages]
    assert "restart_wait_seconds" in report.stages[0].reason


@pytest.mark.parametrize(
    ("hosts", "problem"),
    [
        pytest.param(
            ("bare",),
            "restart_service_name: host bare has no variable service_name in the inventory",
            id="an input without a value",
        ),
        pytest.param(("web-1", "web-2"), "2 hosts, its sidecar allows 1 a run", id="too many hosts"),
    ],
)
def test_what_a_decision_would_deny_is_said_before_anything_runs(
    bench: Bench, hosts: tuple[str, ...], problem: str
) -> None:
    """The same checks as at a decision come first."""
    report = bench.tried(*hosts)
    assert (problem, ()) == (report.problem, report.stages)
    assert f"would be refused: {problem}" in drawn(report)


def test_without_check_mode_the_plan_is_what_the_files_tell(bench: Bench) -> None:
    """A playbook that does not support check mode is not run in it: the tasks are listed as they stand there."""
    sidecar = msgspec.structs.replace(bench.playbook.sidecar, supports_check=False)
    report = bench.tried(playbook=msgspec.structs.replace(bench.playbook, sidecar=sidecar))

    assert ["preflight"] == [stage.name for stage in report.stages]
    assert "marker : Take the marker" == report.plan[0]
    assert not any("rollback" in step or "Mark failure" in step for step in report.plan)


def test_several_hosts_are_tried_together_as_far_as_the_sidecar_allows(bench: Bench) -> None:
    """The largest number of hosts of a run holds for dry runs as it would for a run."""
    sidecar = msgspec.structs.replace(bench.playbook.sidecar, hosts_maximum=2)
    report = bench.tried("web-1", "web-2", playbook=msgspec.structs.replace(bench.playbook, sidecar=sidecar))
    assert report.would_run, report
    assert {"web-1", "web-2"} == {task.host for task in report.stages[0].tasks}


def test_a_host_that_is_not_in_the_inventory_is_refused(bench: Bench) -> None:
    """Patterns and unknown names reach nothing."""
    for host in ("web-*", "all", "ghost"):
        with pytest.raises(TypedError, match="the inventory has no host"):
            bench.tried(host)


@pytest.mark.parametrize(
    ("preflight", "others", "found"),
    [
        pytest.param("file: {path: GONE, state: touch}", "ping: {}", "preflight.yml:1: file", id="in preflight"),
        pytest.param("ping: {}", "file: {path: GONE, state: touch}, tags: [always]", "main.yml:2: file", id="always"),
        pytest.param(
            "debug: {msg: \"{{ lookup('pipe', 'touch GONE') }}\"}",
            "ping: {}",
            "preflight.yml:1: a lookup",
            id="a lookup",
        ),
        pytest.param(
            "ping: {}", "file: {path: GONE, state: touch}, check_mode: false", "main.yml:2: file", id="in check mode"
        ),
    ],
)
def test_a_preflight_that_changes_something_is_never_run(
    bench: Bench, tmp_path: Path, preflight: str, others: str, found: str
) -> None:
    """Whoever breaks the contract there gets no dry run: it would not be dry."""
    folder = tmp_path / "playbooks"
    tasks = folder / "roles/wipe/tasks"
    tasks.mkdir(parents=True)
    (folder / "wipe.yml").write_text("- {hosts: all, gather_facts: false, tasks: [{import_role: {name: wipe}}]}")
    (folder / "wipe.meta.yml").write_text("{description: Wipe., action: wipe, timeout_seconds: 60}")
    gone = str(tmp_path / "gone")
    (tasks / "main.yml").write_text(
        f"- {{import_tasks: preflight.yml, tags: [preflight]}}\n- {{{others}}}\n".replace("GONE", gone)
    )
    (tasks / "preflight.yml").write_text(f"- {{{preflight}}}".replace("GONE", gone))
    bench.settings = msgspec.structs.replace(bench.settings, playbooks=str(folder))
    with pytest.raises(DryRunRefusedError, match=f"could change something, roles/wipe/tasks/{found}"):
        bench.tried(playbook=read_playbooks(folder)["wipe"])
    assert not (tmp_path / "gone").exists()


def test_diffs_of_check_mode_are_shown(bench: Bench, tmp_path: Path) -> None:
    """What a template or a file would become is part of the report, what is hidden is not."""
    folder = tmp_path / "playbooks"
    tasks = folder / "roles/note/tasks"
    tasks.mkdir(parents=True)
    (folder / "note.yml").write_text("- {hosts: all, gather_facts: false, tasks: [{import_role: {name: note}}]}")
    (folder / "note.meta.yml").write_text(
        "{description: Note., action: note, timeout_seconds: 60, supports_check: true}"
    )
    (tasks / "main.yml").write_text(
        "- {name: Look, ansible.builtin.stat: {path: /}, tags: [preflight]}\n"
        f"- {{name: Note, ansible.builtin.copy: {{content: 'new line', dest: {tmp_path}/note}}}}\n"
        f"- {{name: Hide, ansible.builtin.copy: {{content: 'canary', dest: {tmp_path}/hidden}}, no_log: true}}\n"
    )
    bench.settings = msgspec.structs.replace(bench.settings, playbooks=str(folder))
    report = bench.tried(playbook=read_playbooks(folder)["note"])
    assert ["Note"] == [diff.task.rpartition(": ")[2] for diff in report.diffs], report
    assert "+new line" in report.diffs[0].text
    assert "web-1: Note: would change" in report.plan
    assert "canary" not in drawn(report)
    assert not (tmp_path / "note").exists()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("restart_wait_seconds=5", {"restart_wait_seconds": 5}),
        ("restart_become=true", {"restart_become": True}),
        ("restart_health_url=http://x/?a=b", {"restart_health_url": "http://x/?a=b"}),
        ("restart_wait_seconds=soon", "input restart_wait_seconds has the value 'soon', wanted int"),
        ("restart_become=maybe", "input restart_become has the value 'maybe', wanted bool"),
        ("nonsense", "input nonsense is not name=value"),
    ],
)
def test_inputs_on_the_command_line_have_the_types_of_the_role(words: str, expected: object) -> None:
    """What is typed is read as the role declares it, or refused in words."""
    playbook = read_playbooks(PLAYBOOKS)["restart"]
    try:
        answer: object = parse_inputs((words,), playbook)
    except TypedError as error:
        answer = str(error)
    assert expected == answer


def drawn(report: DryRun) -> str:
    """The report as a terminal shows it, and as JSON."""
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(draw_dry_run(report))
    return console.export_text() + json.dumps(msgspec.to_builtins(report))
