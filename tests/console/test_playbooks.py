"""The commands about playbooks: what they list, what they find, and what accepting does."""

from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from console.cli import app
from console.errors import PlaybookNotFoundError
from console.playbooks.checking import check_playbook
from console.playbooks.dry_run import DryRun
from console.playbooks.listing import InputRow, list_playbooks
from console.playbooks.obstacles import Acceptance, obstacles
from console.playbooks.report import draw_dry_run
from remediations.acceptance import read_accepted
from remediations.catalogue import read_playbooks
from remediations.contract import judge
from remediations.errors import PlaybookError
from remediations.runner import RunnerSettings
from remediations.tasks import read_tree
from stream.settings import load_settings
from tests.console.drawings import drawn
from tests.playbooks.runs import PLAYBOOKS

SIDECAR = """\
description: Sweep a folder.
action: sweep
timeout_seconds: 60
inputs:
  sweep_folder: {from: inventory, variable: data_folder}
  sweep_depth: {from: expression, expression: "host.depth + 1"}
"""
SPECS = """\
argument_specs:
  main:
    options:
      sweep_folder: {type: path, required: true, description: What to sweep.}
      sweep_depth: {type: int, default: 2}
      sweep_token: {no_log: true, default: canary}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Settings and a playbook folder with one playbook and the markers."""
    files = {
        "tidegate.yml": "engine: {playbooks: playbooks}\nstate_folder: state\n",
        "playbooks/sweep.yml": "- {name: Sweep, hosts: all, tasks: [{import_role: {name: sweep}}]}\n",
        "playbooks/sweep.meta.yml": SIDECAR,
        "playbooks/roles/sweep/meta/argument_specs.yml": SPECS,
        "playbooks/roles/sweep/tasks/main.yml": "- {name: Sweep, ansible.builtin.command: uptime}\n",
    }
    files |= {
        f"playbooks/{name}": (PLAYBOOKS / name).read_text() for name in ("marker_inspect.yml", "marker_close.yml")
    }
    for entry in ("main", "done", "inspect", "close"):
        name = f"roles/marker/tasks/{entry}.yml"
        files[f"playbooks/{name}"] = (PLAYBOOKS / name).read_text()
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def said(folder: Path, *words: str) -> tuple[int, str]:
    """Exit status and output of `tidegate playbooks …`."""
    return said_by(folder, "playbooks", *words)


def said_by(folder: Path, *words: str) -> tuple[int, str]:
    """Exit status and output of `tidegate …`."""
    answer = CliRunner().invoke(app, words, env={"TIDEGATE_CONFIG": str(folder / "tidegate.yml")})
    if answer.exception is not None and not isinstance(answer.exception, SystemExit):
        raise answer.exception
    return answer.exit_code, answer.output


def test_a_playbook_is_listed_with_its_inputs(folder: Path) -> None:
    """Each input says its type, whether it must be given, its default and where its value comes from; no secret."""
    (row,) = list_playbooks(read_playbooks(folder / "playbooks"), {"sweep": Acceptance.NEW})
    assert ("sweep", Acceptance.NEW, "Sweep a folder.") == (row.name, row.acceptance, row.description)
    assert row.inputs == (
        InputRow("sweep_folder", "path", True, None, "the inventory: data_folder", None, "What to sweep."),
        InputRow("sweep_depth", "int", False, 2, "the expression host.depth + 1", None, ""),
        InputRow("sweep_token", "str", False, None, "the role itself: a secret", None, ""),
    )
    status, text = said(folder)
    assert 0 == status
    assert "sweep_folder" in text
    assert "canary" not in text + said(folder, "--json")[1]


VERIFICATIONS = {
    "as it is": ("", "helped if clear 5 to 300 s after its end: all signals of the incident"),
    "its own": (
        "verification: {settle_seconds: 2.5, deadline_seconds: 60, signals: [anomaly, silence]}\n",
        "helped if clear 2.5 to 60 s after its end: anomaly, silence",
    ),
    "a deadline that is over before": (
        "verification: {settle_seconds: 90, deadline_seconds: 60}\n",
        "helped if clear 90 to 90 s after its end: all signals of the incident",
    ),
}


@pytest.mark.parametrize(("text", "expected"), VERIFICATIONS.values(), ids=VERIFICATIONS.keys())
def test_the_list_says_when_a_run_has_helped(folder: Path, text: str, expected: str) -> None:
    """Which signals must be clear, from when and until when."""
    (folder / "playbooks/sweep.meta.yml").write_text(SIDECAR + text)
    assert expected in " ".join(said(folder)[1].split())


