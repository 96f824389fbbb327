"""A run has exactly the hosts that were resolved for it, whatever becomes of the inventory meanwhile."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from remediations.inventory import read_inventory
from remediations.runs import RunStatus
from tests.playbooks.hanging import wait_until
from tests.playbooks.runs import LOCAL, Stage
from tests.playbooks.warm import WAYS, parent_for

TASKS = """\
    - name: Wait for another inventory
      ansible.builtin.command:
        argv: [sh, -c, 'touch "$1/begun"; until test -e "$1/changed"; do sleep 0.05; done', wait, "{folder}"]
    - name: Read it again
      ansible.builtin.meta: refresh_inventory
    - name: Have an effect
      ansible.builtin.command:
        argv: [touch, "{folder}/{{{{ inventory_hostname }}}}-{{{{ colour }}}}"]
    - name: Tell
      ansible.builtin.set_stats:
        data:
          hosts: "{{{{ groups }}}}"
"""


def write(file: Path, **colours: str) -> None:
    """An inventory of these hosts, each with its colour."""
    hosts = {name.replace("_", "-"): LOCAL | {"colour": colour} for name, colour in colours.items()}
    file.write_bytes(msgspec.yaml.encode({"web": {"hosts": hosts}}))


@pytest.mark.parametrize("way", WAYS)
def test_inventory_changes_in_mid_run(way: str, tmp_path: Path) -> None:
    """Hosts that are added, taken away or described otherwise while a run is under way are not this run's."""
    stage = Stage(tmp_path, tmp_path / "playbooks")
    file = tmp_path / "inventory.yml"
    write(file, web_1="green", web_2="green", web_3="green")
    inventory = read_inventory(file)
    targets = tuple(filter(None, map(inventory.resolve, ("web-1", "web-2"))))
    playbook = stage.write_playbook("wait.yml", TASKS.format(folder=tmp_path))
    request = msgspec.structs.replace(stage.request(playbook=playbook, inputs={}), targets=targets)
    with parent_for(way, stage.settings) as stage.parent, ThreadPoolExecutor(1) as pool:
        playing = pool.submit(stage.play, request)
        wait_until((tmp_path / "begun").exists)
        write(file, web_2="red", web_3="red", web_4="red")
        (tmp_path / "changed").touch()
        result = playing.result().result
    assert result.status is RunStatus.SUCCESSFUL, result
    assert {"web-1-green", "web-2-green"} == {path.name for path in tmp_path.glob("web-*")}
    named = ["web-1", "web-2"]
    assert {"hosts": {"all": named, "targets": named, "delegates": [], "ungrouped": []}} == result.result
