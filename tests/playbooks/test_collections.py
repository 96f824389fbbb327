"""deploy/collections: exactly the pinned collections, fetched once, whole or not at all."""

import hashlib
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from tests.playbooks.collections import SCRIPT, collections_folder
from tests.playbooks.runs import PLAYBOOKS

REQUIREMENTS = PLAYBOOKS / "collections" / "requirements.yml"
METADATA = "Metadata-Version: 2.1\nName: ansible\nVersion: 1.0\n"
WHEEL = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def manifest(name: str, version: str) -> tuple[str, str]:
    """Path and content of a collection's manifest in the package."""
    path = f"ansible_collections/{name.replace('.', '/')}/MANIFEST.json"
    return path, json.dumps({"collection_info": {"version": version}})


class Checkout:
    """A checkout with the script and a small package of its own that pip finds without a registry."""

    def __init__(self, folder: Path, wanted: str = "2.0.0") -> None:
        self.folder = folder
        self.cache = folder / "cache"
        for name in ("deploy", "requirements", "playbooks/collections", "wheels"):
            (folder / name).mkdir(parents=True)
        shutil.copy(SCRIPT, folder / "deploy")
        wheel = folder / "wheels" / "ansible-1.0-py3-none-any.whl"
        contents = {"METADATA": METADATA, "WHEEL": WHEEL, "RECORD": ""}
        with zipfile.ZipFile(wheel, "w") as archive:
            for name, version in (("a.first", "2.0.0"), ("a.firsts", "1.0.0"), ("b.second", "3.0.0")):
                archive.writestr(*manifest(name, version))
            for name, content in contents.items():
                archive.writestr(f"ansible-1.0.dist-info/{name}", content)
        self.pin(hashlib.sha256(wheel.read_bytes()).hexdigest())
        required = {"collections": [{"name": "a.first", "version": wanted}]}
        (folder / "playbooks/collections/requirements.yml").write_text(yaml.safe_dump(required))

    def pin(self, digest: str) -> None:
        """Name the digest that the package must have."""
        (self.folder / "requirements/collections.txt").write_text(f"ansible==1.0 --hash=sha256:{digest}\n")

    def run(self, wheels: str = "wheels", cache: str | None = None) -> "subprocess.CompletedProcess[str]":
        """Run the script."""
        environment = {
            "HOME": str(self.folder),
            "XDG_CACHE_HOME": cache or str(self.cache),
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.folder / wheels),
        }
        script = str(self.folder / "deploy" / "collections")
        return subprocess.run(
            [sys.executable, script], capture_output=True, text=True, check=False, env=environment, cwd=self.folder
        )

    def left(self) -> list[str]:
        """Files below the cache."""
        return sorted(str(file.relative_to(self.cache)) for file in self.cache.rglob("*") if file.is_file())


def test_pinned_versions() -> None:
    """The folder holds the collections of requirements.yml in its versions, and no other."""
    wanted = {each["name"]: each["version"] for each in yaml.safe_load(REQUIREMENTS.read_text())["collections"]}
    folder = Path(collections_folder(), "ansible_collections")
    found = {}
    for file in folder.glob("*/*/MANIFEST.json"):
        told = json.loads(file.read_text())["collection_info"]
        found[f"{told['namespace']}.{told['name']}"] = told["version"]
    assert found == wanted
    assert sorted(path.name for path in folder.glob("*/*")) == sorted(name.split(".")[1] for name in wanted)


def test_ansible_finds_them() -> None:
    """Ansible lists the collections of the folder, with the versions that are wanted."""
    wanted = {each["name"]: each["version"] for each in yaml.safe_load(REQUIREMENTS.read_text())["collections"]}
    answer = subprocess.run(
        [Path(sys.executable).parent / "ansible-galaxy", "collection", "list", "--format", "json"],
        capture_output=True,
        text=True,
        check=True,
        env={"ANSIBLE_COLLECTIONS_PATH": collections_folder(), "HOME": "/nonexistent", "LANG": "C.UTF-8"},
    )
    (listed,) = json.loads(answer.stdout).values()
    assert {name: told["version"] for name, told in listed.items()} == wanted


def test_unpacked_once(tmp_path: Path) -> None:
    """Only what is wanted is unpacked; the second time nothing is fetched; another pin is another folder."""
    checkout = Checkout(tmp_path)
    first = checkout.run()
    assert first.returncode == 0, first.stderr
    folder = Path(first.stdout.strip())
    assert checkout.left() == [str(folder.relative_to(checkout.cache) / manifest("a.first", "")[0])]
    again = checkout.run(wheels="nowhere")
    assert (again.returncode, again.stdout, again.stderr) == (0, first.stdout, "")
    checkout.pin("0" * 64)
    assert checkout.run().returncode == 1
    assert len(checkout.left()) == 1


WRONG: dict[str, tuple[str, str, str]] = {
    "another version": ("2.0.1", "", "wants a.first 2.0.1, ansible-1.0-py3-none-any.whl has 2.0.0"),
    "no such package": ("2.0.0", "nowhere", "pip ended with 1"),
}


@pytest.mark.parametrize("case", WRONG)
def test_nothing_half_made(case: str, tmp_path: Path) -> None:
    """What can not be had is said in one line, and nothing is left behind."""
    wanted, wheels, reason = WRONG[case]
    checkout = Checkout(tmp_path, wanted)
    answer = checkout.run(wheels or "wheels")
    assert (answer.returncode, answer.stdout) == (1, "")
    assert reason in answer.stderr.splitlines()[-1]
    assert checkout.left() == []


def test_package_of_another_hash(tmp_path: Path) -> None:
    """A package that is not the pinned one is refused by pip."""
    checkout = Checkout(tmp_path)
    checkout.pin("0" * 64)
    answer = checkout.run()
    assert answer.returncode == 1
    assert "DO NOT MATCH THE HASHES" in answer.stderr
    assert checkout.left() == []


def test_cache_that_can_not_be_made(tmp_path: Path) -> None:
    """A cache folder that is a file is named."""
    checkout = Checkout(tmp_path)
    (tmp_path / "file").touch()
    answer = checkout.run(cache=str(tmp_path / "file"))
    assert answer.returncode == 1
    assert answer.stderr.startswith("deploy/collections: ")
    assert str(tmp_path / "file") in answer.stderr