SOUND = """\
- name: Sweep
  hosts: targets
  gather_facts: false
  serial: 1
  any_errors_fatal: true
  max_fail_percentage: 0
  tasks:
    - import_role: {name: marker}
    - block:
        - import_role: {name: sweep}
        - import_role: {name: marker, tasks_from: done}
          vars: {marker_outcome: successful}
      rescue:
        - import_role: {name: marker, tasks_from: done}
          vars: {marker_outcome: failed}
"""


@pytest.fixture
def sound(folder: Path) -> Path:
    """The same folder, with a playbook that keeps the contract."""
    (folder / "playbooks/sweep.yml").write_text(SOUND)
    (folder / "playbooks/roles/sweep/tasks/main.yml").write_text("- {ansible.builtin.ping: {}, tags: [preflight]}\n")
    return folder


def test_accepting_is_for_the_files_as_they_are(sound: Path) -> None:
    """A change after it is shown, and needs another word."""
    assert 0 == said(sound, "accept", "sweep")[0]
    accepted = read_accepted(sound / "state/engine/accepted.yml")
    assert {"sweep": read_playbooks(sound / "playbooks")["sweep"].digest} == accepted
    assert "(accepted)" in said(sound)[1]
    (sound / "playbooks/roles/sweep/tasks/main.yml").write_text("[]\n")
    assert "(changed since it was accepted)" in said(sound)[1]


def test_the_operators_own_file_is_written_where_they_keep_it(sound: Path) -> None:
    """With `engine.accepted` the file lies beside the policy, to be reviewed with it."""
    (sound / "tidegate.yml").write_text("engine: {playbooks: playbooks, accepted: ok.yml}\nstate_folder: state\n")
    assert 0 == said(sound, "accept", "--all")[0]
    assert ["sweep"] == list(read_accepted(sound / "ok.yml"))


def test_what_breaks_the_contract_is_never_accepted(folder: Path) -> None:
    """The findings say why, with file and line; the file of digests is not touched."""
    status, text = said(folder, "accept", "sweep")
    assert 1 == status
    assert "roles/sweep/tasks/main.yml:1: command without argv" in text
    assert "nothing was accepted" in text
    assert not (folder / "state").exists()


def test_digests_are_not_kept_in_the_folder_that_they_are_of(sound: Path) -> None:
    """Writing the file would change the tree, and no playbook could ever be accepted."""
    (sound / "tidegate.yml").write_text("engine: {playbooks: playbooks, accepted: playbooks/ok.yml}\n")
    with pytest.raises(PlaybookError, match=r"playbooks/ok.yml: lies in the folder of playbooks"):
        said(sound, "accept", "sweep")
    assert not (sound / "playbooks/ok.yml").exists()


@pytest.mark.parametrize("words", [(), ("sweep", "--all")])
def test_accepting_says_what(sound: Path, words: tuple[str, ...]) -> None:
    """Nothing is accepted by leaving something out."""
    status, text = said(sound, "accept", *words)
    assert (2, True) == (status, "wanted the names of playbooks, or --all" in text)
    assert not (sound / "state").exists()


def test_findings_come_with_file_and_line_and_status_1(folder: Path) -> None:
    """Rules of the contract and of ansible-lint are told alike."""
    status, text = said(folder, "check", "--json")
    (report,) = msgspec.json.decode(text)
    found = {(each["file"], each["line"], each["rule"]) for each in report["findings"]}
    assert 1 == status
    assert ("roles/sweep/tasks/main.yml", 1, "command_by_argv") in found
    assert ("sweep.yml", 1, "marker_first") in found
    assert any(rule.startswith("no-changed-when") for _, _, rule in found), found
    assert [] == report["notes"]


RULES = """\
version: 1
rules: [{name: sweep-all, playbook: sweep}]
"""


@pytest.mark.parametrize("accepted", ["", ", accepted: ok.yml"])
def test_checking_the_rules_tells_which_would_be_denied(sound: Path, accepted: str) -> None:
    """A rule whose playbook is not accepted as it is answers nothing: better known before the night."""
    (sound / "tidegate.yml").write_text(f"engine: {{playbooks: playbooks{accepted}}}\nstate_folder: state\n")
    (sound / "policy.yml").write_text(RULES)
    (sound / "inventory.yml").write_text("web: {hosts: {web-1: {data_folder: /x, depth: 1}}}\n")
    denied = "not accepted as its files are"
    by_itself = not accepted
    assert by_itself == (denied not in said_by(sound, "check")[1])
    assert 0 == said(sound, "accept", "sweep")[0]
    assert denied not in said_by(sound, "check")[1]
    (sound / "playbooks/roles/sweep/tasks/main.yml").write_text("[]\n")
    assert denied in said_by(sound, "check")[1]


