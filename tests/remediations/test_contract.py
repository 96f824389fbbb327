"""The contract of playbooks: each rule finds what it is for, with file and line, and nothing in what is right."""

from pathlib import Path

import pytest

from remediations.catalogue import read_playbooks
from remediations.contract import RULES, Finding, judge
from remediations.errors import PlaybookError
from remediations.tasks import read_tree

PLAY = """\
- name: Sweep
  hosts: all
  gather_facts: false
  serial: 1
  any_errors_fatal: true
  max_fail_percentage: 0
  tasks:
    - name: Take the marker
      ansible.builtin.import_role: {name: marker}
    - name: Sweep under the marker
      block:
        - name: Sweep
          ansible.builtin.import_role: {name: sweep}
        - name: Mark success
          ansible.builtin.import_role: {name: marker, tasks_from: done}
          vars: {marker_outcome: successful}
      rescue:
        - name: Mark failure
          ansible.builtin.import_role: {name: marker, tasks_from: done}
          vars: {marker_outcome: failed}
"""
MAIN = """\
- name: Preflight
  ansible.builtin.import_tasks: preflight.yml
  tags: [preflight]
"""
PREFLIGHT = """\
- name: Look
  ansible.builtin.command: {argv: [test, -d, "{{ sweep_folder }}"]}
  changed_when: false
"""
SPECS = """\
argument_specs:
  main:
    options:
      sweep_folder: {type: path, required: true}
      sweep_key: {no_log: true}
"""
SIDECAR = "{description: Sweep., action: sweep, timeout_seconds: 60}\n"
TASKS = "roles/sweep/tasks"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A playbook folder in which nothing is wrong."""
    files = {
        "sweep.yml": PLAY,
        "sweep.meta.yml": SIDECAR,
        f"{TASKS}/main.yml": MAIN,
        f"{TASKS}/preflight.yml": PREFLIGHT,
        "roles/sweep/meta/argument_specs.yml": SPECS,
        "roles/marker/tasks/main.yml": "[]",
    }
    for name, text in files.items():
        write(tmp_path / name, text)
    return tmp_path


def write(file: Path, text: str) -> None:
    """A file, with the folders above it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def findings(folder: Path) -> list[tuple[str, str, int]]:
    """Rule, file and line of each finding."""
    playbook = read_playbooks(folder)["sweep"]
    return [(each.rule, each.file, each.line) for each in judge(read_tree(folder, Path(playbook.path)))]


def a_task(body: str) -> str:
    """A task after the role's others; it begins on line 4."""
    return f"{MAIN}- name: One more\n  {body}\n"


def test_nothing_is_found_in_what_is_right(folder: Path) -> None:
    """The contract can be kept."""
    assert [] == findings(folder)


IN_PLAY: list[tuple[str, str, str, int]] = [
    ("exact_hosts", "hosts: all", "hosts: '{{ somewhere }}'", 1),
    ("exact_hosts", "hosts: all", "hosts: web*", 1),
    ("bounded_failure", "  serial: 1\n", "", 1),
    ("bounded_failure", "any_errors_fatal: true", "any_errors_fatal: false", 1),
    ("bounded_failure", "max_fail_percentage: 0", "max_fail_percentage: 50", 1),
    ("marker_first", "gather_facts: false", "gather_facts: true", 1),
    ("marker_first", "  gather_facts: false\n", "", 1),
    ("marker_first", "gather_facts: false", "gather_facts: false\n  roles: [sweep]", 1),
    ("marker_first", "    - name: Take the marker\n      ansible.builtin.import_role: {name: marker}\n", "", 8),
    ("marker_first", "{name: marker}", "{name: marker}\n      when: false", 8),
    ("marker_first", "{name: marker}", "{name: marker, tasks_from: inspect}", 8),
    ("marker_done", "marker_outcome: failed", "marker_outcome: successful", 1),
    ("marker_done", "marker_outcome: successful", "marker_outcome: failed", 1),
    ("no_questions", "hosts: all", "hosts: all\n  vars_prompt: [{name: sure}]", 1),
    ("no_ignored_errors", "hosts: all", "hosts: all\n  ignore_errors: true", 1),
    ("exact_hosts", "hosts: all", "hosts: [all]", 1),
    ("marker_first", "serial: 1", "serial: 1\n  pre_tasks: [{name: Early, ansible.builtin.ping: {}}]", 5),
    (
        "marker_done",
        "      rescue:",
        "        - name: Late\n          ansible.builtin.file: {path: /x, state: absent}\n      rescue:",
        17,
    ),
    ("marker_done", "      rescue:", "      always: [{name: Late, ansible.builtin.ping: {}}]\n      rescue:", 17),
    ("marker_done", "serial: 1", "serial: 1\n  post_tasks: [{name: Late, ansible.builtin.ping: {}}]", 5),
]


