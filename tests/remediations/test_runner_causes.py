"""A failed run says why in Ansible's own words, on one line, without secrets: real ansible-playbook, real ssh."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from remediations.runner.causes import TaskReturn, cause, cleaned
from remediations.runs import RunStatus
from tests.playbooks.runs import Played, Stage
from tests.playbooks.sshd import Sshd

CANARY = "canary-4471"
MARKER = """\
    - name: Take the marker
      ansible.builtin.import_role:
        name: marker
"""
COMMAND = """\
    - name: Do it
      {more}
      ansible.builtin.command:
        argv: {argv}
"""
RESCUED = """\
    - name: Try
      block:
        - name: Call
          ansible.builtin.command:
            argv: [/opt/none/tool]
      rescue:
        - name: Say so
          ansible.builtin.fail:
            msg: the shop did not come back
"""
SUDO = """#!/bin/sh
echo "sudo: a password is required" >&2
exit 1
"""


class Failing(msgspec.Struct, frozen=True):
    """Tasks that fail on a host with these variables; what must be told, and what must not."""

    tasks: str
    told: tuple[str, ...]
    variables: dict[str, object] = {}
    hidden: str = CANARY
    facts: bool = False
    task: str = "Do it"


LOCALLY = {
    "no interpreter": Failing(
        MARKER,
        ("The module interpreter '/opt/none/python3' was not found",),
        {"ansible_python_interpreter": "/opt/none/python3"},
        task="Take the marker",
    ),
    "no interpreter for facts": Failing(
        MARKER,
        ("The module interpreter '/opt/none/python3' was not found",),
        {"ansible_python_interpreter": "/opt/none/python3"},
        facts=True,
        task="Gathering Facts",
    ),
    "no program": Failing(
        COMMAND.format(more="changed_when: true", argv="[/opt/none/tool]"),
        ("No such file or directory", "/opt/none/tool"),
    ),
    "a return code": Failing(COMMAND.format(more="changed_when: true", argv="[sh, -c, 'exit 7']"), ("non-zero", "(7)")),
    "a variable that is not there": Failing(
        COMMAND.format(more="changed_when: true", argv='["{{ pool_of_shop }}"]'), ("'pool_of_shop' is undefined",)
    ),
    "too slow": Failing(COMMAND.format(more="timeout: 1", argv='[sleep, "9"]'), ("Timed out after 1 second",)),
    "no vault password": Failing(
        COMMAND.format(more='vars: {key: !vault "$ANSIBLE_VAULT;1.1;AES256\\n3061"}', argv='[echo, "{{ key }}"]'),
        ("no vault secrets found",),
    ),
    "no connection of that kind": Failing(
        COMMAND.format(more="changed_when: true", argv="[id]"),
        ("connection plugin 'pigeon'",),
        {"ansible_connection": "pigeon"},
    ),
    "become without its program": Failing(
        COMMAND.format(more="become: true", argv="[id]"),
        ("sudo",),
        {"ansible_become_exe": "{folder}/sudo", "ansible_become_user": "nobody"},
    ),
    "a secret in a message": Failing(
        COMMAND.format(more="changed_when: true", argv='["/opt/{{ shop_password }}/tool"]'),
        ("No such file or directory", "/opt/***/tool"),
        {"shop_password": CANARY},
    ),
    "hidden by no_log": Failing(
        COMMAND.format(more="no_log: true", argv=f"[/opt/{CANARY}]"), ("task 'Do it' failed on web-1",)
    ),
    "rescued, and told by the author": Failing(
        RESCUED, ("the shop did not come back", "first cause: ", "No such file or directory"), task="Say so"
    ),
}


def play(folder: Path, case: Failing) -> Played:
    """Run the tasks of a case on this machine."""
    stage = Stage(folder, folder / "playbooks")
    (folder / "sudo").write_text(SUDO)
    (folder / "sudo").chmod(0o755)
    name = stage.write_playbook("fail.yml", case.tasks)
    if case.facts:
        file = stage.playbooks / name
        file.write_text(file.read_text().replace("gather_facts: false", "gather_facts: true"))
    variables = {
        key: value.replace("{folder}", str(folder)) if isinstance(value, str) else value
        for key, value in case.variables.items()
    }
    return stage.play(stage.request(playbook=name, inputs={}, variables=variables))


@pytest.mark.parametrize("case", LOCALLY)
def test_cause_on_a_local_host(case: str, tmp_path: Path) -> None:
    """The reason names the task and tells the first cause, in one line without secrets."""
    failing = LOCALLY[case]
    result = play(tmp_path, failing).result
    assert result.status is RunStatus.FAILED, result
    assert f"task '{failing.task}' failed on web-1" in result.reason
    assert [word for word in failing.told if word not in result.reason] == [], result.reason
    assert failing.hidden not in result.reason
    assert "\n" not in result.reason
    assert len(result.reason) < 1200


def test_module_that_is_missing(tmp_path: Path) -> None:
    """What Ansible refuses before the first task is told as it says it."""
    result = play(tmp_path, Failing("    - name: T\n      shop.tools.cache:\n", ())).result
    assert (result.status, "couldn't resolve module/action 'shop.tools.cache'" in result.reason) == (
        RunStatus.FAILED,
        True,
    ), result


def of_other_key(sshd: Sshd, folder: Path) -> dict[str, object]:
    """A target whose ssh key is not the one that is known."""
    public = " ".join((sshd.folder / "key.pub").read_text().split()[:2])
    (folder / "known").write_text(f"[127.0.0.1]:{sshd.port} {public}\n")
    return sshd.variables | {"ansible_ssh_common_args": f"-o UserKnownHostsFile={folder}/known"}


def of_no_known_key(sshd: Sshd, folder: Path) -> dict[str, object]:
    """A target that was never seen."""
    (folder / "known").touch()
    return sshd.variables | {"ansible_ssh_common_args": f"-o UserKnownHostsFile={folder}/known"}


UNREACHABLE: dict[str, tuple[Callable[[Sshd, Path], dict[str, object]], tuple[str, ...]]] = {
    "key changed": (of_other_key, ("REMOTE HOST IDENTIFICATION HAS CHANGED", "Host key verification failed")),
    "key unknown": (of_no_known_key, ("Host key verification failed",)),
    "not let in": (lambda sshd, _folder: sshd.variables | {"ansible_user": "nobody"}, ("Permission denied",)),
    "nobody listens": (lambda sshd, _folder: sshd.variables | {"ansible_port": 1}, ("port 1: Connection refused",)),
    "no such name": (lambda sshd, _folder: sshd.variables | {"ansible_host": "web-1.invalid"}, ("resolve hostname",)),
}


@pytest.mark.parametrize("case", UNREACHABLE)
def test_cause_over_ssh(case: str, tmp_path: Path, sshd: Sshd) -> None:
    """A target that can not be reached is told with ssh's reason, and had no effect."""
    change, told = UNREACHABLE[case]
    stage = Stage(tmp_path, tmp_path / "playbooks")
    stage.settings = msgspec.structs.replace(stage.settings, private_key_file=str(sshd.key))
    request = stage.request(playbook=stage.write_playbook("m.yml", MARKER), inputs={}, variables=change(sshd, tmp_path))
    result = stage.play(request).result
    assert result.status is RunStatus.UNREACHABLE, result
    named = "host_key_changed: " if case == "key changed" else ""
    assert result.reason.startswith(f"{named}web-1 could not be reached: Failed to connect to the host via ssh")
    assert [word for word in told if word not in result.reason] == [], result.reason
    assert "@@@" not in result.reason
    assert not stage.markers.exists()