def test_checking_the_rules_tells_what_breaks_the_contract(folder: Path) -> None:
    """An engine does not accept such a playbook by itself: each place is told, and that the rule is not armed."""
    (folder / "policy.yml").write_text(RULES)
    (folder / "inventory.yml").write_text("web: {hosts: {web-1: {data_folder: /x, depth: 1}}}\n")
    status, text = said_by(folder, "check")
    place = "▲ sweep breaks the contract, roles/sweep/tasks/main.yml:1: command without argv"
    assert (0, True) == (status, place in " ".join(text.split()))
    assert "▲ rule sweep-all is not armed: sweep breaks the contract" in " ".join(text.split())
    found = [each["finding"]["rule"] for each in msgspec.json.decode(said_by(folder, "check", "--json")[1])["breaches"]]
    assert {"command_by_argv", "marker_first"} <= set(found)
    (folder / "tidegate.yml").write_text("engine: {playbooks: playbooks, accepted: ok.yml}\n")
    assert "breaks the contract" not in said_by(folder, "check")[1]


STANDINGS = {
    "kept by the engine": ("", "an engine accepts it when it first sees it"),
    "kept by operators": (", accepted: ok.yml", "not accepted yet"),
}


@pytest.mark.parametrize(("setting", "words"), STANDINGS.values(), ids=STANDINGS.keys())
def test_the_list_says_what_an_engine_would_accept(sound: Path, setting: str, words: str) -> None:
    """Nobody waits for an acceptance that comes by itself, or relies on one that does not come."""
    (sound / "tidegate.yml").write_text(f"engine: {{playbooks: playbooks{setting}}}\nstate_folder: state\n")
    assert f"({words})" in " ".join(said(sound)[1].split())


def test_the_list_says_what_is_never_accepted_by_itself(folder: Path) -> None:
    """A playbook that breaks the contract needs mending, not waiting."""
    assert "(not accepted: see `tidegate playbooks check`)" in " ".join(said(folder)[1].split())


def test_what_ansible_can_not_read_is_not_accepted(sound: Path) -> None:
    """A module that is not there would fail at night."""
    (sound / "playbooks/roles/sweep/tasks/main.yml").write_text("- {no_such_module: {}, tags: [preflight]}\n")
    status, text = said(sound, "accept", "sweep")
    assert 1 == status
    assert "couldn't resolve module/action 'no_such_module'" in " ".join(text.split())
    assert "nothing was accepted" in text
    assert not (sound / "state/engine/accepted.yml").exists()


INVENTORY = "web: {hosts: {web-1: {data_folder: /x, depth: 1}, web-2: {data_folder: /x, depth: 1}}}\n"
POLICY = """\
version: 1
rules: [{name: sweep-web, playbook: sweep, mode: MODE, match: {hosts: [web-1]}, attempts_maximum: ATTEMPTS}]
limits: {protected_hosts: [PROTECTED], starts_maximum: STARTS}
"""
USUAL = {"MODE": "auto", "PROTECTED": "", "ATTEMPTS": "1", "STARTS": "5", "accepted": "", "host": "web-1"}
STOPPED = {
    "nothing": ({}, ()),
    "a rule that observes": ({"MODE": "observe"}, ("rule sweep-web only observes (mode observe)",)),
    "a rule that asks": (
        {"MODE": "approve"},
        ("rule sweep-web: rule_mode: the rule is not armed: it waits for an approval",),
    ),
    "a protected host": ({"PROTECTED": "web-1"}, ("protected_hosts: the policy protects this host (web-1)",)),
    "another host protected": ({"PROTECTED": "web-2"}, ()),
    "no attempt": ({"ATTEMPTS": "0"}, ("attempts: enough was tried for this incident (0, limit 0)",)),
    "no start": ({"STARTS": "0"}, ("global_rate: enough runs were started lately",)),
    "not accepted": (
        {"accepted": ", accepted: ok.yml"},
        ("accepted_playbook: the rule is not armed: its files are not those accepted",),
    ),
    "no rule": ({"host": "web-2"}, ("no rule of the policy runs sweep on web-2",)),
    "no rule, and protected": (
        {"host": "web-2", "PROTECTED": "web-2"},
        ("no rule of the policy runs sweep on web-2", "protected_hosts: the policy protects this host (web-2)"),
    ),
    "several": (
        {"MODE": "observe", "PROTECTED": "web-1", "accepted": ", accepted: ok.yml"},
        ("rule sweep-web only observes", "protected_hosts: ", "accepted_playbook: "),
    ),
}


