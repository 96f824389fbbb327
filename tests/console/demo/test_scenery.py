"""The demo's files are what a user would write, and its folder is only ever one it may empty."""

from pathlib import Path

import msgspec
import pytest

from console.demo.errors import FolderError
from console.demo.fleet import HOSTS, plan_fleet
from console.demo.scenery import COOLDOWN_SECONDS, claim_folder, write_scenery
from remediations.policies import Policy, RuleMode
from stream.settings import Settings


def test_the_files_are_read_as_they_were_meant(tmp_path: Path) -> None:
    """Settings, policy and inventory decode strictly; every host restarts its own service."""
    plan = plan_fleet(tmp_path / "fleet", range(20_000, 20_008))
    settings = write_scenery(tmp_path, plan)
    assert settings == msgspec.yaml.decode((tmp_path / "settings.yml").read_bytes(), type=Settings)
    policy = msgspec.yaml.decode(Path(settings.engine.policy).read_bytes(), type=Policy)
    assert [(rule.mode, rule.cooldown_seconds) for rule in policy.rules] == [(RuleMode.AUTO, COOLDOWN_SECONDS)]
    groups = msgspec.yaml.decode(Path(settings.engine.inventory).read_bytes())["all"]["children"]
    found = {host: name for name, group in groups.items() for host in group["hosts"]}
    assert found == HOSTS
    assert groups["web"]["hosts"]["web-3"]["service_name"] == "web-3"
    assert (Path(settings.engine.playbooks) / "restart.yml").exists()


def test_a_folder_of_an_earlier_demo_is_emptied(tmp_path: Path) -> None:
    """Each demo begins with nothing."""
    with claim_folder(tmp_path / "demo"):
        (tmp_path / "demo" / "kafka").mkdir()
        (tmp_path / "demo" / "kafka" / "data").write_text("old")
    with claim_folder(tmp_path / "demo"):
        assert [path.name for path in (tmp_path / "demo").iterdir()] == [".tidegate-demo"]


def test_a_folder_with_other_files_is_refused_and_left_alone(tmp_path: Path) -> None:
    """A typing error in --folder deletes nothing."""
    (tmp_path / "thesis.txt").write_text("work of years")
    with pytest.raises(FolderError, match="no demo made"):
        claim_folder(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "work of years"


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    """Two demos never share a folder; the message names the process that has it."""
    with claim_folder(tmp_path / "demo"), pytest.raises(FolderError, match="another demo, process"):
        claim_folder(tmp_path / "demo")


def test_a_file_in_the_folders_place_is_refused(tmp_path: Path) -> None:
    """The message says that it is no folder."""
    (tmp_path / "demo").write_text("")
    with pytest.raises(FolderError, match="is no folder"):
        claim_folder(tmp_path / "demo")
