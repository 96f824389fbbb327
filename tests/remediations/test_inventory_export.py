"""Inventories that Ansible reads for us: the same hosts, groups and variables as it has, and no program, no pattern."""

import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from remediations.errors import InventoryError
from remediations.inventory import Inventory, read_inventory
from remediations.runner import RunnerSettings, prepare
from remediations.runs import RunRequest
from tests.playbooks.runs import PLAYBOOKS

HOSTS = """\
lone
[web]
web-1 ansible_host=10.0.0.1 port=80
web-2 note='two words'
[db]
[fleet:children]
web
db
[web:vars]
level=ini
"""
FILES = {
    "hosts": HOSTS,
    "more.yml": "db: {hosts: {db-1: {role: primary}}}\n",
    "group_vars/all.yml": "zone: a\nlevel: all\n",
    "group_vars/web.yml": "level: web\nnested: {a: [1, {b: two}]}\n",
    "group_vars/fleet/limits.yml": "replicas: 3\n",
    "host_vars/web-1.yml": "own: true\n",
    ".git/config": "[no inventory]\n",
    "README.md": "web[1:3]\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder as operators keep it: INI and YAML, variables of groups and hosts."""
    for name, text in FILES.items():
        write(tmp_path / "inventory" / name, text)
    return tmp_path / "inventory"


def write(file: Path, text: str) -> None:
    """A file, with the folders above it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def test_a_folder_is_read_whole(folder: Path) -> None:
    """INI and YAML, group_vars and host_vars make one inventory."""
    fleet = ("db-1", "web-1", "web-2")
    assert read_inventory(folder) == Inventory(
        hosts={
            "db-1": {"zone": "a", "level": "all", "replicas": 3, "role": "primary"},
            "lone": {"zone": "a", "level": "all"},
            "web-1": WEB | {"own": True, "ansible_host": "10.0.0.1", "port": 80},
            "web-2": WEB | {"note": "two words"},
        },
        host_groups={
            "db-1": ("db", "fleet"),
            "lone": ("ungrouped",),
            "web-1": ("fleet", "web"),
            "web-2": ("fleet", "web"),
        },
        groups={
            "all": ("db-1", "lone", "web-1", "web-2"),
            "db": ("db-1",),
            "fleet": fleet,
            "ungrouped": ("lone",),
            "web": ("web-1", "web-2"),
        },
    )


WEB: dict[str, object] = {"zone": "a", "level": "web", "nested": {"a": [1, {"b": "two"}]}, "replicas": 3}


def test_variables_are_those_that_ansible_has(folder: Path) -> None:
    """For every host Ansible's own answer is ours."""
    environment = {"PATH": os.defpath, "HOME": str(folder), "ANSIBLE_HOME": str(folder.parent)}
    for host, variables in read_inventory(folder).hosts.items():
        words = (sys.executable, "-m", "ansible", "inventory", "-i", str(folder), "--host", host)
        answer = subprocess.run(words, env=environment, cwd=folder.parent, capture_output=True, check=True)
        assert json.loads(answer.stdout) == variables


@pytest.mark.parametrize("name", ["hosts", "hosts.ini", "hosts.yml"])
def test_a_file_has_the_variables_beside_it(tmp_path: Path, name: str) -> None:
    """group_vars beside one file count, in whatever form the file is."""
    write(tmp_path / name, "web: {hosts: {web-1: }}" if name.endswith(".yml") else "[web]\nweb-1\n")
    write(tmp_path / "group_vars/web.yml", "level: web\n")
    assert {"web-1": {"level": "web"}} == read_inventory(tmp_path / name).hosts


def test_what_changed_is_read_anew(folder: Path) -> None:
    """The same files are read once; one byte more in any of them counts at once."""
    before = read_inventory(folder)
    write(folder / "host_vars/web-1.yml", "own: false\n")
    assert (True, False) == (before.hosts["web-1"]["own"], read_inventory(folder).hosts["web-1"]["own"])


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        pytest.param("more", "web[1:3]\n", "more: line 1: web[1:3] is no exact host name", id="range in INI"),
        pytest.param("more", "[x]\n'web*'\n", "more: line 2: 'web*' is no exact host name", id="pattern in INI"),
        pytest.param("more.yml", "x: {hosts: {'web[1:3]': }}", "x.hosts.web[1:3]: is no exact host", id="range"),
        pytest.param(
            "more.yml", "x: {children: {y: {hosts: {'w[a:c]': }}}}", "x.children.y.hosts.w[a:c]: is no", id="deep range"
        ),
        pytest.param(
            "cloud.yml",
            "plugin: amazon.aws.aws_ec2",
            "cloud.yml: plugin: is a plugin's configuration: plugins are not run here",
            id="a plugin",
        ),
        pytest.param("more", "a b c = {\n", "is not read by Ansible", id="no inventory"),
        pytest.param("host_vars/web-1.yml", "own: '{{ lookup(1) }}'", "templates are not read here", id="a template"),
        pytest.param("host_vars/web-1.yml", "own: [", "is not read by Ansible", id="no YAML"),
        pytest.param("more", "[a-b]\nx\n", "a-b: is no name of a group", id="no name of a group"),
    ],
)
def test_what_is_not_read_is_refused(folder: Path, name: str, text: str, problem: str) -> None:
    """Nothing is expanded, templated or left out in silence: the file is named."""
    write(folder / name, text)
    with pytest.raises(InventoryError) as caught:
        read_inventory(folder)
    assert problem in str(caught.value)