@pytest.mark.parametrize(("changes", "expected"), STOPPED.values(), ids=STOPPED.keys())
def test_what_would_stop_a_live_run_is_said(sound: Path, changes: dict[str, str], expected: tuple[str, ...]) -> None:
    """All of it at once, whatever the moment."""
    case, policy = USUAL | changes, POLICY
    for name in ("MODE", "PROTECTED", "ATTEMPTS", "STARTS"):
        policy = policy.replace(name, case[name])
    (sound / "policy.yml").write_text(policy)
    (sound / "inventory.yml").write_text(INVENTORY)
    file = sound / "tidegate.yml"
    file.write_text(f"engine: {{playbooks: playbooks{case['accepted']}}}\nstate_folder: state\n")
    found = obstacles(load_settings(file, {}), "sweep", [case["host"]])
    assert len(expected) == len(found), found
    assert all(words.startswith(begin) for words, begin in zip(found, expected, strict=True)), found


def test_a_policy_that_can_not_be_read_stops_every_run(sound: Path) -> None:
    """No engine starts with it."""
    (sound / "policy.yml").write_text("version: 7\n")
    (sound / "inventory.yml").write_text(INVENTORY)
    (found,) = obstacles(load_settings(sound / "tidegate.yml", {}), "sweep", ["web-1"])
    assert "policy.yml: version: is 7" in found


@pytest.mark.parametrize(
    ("problem", "stops", "expected"),
    [
        pytest.param("", (), "Nothing was changed, and nothing speaks against a run.", id="nothing"),
        pytest.param("", ("it is protected",), "would go well, but a live run would be stopped: ✕ it is", id="a stop"),
        pytest.param(
            "no value", ("it is protected",), "refused: no value A live run would be stopped besides:", id="both"
        ),
    ],
)
def test_a_dry_run_ends_with_what_would_stop_a_run(problem: str, stops: tuple[str, ...], expected: str) -> None:
    """`nothing speaks against a run` is said of nothing that would be stopped."""
    text = " ".join(drawn(draw_dry_run(DryRun("sweep", "d", ("web-1",), problem=problem, obstacles=stops))).split())
    assert expected in text
    assert ("nothing speaks against" in text) == (not stops)


GONE = "there is no module a.b.c, wanted the collection a.b in FOLDER/playbooks/collections (the setting engine."


@pytest.mark.parametrize(
    ("task", "words"),
    [
        pytest.param("no_such_module: {}", "couldn't resolve module/action 'no_such_module'.", id="no module"),
        pytest.param("a.b.c: {}", GONE, id="a collection that is not there"),
        pytest.param("ping: {}, stat: {}", "conflicting action statements: ping, stat", id="two modules"),
    ],
)
def test_a_syntax_error_has_its_place_and_says_what_helps(folder: Path, task: str, words: str) -> None:
    """What Ansible can not read is found before anything else is asked, and that is said."""
    (folder / "playbooks/roles/sweep/tasks/main.yml").write_text(f"---\n- {{name: Sweep, {task}}}\n")
    status, text = said(folder, "check", "sweep", "--json")
    (report,) = msgspec.json.decode(text)
    found = report["findings"][0]
    assert (1, "syntax", "roles/sweep/tasks/main.yml", 2) == (status, found["rule"], found["file"], found["line"])
    assert found["words"].startswith(words.replace("FOLDER", str(folder))), found
    assert ["ansible-lint was not asked: it would stop at the syntax error"] == report["notes"]


def test_without_ansible_lint_the_report_says_so(folder: Path, tmp_path: Path) -> None:
    """A check that was not made is never taken for one that was passed."""
    playbook = read_playbooks(folder / "playbooks")["sweep"]
    settings = RunnerSettings(folder=str(tmp_path), playbooks=str(folder / "playbooks"), home=str(tmp_path))
    report = check_playbook(playbook, settings, path="/nowhere")
    assert ("ansible-lint is not installed: its rules were not checked (pip install ansible-lint)",) == report.notes


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("check", "gone"), "no playbook is called gone, there are sweep"),
        (("accept", "gone"), "no playbook is called gone, there are sweep"),
        (("dry-run", "gone", "--host", "web-1"), "no playbook is called gone, there are sweep"),
    ],
)
def test_a_name_that_is_none_is_told(folder: Path, words: tuple[str, ...], problem: str) -> None:
    """The names that there are help whoever mistyped one."""
    with pytest.raises(PlaybookNotFoundError, match=problem):
        said(folder, *words)


def test_a_folder_without_the_markers_is_refused(folder: Path) -> None:
    """Without them the engine could not find out what became of a run that broke off."""
    (folder / "playbooks/marker_close.yml").unlink()
    with pytest.raises(PlaybookError, match=r"marker_close.yml: is not there: copy it from the playbooks"):
        said(folder, "check")


@pytest.mark.parametrize("name", sorted(read_playbooks(PLAYBOOKS)))
def test_shipped_playbooks_keep_the_contract(name: str) -> None:
    """What is shipped is good enough to copy: no rule finds anything in it. `make check` asks ansible-lint."""
    assert () == judge(read_tree(PLAYBOOKS, Path(read_playbooks(PLAYBOOKS)[name].path)))
