"""An engine that can not run anything says so, with the cause, before it matters."""

import asyncio
import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import aiohttp
import msgspec
import pytest

from remediations.interpreter import LIBRARIES, needed
from remediations.records import DecisionMade
from remediations.runner import RunnerSettings
from stream.engine.run_process import AnsibleRunner
from tests.engines import Fleet, fleet
from tests.kafka import Kafka
from tests.playbooks.conftest import free_port
from tests.playbooks.runs import Stage

LIBRARY = str(sysconfig.get_config_var("INSTSONAME"))
PROVE = """\
import asyncio, sys
from remediations.runner import RunnerSettings
from stream.engine.run_process import AnsibleRunner
import msgspec
settings = msgspec.json.decode(sys.argv[1].encode(), type=RunnerSettings)
sys.stdout.write(asyncio.run(AnsibleRunner(settings).prove()))
"""
SCRIPT = "#!{python}\nimport sys\nfrom ansible.cli.playbook import main\nsys.exit(main())\n"


def test_a_run_can_begin(tmp_path: Path) -> None:
    """The proof is a real play; nothing of it is left."""
    settings = Stage(tmp_path).settings
    assert asyncio.run(AnsibleRunner(settings).prove()) == ""
    assert list(tmp_path.rglob("proof-*")) == []


def changed(tmp_path: Path, case: str) -> RunnerSettings:
    """Settings with which no run can begin."""
    playbooks, secret = tmp_path / "playbooks", tmp_path / "secret"
    playbooks.mkdir()
    secret.write_text("s3cret")
    settings = Stage(tmp_path, playbooks).settings
    match case:
        case "broken configuration":
            (playbooks / "ansible.cfg").write_text("[defaults\nforks = 1\n")
        case "secret for all":
            secret.chmod(0o644)
            return msgspec.structs.replace(settings, private_key_file=str(secret))
        case "no Python for Ansible":
            return msgspec.structs.replace(settings, environment={"PYTHONHOME": "/opt/none"})
        case "no Python at all":
            return msgspec.structs.replace(settings, environment={LIBRARIES: str(tmp_path)})
        case "no room":
            return msgspec.structs.replace(settings, free_bytes_minimum=1 << 60)
    return settings


CAUSES = {
    "broken configuration": "ansible.cfg",
    "secret for all": "a file that others can not read",
    "no Python for Ansible": "before any task: ",
    "no Python at all": f"the run could not begin: .*{LIBRARY}",
    "no room": "free space of the run folder",
}


@pytest.mark.parametrize("case", CAUSES)
async def test_the_cause_is_told(case: str, tmp_path: Path) -> None:
    """Whatever is in the way is named, also where Ansible, or Python, never started."""
    settings = changed(tmp_path, case)
    if case == "no Python at all":
        if not sysconfig.get_config_var("Py_ENABLE_SHARED"):
            pytest.skip("this Python needs no library")
        (tmp_path / LIBRARY).write_text("no library")
    problem = await AnsibleRunner(settings).prove()
    assert re.search(CAUSES[case], problem), problem


def python_that_needs_to_be_told(folder: Path) -> Path:
    """A copy of this Python that has forgotten where its library is."""
    binary, library = Path(sys.executable).resolve().read_bytes(), str(sysconfig.get_config_var("LIBDIR")).encode()
    if not sysconfig.get_config_var("Py_ENABLE_SHARED") or library not in binary:
        pytest.skip("this Python does not look for its library")
    python = folder / "bin" / Path(sys.executable).name
    python.parent.mkdir(parents=True)
    python.write_bytes(binary.replace(library, b"/" + b"x" * (len(library) - 1)))
    python.chmod(0o755)
    (folder / "lib").symlink_to(Path(sys.prefix, "lib"))
    (folder / "pyvenv.cfg").write_bytes(Path(sys.prefix, "pyvenv.cfg").read_bytes())
    script = python.parent / "ansible-playbook"
    script.write_text(SCRIPT.format(python=python))
    script.chmod(0o755)
    return python


def test_python_that_needs_its_library_path(tmp_path: Path) -> None:
    """Where the loader has to be told of Python's own library, runs are told too, and of nothing else."""
    python = python_that_needs_to_be_told(tmp_path / "venv")
    environment = {"PATH": os.defpath, "LD_LIBRARY_PATH": f"/opt/none:{sysconfig.get_config_var('LIBDIR')}"}
    settings = msgspec.json.encode(Stage(tmp_path).settings).decode()
    words = [str(python), "-c", PROVE, settings]
    root = Path(__file__).parents[3]
    assert subprocess.run(words, cwd=root, env={}, capture_output=True, check=False).returncode != 0
    proved = subprocess.run(words, cwd=root, env=environment, capture_output=True, text=True, check=True)
    assert proved.stdout == ""


def test_only_folders_with_the_library_are_passed_on(tmp_path: Path) -> None:
    """Other libraries of the engine's user are none of a run's business."""
    if not sysconfig.get_config_var("Py_ENABLE_SHARED"):
        pytest.skip("this Python needs no library")
    (tmp_path / LIBRARY).touch()
    assert needed({LIBRARIES: f"/opt/none:{tmp_path}:"}) == {LIBRARIES: str(tmp_path)}
    assert needed({LIBRARIES: "/opt/none"}) == needed({}) == {}


async def answer(one: Fleet) -> tuple[int, dict[str, object], str]:
    """Readiness and metrics of the engine."""
    async with aiohttp.ClientSession(f"http://127.0.0.1:{one.settings.engine.health_port}") as client:
        ready = await client.get("/readyz")
        metrics = await client.get("/metrics")
        return ready.status, await ready.json(), await metrics.text()


async def test_an_engine_that_can_not_run_is_not_ready(kafka: Kafka, tmp_path: Path) -> None:
    """Readiness, metric and the decision tell the cause; once it is mended the engine acts, without a restart."""
    async with fleet(kafka, tmp_path) as one:
        key = tmp_path / "key"
        key.write_text("key")
        key.chmod(0o644)
        engine = msgspec.structs.replace(one.settings.engine, health_port=free_port(), private_key_file=str(key))
        one.settings = msgspec.structs.replace(one.settings, engine=engine)
        async with one.engine():
            await one.fail()
            records = await one.wait_for("decision.made")
            (decision,) = [record for record in records if isinstance(record, DecisionMade)]
            assert decision.reason == "runner_not_ready"
            assert "private_key_file is" in decision.gates[-1].value
            status, ready, metrics = await answer(one)
            assert (status, ready["ready"]) == (503, False)
            assert "private_key_file is" in str(ready["causes"])
            assert "tidegate_engine_runner_ready 0.0" in metrics
            key.chmod(0o600)
            await one.wait_for("run.finished", seconds=60)
            status, _, metrics = await answer(one)
            assert (status, "tidegate_engine_runner_ready 1.0" in metrics) == (200, True)