@pytest.mark.parametrize(("rule", "right", "wrong", "line"), IN_PLAY)
def test_a_play_that_breaks_a_rule(folder: Path, rule: str, right: str, wrong: str, line: int) -> None:
    """What a play lacks or says wrongly is found at the line where the play or its first task begins."""
    assert right in PLAY
    write(folder / "sweep.yml", PLAY.replace(right, wrong, 1))
    assert [(rule, "sweep.yml", line)] == findings(folder)


IN_TASK = [
    ("no_shell_with_variables", "ansible.builtin.shell: rm -r {{ sweep_folder }}"),
    ("no_shell_with_variables", "raw: 'ls {{ sweep_folder }}'"),
    ("no_shell_with_variables", "ansible.builtin.command: {argv: [/bin/sh, -c, 'rm {{ sweep_folder }}']}"),
    ("no_shell_with_variables", "ansible.builtin.shell:\n  args: {cmd: 'rm {{ sweep_folder }}'}"),
    ("no_shell_with_variables", "ansible.builtin.command: {argv: [sudo, -n, bash, -euc, 'rm {{ sweep_folder }}']}"),
    (
        "no_shell_with_variables",
        "ansible.builtin.command:\n  args: {argv: [sh, -x, -o, errexit, -c, 'rm {{ sweep_folder }}']}",
    ),
    ("no_shell_with_variables", "ansible.builtin.command: {argv: [python3, -c, 'print({{ sweep_folder }})']}"),
    ("no_shell_with_variables", "ansible.builtin.command: {argv: [perl, -e, 'print {{ sweep_folder }}']}"),
    ("no_shell_with_variables", "ansible.builtin.expect: {command: 'passwd {{ sweep_folder }}', responses: {}}"),
    ("no_shell_with_variables", "ansible.windows.win_shell: 'dir {{ sweep_folder }}'"),
    ("no_piped_lookups", "ansible.builtin.debug: {msg: \"{{ lookup('pipe', 'id') }}\"}"),
    ("no_piped_lookups", "ansible.builtin.debug: {msg: x}\n  when: query('ansible.builtin.lines', 'id') | length > 0"),
    ("no_piped_lookups", "ansible.builtin.debug: {msg: x}\n  with_pipe: [id]"),
    ("exact_hosts", "ansible.builtin.add_host: {name: db-1}"),
    ("exact_hosts", "ansible.builtin.group_by: {key: x}"),
    ("exact_hosts", "ansible.builtin.ping:\n  delegate_to: db-1"),
    ("marker_done", "ansible.builtin.ping:\n  notify: Restart"),
    ("plain_parts", "ansible.builtin.include_tasks: /etc/tasks.yml"),
    ("plain_parts", "ansible.builtin.include_tasks: {file: ../../other/tasks/main.yml}"),
    ("plain_parts", "ansible.builtin.include_role: {name: '{{ sweep_role }}'}"),
    ("plain_parts", "ansible.builtin.include_role: {name: /etc/role}"),
    ("no_ignored_errors", "ansible.builtin.stat: {path: /x}\n  failed_when: false"),
    ("no_ignored_errors", "ansible.builtin.stat: {path: /x}\n  failed_when: 'False'\n  register: unread"),
    ("check_mode_kept", "ansible.builtin.uri: {url: x, method: DELETE}\n  check_mode: false"),
    ("preflight_reads", "ansible.builtin.file: {path: /x}\n  tags: [preflight]"),
    ("preflight_reads", "ansible.builtin.file: {path: /x}\n  tags: always"),
    ("preflight_reads", "ansible.builtin.file: {path: /x}\n  tags: other, preflight"),
    ("command_by_argv", "ansible.builtin.command: uptime"),
    ("command_by_argv", "command: {cmd: uptime}"),
    ("no_ignored_errors", "ansible.builtin.stat: {path: /x}\n  ignore_errors: true"),
    ("no_ignored_errors", "ansible.builtin.stat: {path: /x}\n  ignore_errors: true\n  register: unread"),
    ("no_ignored_errors", "ansible.builtin.stat: {path: /x}\n  ignore_unreachable: true"),
    ("no_questions", "ansible.builtin.pause: {prompt: Sure, seconds: 5}"),
    ("no_questions", "ansible.builtin.pause:"),
    ("no_questions", "ansible.builtin.ping:\n  debugger: on_failed"),
    ("secrets_hidden", "ansible.builtin.uri: {url: 'http://x/', password: x}"),
    ("secrets_hidden", "ansible.builtin.debug: {msg: '{{ the_api_token }}'}"),
    ("secrets_hidden", "ansible.builtin.debug: {msg: '{{ sweep_key }}'}"),
    ("secrets_hidden", "ansible.builtin.command: {argv: [x]}\n  environment: {KEY: '{{ sweep_key }}'}"),
    ("secrets_hidden", "ansible.builtin.debug: {msg: '{{ x }}'}\n  vars: {x: '{{ sweep_key }}'}"),
    ("secrets_hidden", "ansible.builtin.debug: {msg: '{{ item }}'}\n  loop: ['{{ sweep_key }}']"),
    ("secrets_hidden", "ansible.builtin.debug: {msg: '{{ item }}'}\n  with_items: ['{{ sweep_key }}']"),
    ("secrets_hidden", "ansible.builtin.command:\n  args: {argv: [x, '{{ sweep_key }}']}"),
    ("secrets_hidden", "vars: {x: '{{ sweep_key }}'}\n  block: [{name: In it, ansible.builtin.ping: {}}]"),
    ("check_mode_kept", "ansible.builtin.file: {path: /x, state: absent}\n  check_mode: false"),
    ("plain_modules", "action: ping"),
    ("plain_modules", "tags: [late]"),
    ("preflight_tagged", "ansible.builtin.import_tasks: preflight.yml"),
    ("preflight_tagged", "ansible.builtin.include_tasks: preflight.yml\n  tags: [preflight]"),
    ("preflight_tagged", "ansible.builtin.include_tasks: {file: preflight.yml, apply: {tags: [preflight]}}"),
]


