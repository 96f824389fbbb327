"""The catalogue: which playbooks are offered, what they take, and that their digest covers what a run may read."""

from pathlib import Path

import pytest

from remediations.catalogue import read_playbooks
from remediations.errors import PlaybookError
from remediations.playbooks import InputSpec, Playbook

PLAY = """
- hosts: all
  vars: {restart_quiet: true}
  roles:
    - {role: marker, vars: {marker_mode: soft}}
  tasks:
    - block:
        - ansible.builtin.import_role: {name: restart}
      rescue:
        - include_role: {name: marker, tasks_from: done}
          vars: {marker_outcome: failed}
"""
RESTART = """
argument_specs:
  main:
    options: &options
      restart_service: {type: str, required: true, description: The service.}
      restart_wait: {type: int, default: 30}
      restart_quiet: {type: bool, required: true}
      restart_way: {choices: [soft, hard], default: soft}
      restart_token: {no_log: true}
      restart_list: {type: list, elements: str}
      tidegate_action_id: {required: true}
  other:
    options:
      <<: *options
      restart_other: {required: true}
"""
MARKER = """
argument_specs:
  main: {options: {marker_mode: {required: true}, marker_become: {type: bool}}}
  done: {options: {marker_outcome: {required: true}, marker_become: {type: bool}}}
"""
SIDECAR = """
description: Restart.
action: restart
timeout_seconds: 60
"""
INPUTS = "inputs: {restart_service: {from: inventory, variable: service}}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one playbook and its two roles."""
    files = {
        "restart.yml": PLAY,
        "restart.meta.yml": SIDECAR + INPUTS,
        "roles/restart/meta/argument_specs.yml": RESTART,
        "roles/restart/tasks/main.yml": "[]",
        "roles/marker/meta/argument_specs.yml": MARKER,
    }
    for name, text in files.items():
        write(tmp_path / name, text)
    return tmp_path


def write(file: Path, text: str) -> None:
    """A file, with the folders above it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def restart(folder: Path) -> Playbook:
    """The folder's playbook."""
    return read_playbooks(folder)["restart"]


def test_inputs_are_what_the_roles_declare_and_the_play_leaves_open(folder: Path) -> None:
    """Options that the play gives itself, or that the runner gives, are no inputs; those of every entry point count."""
    assert restart(folder).inputs == {
        "marker_become": InputSpec(type="bool"),
        "restart_service": InputSpec(required=True, description="The service."),
        "restart_wait": InputSpec(type="int", default=30),
        "restart_way": InputSpec(choices=("soft", "hard"), default="soft"),
        "restart_token": InputSpec(secret=True),
        "restart_list": InputSpec(type="list"),
    }


def test_an_input_is_required_if_any_role_has_no_value_for_it(folder: Path) -> None:
    """A default makes it free to leave out, unless another role has none."""
    options = "argument_specs: {main: {options: {restart_wait: {type: int, required: true%s}}}}"
    write(folder / "roles/marker/meta/argument_specs.yml", options % ", default: 5")
    assert not restart(folder).inputs["restart_wait"].required
    write(folder / "restart.yml", "- {hosts: all, roles: [restart, marker], vars: {restart_quiet: true}}")
    write(folder / "roles/marker/meta/argument_specs.yml", options % "")
    assert restart(folder).inputs["restart_wait"].required


def test_a_playbook_is_offered_with_its_sidecar(folder: Path) -> None:
    """A playbook without a sidecar is nobody's to name; the path of one that is offered is absolute."""
    write(folder / "look.yml", PLAY)
    assert list(read_playbooks(folder)) == ["restart"]
    assert restart(folder).path == str(folder / "restart.yml")


def test_the_shipped_playbooks_are_offered() -> None:
    """The folder that comes with Tidegate is well formed."""
    shipped = read_playbooks(Path(__file__).parents[2] / "playbooks")
    assert "restart" in shipped
    assert shipped["restart"].inputs["restart_service_name"].required


@pytest.mark.parametrize(
    "name",
    [
        "restart.yml",
        "restart.meta.yml",
        "roles/restart/tasks/main.yml",
        "roles/restart/files/new.sh",
        "roles/marker/meta/argument_specs.yml",
        "group_vars/all.yml",
        "library/module.py",
        "ansible.cfg",
        "included_tasks.yml",
    ],
)
def test_the_digest_covers_what_a_run_may_read(folder: Path, name: str) -> None:
    """One byte more in any file that a run may read makes another digest."""
    before = restart(folder).digest
    file = folder / name
    write(file, (file.read_text() if file.exists() else "") + "\n#")
    assert before != restart(folder).digest


def test_the_digest_covers_names(folder: Path) -> None:
    """The same content under another name is another tree."""
    write(folder / "roles/restart/files/a", "x")
    before = restart(folder).digest
    (folder / "roles/restart/files/a").rename(folder / "roles/restart/files/b")
    assert before != restart(folder).digest