@pytest.mark.parametrize("name", ["dynamic.py", "group_vars/all.sh", "hosts"])
def test_a_program_is_never_run(folder: Path, name: str) -> None:
    """An executable file would be a dynamic inventory to Ansible; it is refused by name before Ansible is asked."""
    write(folder / name, f"#!/bin/sh\ntouch {folder.parent}/executed\n")
    (folder / name).chmod(0o755)
    with pytest.raises(InventoryError, match=f"{name}: is executable: programs are not run here"):
        read_inventory(folder)
    assert not (folder.parent / "executed").exists()


def test_nothing_of_the_callers_environment_is_seen(folder: Path) -> None:
    """An ansible.cfg or a vars plugin that lies about changes nothing."""
    write(folder.parent / "ansible.cfg", "[defaults]\nvars_plugins = /nowhere\n[inventory]\nenable_plugins = script\n")
    environment = {"ANSIBLE_CONFIG": str(folder.parent / "ansible.cfg"), "PATH": os.defpath}
    code = "import sys; from pathlib import Path; from remediations.inventory import read_inventory as r;"
    words = (sys.executable, "-c", f"{code} print(sorted(r(Path(sys.argv[1])).hosts))", str(folder))
    answer = subprocess.run(words, env=environment, cwd=folder.parent, capture_output=True, text=True, check=True)
    assert "['db-1', 'lone', 'web-1', 'web-2']\n" == answer.stdout


@pytest.mark.parametrize("name", ["empty", "gone"])
def test_a_folder_without_inventory_is_named(tmp_path: Path, name: str) -> None:
    """A wrong setting is found at once."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(InventoryError, match=rf"{name}: (holds no inventory|cannot be read)"):
        read_inventory(tmp_path / name)


def test_a_change_in_mid_run_does_not_change_the_runs_hosts(folder: Path, tmp_path: Path) -> None:
    """A run has an inventory of its own, written when it was decided on: what becomes of the files is nothing to it."""
    target = read_inventory(folder).resolve("web-1")
    assert target is not None
    playbook = str(PLAYBOOKS / "restart.yml")
    request = RunRequest("a" * 32, "i1", 1, playbook, (target,), {"restart_service_name": "x"}, 60.0)
    settings = RunnerSettings(folder=str(tmp_path / "runs"), playbooks=str(PLAYBOOKS), home=str(tmp_path))
    own = Path(prepare(request, settings).cwd) / "inventory/hosts.json"
    before = own.read_bytes()
    write(folder / "hosts", HOSTS.replace("10.0.0.1", "10.0.0.9"))
    assert "10.0.0.9" == read_inventory(folder).hosts["web-1"]["ansible_host"]
    assert before == own.read_bytes()
    written = msgspec.json.decode(before)["all"]["hosts"]
    assert {"__ansible_unsafe": "10.0.0.1"} == written["web-1"]["ansible_host"]