@pytest.mark.parametrize(("rule", "body"), IN_TASK)
def test_a_task_that_breaks_a_rule(folder: Path, rule: str, body: str) -> None:
    """A task of a role is found by its file and the line on which it begins."""
    write(folder / TASKS / "main.yml", a_task(body))
    assert [(rule, f"{TASKS}/main.yml", 4)] == findings(folder)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("ansible.builtin.shell: uptime | cut -c 3", id="a shell without variables"),
        pytest.param(
            "ansible.builtin.shell: {cmd: uptime, chdir: '{{ sweep_folder }}'}\n  args: {creates: '{{ x }}'}",
            id="a shell in a folder",
        ),
        pytest.param(
            "ansible.builtin.command: {argv: [python3, '{{ sweep_folder }}/x.py', -c, '{{ sweep_folder }}']}",
            id="options of a program's own",
        ),
        pytest.param("ansible.builtin.ping:\n  delegate_to: localhost", id="the engine's own machine"),
        pytest.param("ansible.builtin.ping:\n  delegate_to: '{{ balancer }}'", id="a delegate by its variable"),
        pytest.param(
            "ansible.builtin.ping:\n  notify: Restart\n- name: Now\n  ansible.builtin.meta: flush_handlers",
            id="a handler that runs in time",
        ),
        pytest.param("ansible.builtin.include_tasks: '{{ kind }}/act.yml'", id="one of the role's own files"),
        pytest.param(
            "ansible.builtin.include_tasks: {file: preflight.yml, apply: {tags: [preflight]}}\n  tags: [preflight]",
            id="a preflight that is included with its tag",
        ),
        pytest.param("ansible.builtin.stat: {path: /x}\n  failed_when: 1 > 2", id="a condition of failure"),
        pytest.param(
            "ansible.builtin.command: {argv: [/bin/sh, -c, 'rm \"$1\"', sweep, '{{ sweep_folder }}']}",
            id="a variable as an argument of a script",
        ),
        pytest.param(
            "ansible.builtin.stat: {path: /x}\n  ignore_errors: true\n  register: seen\n"
            "- name: Judge\n  ansible.builtin.assert: {that: seen is succeeded}",
            id="an error that the next task looks at",
        ),
        pytest.param("ansible.builtin.uri: {url: 'http://x/', password: x}\n  no_log: true", id="a hidden secret"),
        pytest.param(
            "no_log: true\n  block:\n    - name: In it\n      ansible.builtin.debug: {msg: '{{ sweep_key }}'}",
            id="a secret in a hidden block",
        ),
        pytest.param("ansible.builtin.pause: {seconds: 5}", id="a pause that ends"),
        pytest.param("ansible.builtin.debug: {msg: '{{ tokens_seen }}'}", id="a word that only looks like one"),
    ],
)
def test_what_is_allowed_is_not_found(folder: Path, body: str) -> None:
    """Each rule has its limits: what is safe is not complained of."""
    write(folder / TASKS / "main.yml", a_task(body))
    assert [] == findings(folder)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("- {name: Act, ansible.builtin.file: {path: /x, state: absent}}", True, id="another module"),
        pytest.param("- {name: Act, ansible.builtin.command: {argv: [rm, x]}}", True, id="a command that may change"),
        pytest.param("- {name: Act, ansible.builtin.uri: {url: x, method: POST}}", True, id="a request that changes"),
        pytest.param("- {name: Look, own_look: {}, check_mode: true}", False, id="held to check mode"),
        pytest.param("- {name: Look, kubernetes.core.k8s_info: {kind: Pod}}", False, id="a module of facts"),
        pytest.param(
            "- {name: Look, ansible.builtin.include_role: {name: other, tasks_from: look}}", True, id="called"
        ),
    ],
)
def test_preflight_only_looks(folder: Path, text: str, found: bool) -> None:  # noqa: FBT001 - a column of the table
    """A dry run really runs preflight, in all the files that it is made of."""
    write(folder / TASKS / "preflight.yml", text)
    write(folder / "roles/other/tasks/look.yml", "- {name: Act, ansible.builtin.file: {path: /x}}")
    assert (["preflight_reads"] if found else []) == [rule for rule, _, _ in findings(folder)]


