"""`tidegate check` and every start refuse the same files, in the same words, with the same exit status."""

import os
import subprocess
import sysconfig
from pathlib import Path

import pytest

from docs.generate import FOLDER

EXAMPLES = FOLDER.parent / "playbooks" / "examples"
TIDEGATE = Path(sysconfig.get_path("scripts")) / "tidegate"
STARTS = {
    "check": ("check",),
    "up": ("up",),
    "engine": ("engine", "--bootstrap-servers", "127.0.0.1:1"),
}


def settings(folder: Path, **engine: str) -> Path:
    """Settings whose files are all right, but for those given."""
    files = {"policy": EXAMPLES / "policy.yml", "inventory": EXAMPLES / "inventory.yml", "playbooks": EXAMPLES.parent}
    lines = [f"  {name}: {path}" for name, path in (files | engine).items()]
    file = folder / "tidegate.yml"
    file.write_text("\n".join(["state_folder: state", "engine:", *lines, ""]))
    return file


def said(file: Path, words: tuple[str, ...], **variables: str) -> tuple[int, str]:
    """Exit status and what is said on standard error."""
    environment = os.environ | {"TIDEGATE_CONFIG": str(file), "COLUMNS": "300"} | variables
    done = subprocess.run([TIDEGATE, *words], env=environment, capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stderr


@pytest.mark.parametrize("words", STARTS.values(), ids=STARTS.keys())
def test_topics_that_can_not_work_are_refused_by_all(tmp_path: Path, words: tuple[str, ...]) -> None:
    """Nothing is started, not even Kafka."""
    status, text = said(settings(tmp_path), words, TIDEGATE_TOPICS__METRICS="a,b")
    assert 2 == status
    assert text.startswith("tidegate: environment variable TIDEGATE_TOPICS__METRICS: is 'a,b': wanted the name of one")
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("words", STARTS.values(), ids=STARTS.keys())
def test_a_secret_that_all_can_read_is_refused_by_all(tmp_path: Path, words: tuple[str, ...]) -> None:
    """A run would be refused for it: better known before it is needed."""
    key = tmp_path / "key"
    key.write_text("secret")
    key.chmod(0o644)
    status, text = said(settings(tmp_path, private_key_file=str(key)), words)
    assert 2 == status
    assert f"tidegate: engine.private_key_file is '{key}'; wanted: absolute path of a file that others" in text
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("words", STARTS.values(), ids=STARTS.keys())
def test_playbooks_without_the_markers_are_refused_by_all(tmp_path: Path, words: tuple[str, ...]) -> None:
    """Without them nobody could find out what became of a run that broke off."""
    (tmp_path / "playbooks").mkdir()
    status, text = said(settings(tmp_path, playbooks=str(tmp_path / "playbooks")), words)
    assert 2 == status
    assert "marker_inspect.yml: is not there" in text
    assert not (tmp_path / "state").exists()


def test_files_that_are_right_are_taken(tmp_path: Path) -> None:
    """Status 0, and nothing is made."""
    assert (0, "") == said(settings(tmp_path), ("check",))
    assert ["tidegate.yml"] == [file.name for file in tmp_path.iterdir()]