@pytest.mark.parametrize(
    "name", ["examples/policy.yml", ".git/HEAD", ".ansible-lint", "roles/restart/files/__pycache__/x.pyc"]
)
def test_the_digest_leaves_out_what_no_run_reads(folder: Path, name: str) -> None:
    """Examples, hidden files and caches change no permission."""
    before = restart(folder).digest
    write(folder / name, "x")
    assert before == restart(folder).digest


def test_another_playbook_changes_no_digest(folder: Path) -> None:
    """Each playbook has its own digest: a new one beside it revokes no permission."""
    before = restart(folder).digest
    write(folder / "drain.yml", PLAY)
    write(folder / "drain.meta.yml", SIDECAR)
    both = read_playbooks(folder)
    assert before == both["restart"].digest
    assert before != both["drain"].digest


def test_the_digest_is_the_same_wherever_the_folder_lies(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Two engines with the same files agree."""
    other = tmp_path_factory.mktemp("other")
    for file in folder.rglob("*.yml"):
        write(other / file.relative_to(folder), file.read_text())
    assert restart(folder).digest == restart(other).digest


def test_a_link_inside_of_the_folder_is_followed(folder: Path) -> None:
    """A link's content counts, and so does its own target."""
    write(folder / "roles/restart/files/a", "x")
    (folder / "roles/restart/files/b").symlink_to("a")
    before = restart(folder).digest
    write(folder / "roles/restart/files/a", "y")
    assert before != restart(folder).digest


def test_where_a_link_to_a_folder_leads_counts(folder: Path) -> None:
    """Switching the link of a release is a change."""
    for name in ("a", "b"):
        write(folder / f"roles/restart/{name}/x", "x")
    link = folder / "roles/restart/files"
    link.symlink_to("a")
    before = restart(folder).digest
    link.unlink()
    link.symlink_to("b")
    assert before != restart(folder).digest


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_link_that_leaves_the_folder_is_refused(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, kind: str
) -> None:
    """What lies outside can change unseen."""
    outside = tmp_path_factory.mktemp("outside")
    write(outside / "x", "x")
    (folder / "roles/restart/files").symlink_to(outside if kind == "folder" else outside / "x")
    with pytest.raises(PlaybookError, match="is a link that leaves the playbook folder"):
        read_playbooks(folder)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        pytest.param(
            "restart.meta.yml",
            SIDECAR + "inputs: {restart_servce: {from: constant, value: x}}",
            "restart.meta.yml: inputs.restart_servce: is declared by no role of the playbook, wanted one of"
            " marker_become, restart_service, restart_wait, restart_way, restart_token, restart_list",
            id="an input that no role declares",
        ),
        pytest.param(
            "restart.meta.yml",
            SIDECAR + "inputs: {restart_wait: {from: constant, value: long}}",
            "restart.meta.yml: inputs.restart_wait: has the value 'long', wanted int",
            id="a constant of the wrong type",
        ),
        pytest.param(
            "restart.meta.yml",
            SIDECAR + "inputs: {restart_way: {from: constant, value: rude}}",
            "restart.meta.yml: inputs.restart_way: has the value 'rude', wanted one of soft, hard",
            id="a constant that is no choice",
        ),
        pytest.param(
            "restart.meta.yml",
            SIDECAR + "inputs: {restart_wait: {from: incident, field: host}}",
            "restart.meta.yml: inputs.restart_wait: takes text from the incident, wanted int",
            id="text of an incident for a number",
        ),
        pytest.param(
            "restart.meta.yml",
            SIDECAR + "inputs: {restart_token: {from: inventory, variable: token}}",
            "restart.meta.yml: inputs.restart_token: is declared no_log: inputs are written to the audit log,"
            " let the role read its secret itself",
            id="a secret",
        ),
        pytest.param(
            "restart.meta.yml",
            SIDECAR + "inputs: {restart_list: {from: constant, value: a}}",
            "restart.meta.yml: inputs.restart_list: is declared as list; only str, path, int, float, bool, raw"
            " can be given from here",
            id="a list",
        ),
        pytest.param(
            "restart.meta.yml",
            SIDECAR + "undo: start",
            "restart.meta.yml: undo: is start, wanted one of restart",
            id="an undo that is not there",
        ),
        pytest.param(
            "drain.meta.yml",
            SIDECAR,
            "drain.meta.yml: has 0 playbooks beside it, wanted one: drain.yml or drain.yaml",
            id="a sidecar alone",
        ),
        pytest.param(
            "restart.yaml",
            PLAY,
            "restart.meta.yml: has 2 playbooks beside it, wanted one: restart.yml or restart.yaml",
            id="two playbooks of one name",
        ),
        pytest.param("restart.yml", "hosts: all", "restart.yml: is no list of plays", id="no plays"),
        pytest.param(
            "restart.yml",
            "- import_playbook: other.yml",
            "restart.yml: [0]: is no play with hosts; import_playbook is not followed here",
            id="another playbook",
        ),
        pytest.param(
            "restart.yml",
            "- {hosts: all, roles: [gone]}",
            "restart.yml: uses the role gone, wanted a folder FOLDER/roles/gone",
            id="a role that is not there",
        ),
        pytest.param(
            "restart.yml",
            "- {hosts: all, tasks: [{import_role: {name: '{{ role }}'}}]}",
            "restart.yml: uses the role '{{ role }}', wanted the plain name of a role",
            id="a role that nobody knows before",
        ),
        pytest.param(
            "restart.yml",
            "- {hosts: all, roles: [../restart]}",
            "restart.yml: uses the role '../restart', wanted the plain name of a role",
            id="a role by its path",
        ),
        pytest.param(
            "restart.meta.yml",
            SIDECAR + "inputs: {restart_wait: {from: constant, value: true}}",
            "restart.meta.yml: inputs.restart_wait: has the value True, wanted int",
            id="truth for a number",
        ),
        pytest.param(
            "restart.yml",
            "- {hosts: all, tasks: [debug]}",
            "restart.yml: tasks: holds 'debug', wanted a task",
            id="no task",
        ),
        pytest.param(
            "roles/restart/meta/argument_specs.yml",
            "argument_specs: {main: {options: {restart_wait: {type: 5}}}}",
            "roles/restart/meta/argument_specs.yml: restart_wait.type: is 5, wanted text",
            id="specs that are wrong",
        ),
        pytest.param(
            "roles/marker/meta/argument_specs.yml",
            "argument_specs: {main: {options: {restart_wait: {type: str}}}}",
            "restart.yml: its roles declare restart_wait as str and as int",
            id="roles that disagree",
        ),
        pytest.param(
            "restart.meta.yml",
            SIDECAR + "inptus: {}",
            "restart.meta.yml: has the unknown key inptus, wanted description, action, timeout_seconds, inputs,"
            " targets, idempotent, undo, risk, supports_check, needs_approval, hosts_maximum, verification;"
            " did you mean inputs?",
            id="an unknown key",
        ),
        pytest.param(
            "restart.meta.yml",
            SIDECAR + "inputs: {restart_service: {from: expression, expression: hots.service}}",
            "restart.meta.yml: inputs.restart_service: reads hots, wanted only incident and host",
            id="an expression over something else",
        ),
        pytest.param(
            "restart.meta.yml",
            SIDECAR + "targets: {delegates: [balancer]}",
            "restart.yml: [0].hosts: is 'all', wanted targets: the sidecar names delegates, which are in `all` too",
            id="a play that would run on its delegates",
        ),
        pytest.param(
            "restart.meta.yml",
            SIDECAR + "targets: {delegates: ['{{ balancer }}']}",
            "restart.meta.yml: targets.delegates[0]: is '{{ balancer }}', wanted text matching regex"
            " '^[A-Za-z_][A-Za-z0-9_]{0,127}\\\\Z'",
            id="delegates by a template",
        ),
        pytest.param(
            "restart.yml",
            "- hosts: targets\n  roles: 5\n",
            "restart.yml: [0].roles: is 5, wanted a list of roles",
            id="roles that are no list",
        ),
        pytest.param(
            "restart.yml",
            "- hosts: targets\n  roles: restart\n",
            "restart.yml: [0].roles: is 'restart', wanted a list of roles",
            id="a role that is not in a list",
        ),
        pytest.param(
            "restart.meta.yml",
            SIDECAR + "verification: {signals: [anomaly, noise]}",
            "restart.meta.yml: verification.signals[1]: is 'noise', wanted one of anomaly, drift, silence",
            id="a kind of signal that is not there",
        ),
        pytest.param(
            "restart.meta.yml",
            SIDECAR + "verification: {signals: [fleet]}",
            "restart.meta.yml: verification.signals[0]: is 'fleet', wanted one of anomaly, drift, silence",
            id="a kind of signal that no target has",
        ),
    ],
)
def test_what_breaks_the_contract_is_refused(folder: Path, name: str, text: str, message: str) -> None:
    """The whole catalogue is refused, with file, place and what was wanted."""
    write(folder / name, text)
    with pytest.raises(PlaybookError) as caught:
        read_playbooks(folder)
    assert f"{folder}/{message.replace('FOLDER', str(folder))}" == str(caught.value)


def test_names_that_mean_something_to_ansible_are_no_inputs(folder: Path) -> None:
    """An input wins over everything else in Ansible: as `become` or `ansible_host` it would redirect the run."""
    for name in ("become", "ansible_host", "Upper"):
        write(
            folder / "roles/restart/meta/argument_specs.yml", f"argument_specs: {{main: {{options: {{{name}: {{}}}}}}}}"
        )
        write(folder / "restart.meta.yml", f"{SIDECAR}inputs: {{{name}: {{from: constant, value: x}}}}")
        with pytest.raises(PlaybookError, match=f"inputs.{name}: is no name of an input"):
            read_playbooks(folder)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A wrong setting is found at once."""
    with pytest.raises(PlaybookError, match="none: is no folder, wanted the folder of playbooks"):
        read_playbooks(tmp_path / "none")


def test_a_sidecars_name_is_a_name(folder: Path) -> None:
    """Names of playbooks stand in rules, metrics and file names."""
    write(folder / "Re start.meta.yml", SIDECAR)
    with pytest.raises(PlaybookError, match="is the sidecar of Re start, wanted a name like"):
        read_playbooks(folder)