ACT = "- {name: Act, ansible.builtin.file: {path: /x, state: absent}}\n"
REALLY_RUN = [
    pytest.param({"sweep.yml": PLAY.replace("serial: 1", "serial: 1\n  tags: [preflight]")}, id="a tagged play"),
    pytest.param(
        {"sweep.yml": PLAY.replace("{name: sweep}", "{name: sweep}\n          tags: always")}, id="a tagged role"
    ),
    pytest.param(
        {"sweep.yml": PLAY.replace("      block:", "      tags: [preflight]\n      block:")}, id="a tag around another"
    ),
    pytest.param(
        {
            "sweep.yml": PLAY.replace(
                "      rescue:", "        - {import_tasks: near.yml, tags: [preflight]}\n      rescue:"
            ),
            "near.yml": "- {import_tasks: far.yml}\n",
            "far.yml": ACT,
        },
        id="files of the play",
    ),
    pytest.param(
        {f"{TASKS}/main.yml": f"{MAIN}- {{import_tasks: look.yml, tags: [preflight]}}\n", f"{TASKS}/look.yml": ACT},
        id="another file of the role",
    ),
    pytest.param(
        {f"{TASKS}/own/preflight.yml": "- {include_tasks: look.yml}\n", f"{TASKS}/own/look.yml": ACT},
        id="a file beside a preflight of its own",
    ),
    pytest.param({f"{TASKS}/other/preflight.yml": ACT}, id="a preflight that is called by nothing seen here"),
    pytest.param(
        {f"{TASKS}/preflight.yml": "- {include_tasks: '{{ kind }}/look.yml'}\n", f"{TASKS}/own/look.yml": ACT},
        id="a file whose name is a variable",
    ),
    pytest.param(
        {
            "roles/sweep/meta/main.yml": "dependencies: [{role: early}]\n",
            "roles/early/tasks/main.yml": "- {name: Look, ansible.builtin.file: {path: /x}, tags: [always]}\n",
        },
        id="a role that another needs",
    ),
]


@pytest.mark.parametrize("files", REALLY_RUN)
def test_whatever_a_dry_run_really_runs_only_looks(folder: Path, files: dict[str, str]) -> None:
    """Tags are handed on by plays, blocks and imports, and `always` runs whatever is asked for."""
    write(folder / TASKS / "main.yml", f"{MAIN}{ACT}")
    for name, text in files.items():
        write(folder / name, text)
    assert "preflight_reads" in {rule for rule, _, _ in findings(folder)}