CLEANED = {
    "a known value": ("it is s3cret-1 there", "it is *** there"),
    "an assignment": ("login with password=hush99 refused", "login with password=*** refused"),
    "a field": ("got {'api_key': 'abcd1234'}", "got {'api_key': '***'}"),
    "a name that is undefined": (
        "resolving value for 'token': 'vaulted_token' is undefined",
        "resolving value for 'token': 'vaulted_token' is undefined",
    ),
    "an address with a login": ("GET https://bob:hush@shop.example/a", "GET https://***@shop.example/a"),
    "a login of a command": ("curl -u bob:hush shop.example", "curl -u bob:*** shop.example"),
    "an option": ("tool --password hush -v, tool --token -v", "tool --password *** -v, tool --token -v"),
    "a token by its shape": ("refused ghp_0123456789abcdef", "refused ***"),
    "a user and an address": ("sync -u https://shop.example", "sync -u https://shop.example"),
    "a header": ("Authorization: Bearer abc123def456 refused", "Authorization: Bearer *** refused"),
    "a key": ("-----BEGIN OPENSSH PRIVATE KEY----- abc\nde -----END OPENSSH PRIVATE KEY----- x", "*** x"),
    "sudo's own words": ("sudo: a password is required", "sudo: a password is required"),
    "a banner": ("@@@@@@@@\n@  WARNING: CHANGED!  @\n@@@@@@@@\nno", "WARNING: CHANGED! no"),
    "colours and lines": ("\x1b[31mdisk\x1b[0m is\nfull", "disk is full"),
}


@pytest.mark.parametrize("case", CLEANED)
def test_cleaned(case: str) -> None:
    """Secrets are removed, names and Ansible's own words are not."""
    text, wanted = CLEANED[case]
    assert cleaned(text, {"s3cret-1"}) == wanted


def test_long_causes_keep_both_ends() -> None:
    """Programs such as ssh say last what came of all its warnings."""
    text = cleaned("begin " + "x" * 3000 + " end")
    assert (text[:6], text[-4:], len(text)) == ("begin ", " end", 800)


NO_ANSWER = "Module result deserialization failed: No start of json char found"
DETAILS = {
    "its error output": ({"module_stderr": "a\nb: no libc\n"}, "b: no libc"),
    "its output, where ssh has one channel for both": (
        {
            "module_stderr": "Shared connection to h closed.\r\n",
            "module_stdout": "shim: no python3.99\r\nHint: none\r\n",
        },
        "shim: no python3.99",
    ),
    "a traceback": ({"module_stdout": "Traceback (most recent call last):\n  x\nOSError: gone\n"}, "OSError: gone"),
}


@pytest.mark.parametrize(("output", "detail"), DETAILS.values(), ids=DETAILS.keys())
def test_detail_of_a_broken_interpreter(output: dict[str, str], detail: str) -> None:
    """Where Ansible only says that it got no answer, what the interpreter said is the cause."""
    returned = msgspec.convert({"msg": NO_ANSWER, **output}, TaskReturn)
    assert cause(returned, "") == f"{NO_ANSWER}: {detail}"