OUT_OF_THE_WAY = [
    pytest.param("roles/sweep/handlers/main.yml", "- {name: Handle, command: uptime}\n", 1, id="of a role"),
    pytest.param("sweep.yml", PLAY + "  handlers:\n    - {name: Handle, command: uptime}\n", 22, id="of a play"),
]


@pytest.mark.parametrize(("name", "text", "line"), OUT_OF_THE_WAY)
def test_handlers_keep_the_contract_too(folder: Path, name: str, text: str, line: int) -> None:
    """They act like any other task, and are not taken for what comes too late."""
    write(folder / name, text)
    assert [("command_by_argv", name, line)] == findings(folder)


def test_files_that_include_each_other_are_read_once(folder: Path) -> None:
    """A circle in the files is Ansible's to complain of."""
    write(folder / "sweep.yml", PLAY.replace("      rescue:", "        - import_tasks: near.yml\n      rescue:"))
    write(folder / "near.yml", "- import_tasks: far.yml\n")
    write(folder / "far.yml", "- import_tasks: near.yml\n")
    assert {"marker_done"} == {rule for rule, _, _ in findings(folder)}


def test_what_only_ansible_can_read_is_text_here(folder: Path) -> None:
    """A vaulted or unsafe value does not keep a file from being judged."""
    write(folder / TASKS / "main.yml", a_task("ansible.builtin.debug: {msg: !unsafe '{{ x }}'}\n  vars: {y: !vault z}"))
    assert [] == findings(folder)


def test_a_variable_of_the_role_may_look_at_a_result(folder: Path) -> None:
    """Conditions are often kept in vars, away from the tasks."""
    write(folder / "roles/sweep/vars/main.yml", "sweep_found: '{{ seen.stat.exists }}'\n")
    write(
        folder / TASKS / "main.yml", a_task("ansible.builtin.stat: {path: /x}\n  ignore_errors: true\n  register: seen")
    )
    assert [] == findings(folder)


def test_a_second_play_is_outside_of_the_marker(folder: Path) -> None:
    """The marker says how the first one ended: what comes after it would be done twice, or not at all."""
    second = PLAY.partition("  tasks:")[0].replace("Sweep", "Again")
    write(folder / "sweep.yml", f"{PLAY}{second}")
    assert [("marker_first", "sweep.yml", PLAY.count("\n") + 1)] == findings(folder)


def test_a_file_that_a_play_includes_by_a_variable_is_found(folder: Path) -> None:
    """Nobody knows what it would be."""
    write(folder / "sweep.yml", PLAY.replace("      rescue:", "        - include_tasks: '{{ x }}.yml'\n      rescue:"))
    assert ("plain_parts", "sweep.yml", 17) in findings(folder)


def test_a_role_looks_before_it_acts(folder: Path) -> None:
    """A role without a preflight can not be dry-run."""
    write(folder / TASKS / "main.yml", "- {name: Act, ansible.builtin.file: {path: /x, state: absent}}")
    (folder / TASKS / "preflight.yml").unlink()
    assert [("preflight_tagged", f"{TASKS}/main.yml", 1)] == findings(folder)


def test_every_rule_is_tried() -> None:
    """A rule that is added without a case fails here."""
    tried = {rule for rule, *_ in IN_PLAY} | {rule for rule, *_ in IN_TASK}
    assert {rule.__name__ for rule in RULES} == tried


def test_a_finding_says_what_is_wanted(folder: Path) -> None:
    """Whoever reads a finding knows what to do."""
    write(folder / TASKS / "main.yml", a_task("ansible.builtin.command: uptime"))
    assert judge(read_tree(folder, folder / "sweep.yml")) == (
        Finding(
            file=f"{TASKS}/main.yml",
            line=4,
            rule="command_by_argv",
            words="command without argv, wanted argv: [program, word, …]",
        ),
    )


def test_a_file_that_is_no_list_of_tasks_is_named(folder: Path) -> None:
    """Not a finding but an error: nothing in the file can be judged."""
    write(folder / TASKS / "other.yml", "tasks: []")
    with pytest.raises(PlaybookError, match=r"tasks/other.yml: is no list of plays or tasks"):
        read_tree(folder, folder / "sweep.yml")
