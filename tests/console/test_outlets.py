"""Every command, whatever its answer is written to: a reader that goes, few characters; and its exit status."""

import asyncio
import json
import os
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import msgspec
import pytest

from console.outlets import READER_GONE
from stream.audit.log import open_log
from stream.topics import ensure_topics
from tests.console.stories import FINISHED, running
from tests.console.test_playbooks import SIDECAR, SOUND, SPECS
from tests.console.walk import commands, required
from tests.kafka import Kafka
from tests.playbooks.runs import PLAYBOOKS

pytestmark = pytest.mark.slow  # every command is started several times

TIDEGATE = str(Path(sysconfig.get_path("scripts")) / "tidegate")
LASTING = {("up",), ("detect",), ("engine",), ("demo",)}  # they answer nothing
ASKING = {" ".join(path): (path, command) for path, command in commands() if path not in LASTING}
HOST = "web-01"
STORIES = 60


class Place:
    """Settings, files and a Kafka with a long audit log in which there is more than ASCII."""

    def __init__(self, kafka: Kafka, folder: Path) -> None:
        self.folder = folder
        self.settings = kafka.settings()
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "TIDEGATE_CONFIG": str(folder / "tidegate.yml"),
            "COLUMNS": "200",
        }

    async def fill(self) -> None:
        """Topics and records."""
        await ensure_topics(self.settings)
        head = self.folder / "head.json"
        first, second, *rest = running()
        told = msgspec.structs.replace(rest[-1], task=msgspec.structs.replace(rest[-1].task, task="Prüfe 検査 🚦"))
        topic = self.settings.topics.audit
        async with open_log(self.settings.kafka, topic, writer="w", head_file=head, fold=lambda _: None) as log:
            for record in (first, second, *rest[:-1], *[told] * STORIES, FINISHED):
                await log.append(record, 0.0)

    def write(self) -> None:
        """Files."""
        topics = json.dumps(msgspec.to_builtins(self.settings.topics))
        files = {
            "tidegate.yml": f"kafka: {{bootstrap_servers: '{self.settings.kafka.bootstrap_servers}'}}\n"
            f"topics: {topics}\nstate_folder: state\n",
            "policy.yml": "version: 1\nrules: [{name: sweep-all, playbook: sweep}]\n",
            "inventory.yml": "web: {hosts: {web-01: {data_folder: /x, depth: 1}}}\n",
            "playbooks/sweep.yml": SOUND,
            "playbooks/sweep.meta.yml": SIDECAR.replace("Sweep a folder.", "Räumt auf ✓"),
            "playbooks/roles/sweep/meta/argument_specs.yml": SPECS,
            "playbooks/roles/sweep/tasks/main.yml": "[]\n",
        }
        copied = [*PLAYBOOKS.glob("marker_*.yml"), *PLAYBOOKS.glob("roles/marker/**/*.yml")]
        files |= {f"playbooks/{file.relative_to(PLAYBOOKS)}": file.read_text() for file in copied}
        for name, text in files.items():
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).write_text(text)

    def said(self, *words: str, **how: Any) -> subprocess.CompletedProcess[str]:  # noqa: ANN401 - as subprocess.run
        """`tidegate` with these words, and with `variables` as a part of its environment."""
        variables = how.pop("variables", {})
        how = {"stdout": subprocess.PIPE, "stdin": subprocess.DEVNULL} | how
        return subprocess.run(
            [TIDEGATE, *words],
            env=self.environment | variables,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=120,
            **how,
        )


@pytest.fixture(scope="module")
def place(kafka: Kafka, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """One for all tests of this file."""
    place = Place(kafka, tmp_path_factory.mktemp("place"))
    place.write()
    asyncio.run(place.fill())
    return place


def typed(path: tuple[str, ...], command: Any) -> list[str]:  # noqa: ANN401 - typer's own classes are private
    """A command with all that it insists on, about the host of the story, which waits for nobody."""
    words = [{"x": HOST, "--host=x": f"--host={HOST}"}.get(word, word) for word in required(command)]
    names = {each.name for each in command.params}
    if path[0] == "playbooks" and path[1:] == ("dry-run",):
        words[0] = "sweep"
    return [*path, *words, *(["--wait=0"] if "wait" in names else []), *(["--all"] if "everything" in names else [])]


@pytest.mark.parametrize(("path", "command"), ASKING.values(), ids=ASKING.keys())
def test_a_reader_that_has_gone_is_a_quiet_end(place: Place, path: tuple[str, ...], command: object) -> None:
    """As with `| head`: no word on standard error but the answer's own, no traceback, and the status that says so."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = place.said(*typed(path, command), stdout=writing)
    finally:
        os.close(writing)
    assert "Traceback" not in done.stderr
    assert "rror" not in done.stderr.replace("tidegate: ", "")
    assert done.returncode in {READER_GONE, 1, 2}, done.stderr
    assert (done.returncode == READER_GONE) == (done.stderr == ""), done.stderr


CHARACTERS = {
    "latin-1": {"PYTHONIOENCODING": "latin-1"},
    "ASCII": {"PYTHONIOENCODING": "ascii", "LANG": "C"},
    "no locale": {"LC_ALL": "C", "LANG": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
}


@pytest.mark.parametrize(("path", "command"), ASKING.values(), ids=ASKING.keys())
def test_a_terminal_of_few_characters_is_written_to(place: Place, path: tuple[str, ...], command: object) -> None:
    """What it lacks is replaced."""
    known = place.said(*typed(path, command))
    poor = place.said(*typed(path, command), variables=CHARACTERS["ASCII"])
    assert "Traceback" not in known.stderr + poor.stderr
    assert poor.stdout.isascii()
    assert known.returncode == poor.returncode, poor.stderr


@pytest.mark.parametrize("variables", CHARACTERS.values(), ids=CHARACTERS.keys())
@pytest.mark.parametrize("words", [("explain", HOST), ("audit", "tail"), ("playbooks",)], ids=" ".join)
def test_json_loses_nothing(place: Place, words: tuple[str, ...], variables: dict[str, str]) -> None:
    """A program reads the same document, whatever the locale that it starts us with."""
    known, poor = place.said(*words, "--json"), place.said(*words, "--json", variables=variables)
    assert 0 == poor.returncode, poor.stderr
    wanted, found = ([json.loads(line) for line in rows(each.stdout)] for each in (known, poor))
    assert without_ages(wanted) == without_ages(found)
    assert ("検査 🚦" in str(found)) or ("Räumt auf ✓" in str(found))


def rows(text: str) -> list[str]:
    """The documents of an output: one, or one a line."""
    return text.splitlines() if text.startswith('{"') else [text]


def without_ages(document: object) -> str:
    """What does not depend on when it was asked."""
    return json.dumps(document).partition("age_seconds")[0]


def test_the_first_line_of_many_is_enough(place: Place) -> None:
    """`tidegate audit tail --json | head -1`: the line, nothing on standard error."""
    pipe = f"{TIDEGATE} audit tail --json -n 1000000 | head -n 1"
    done = subprocess.run(["/bin/sh", "-c", pipe], env=place.environment, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["offset"] == 0
    assert done.stderr == ""


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&-"])
@pytest.mark.parametrize(("words", "status"), [("playbooks", 0), ("check -c gone.yml", 2), ("publish gone", 2)])
def test_what_is_closed_is_not_missed(place: Place, closed: str, words: str, status: int) -> None:
    """A supervisor may start us without any stream."""
    line = f"{TIDEGATE} {words} {closed}"
    done = subprocess.run(
        ["/bin/sh", "-c", line], env=place.environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert (status, "") == (done.returncode, "Traceback" if "Traceback" in done.stderr else "")


STATUSES = {
    "no length of time": ("maintenance start web-01 --for 5x --reason r", 2, "--for is '5x'"),
    "no time": ("models rollback web-01 --to soon --reason r", 2, "--to is 'soon'"),
    "no host": ("models reset '' --reason r", 2, "model.reset of ''"),
    "bytes that are no text": ("models reset $(printf '\\377') --reason r", 2, "model.reset of"),
    "no such host": ("playbooks dry-run sweep --host ghost", 2, "the inventory has no host ghost"),
    "no input": ("playbooks dry-run sweep --host web-01 --input nonsense", 2, "input nonsense is not name=value"),
    "no such input": ("playbooks dry-run sweep --host web-01 --input a=b", 2, "input a"),
    "an input of another type": ("playbooks dry-run sweep --host web-01 --input sweep_depth=deep", 2, "wanted int"),
    "no such playbook": ("playbooks check gone", 2, "no playbook is called gone"),
    "no address": ("hosts --bootstrap-servers kafka", 2, "--bootstrap-servers is 'kafka', wanted host:port"),
    "no such log": ("audit verify --topic nope", 2, "has no topic 'nope'"),
    "two logs": ("audit verify --topic a,b", 2, "has no topic 'a,b'"),
    "no such topic": ("publish nope", 2, "has no topic 'nope'"),
    "no log yet": ("audit tail", 2, "has no topic 'never.made'"),
    "no roster yet": ("hosts", 2, "has no topic 'never.made'"),
    "no such incident": ("explain nothing", 1, "no incident 'nothing'"),
    "no such run": ("runs tail nothing", 1, "no run 'nothing'"),
    "a sound log": ("audit verify", 0, ""),
    "another head": (f"audit verify --checkpoint 3:{'0' * 64}", 1, ""),
}


@pytest.mark.parametrize(("line", "status", "words"), STATUSES.values(), ids=STATUSES.keys())
def test_the_exit_status_tells_wrong_usage_from_no(
    place: Place, request: pytest.FixtureRequest, line: str, status: int, words: str
) -> None:
    """1 is an answer: a script may act on it. What could not be asked is 2."""
    is_bare = "yet" in request.node.callspec.id
    missing = (
        {"TIDEGATE_TOPICS__AUDIT": "never.made"} if "audit" in line else {"TIDEGATE_TOPICS__SIGNALS": "never.made"}
    )
    done = subprocess.run(
        ["/bin/sh", "-c", f"{TIDEGATE} {line}"],
        env=place.environment | (missing if is_bare else {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert status == done.returncode, done.stderr
    assert words in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_a_damaged_memory_of_the_log_is_no_broken_log(place: Place) -> None:
    """What could not be compared is not called a no."""
    head = place.folder / "state/engine/audit-head.json"
    head.parent.mkdir(parents=True, exist_ok=True)
    head.write_text("{")
    try:
        done = place.said("audit", "verify")
    finally:
        head.unlink()
    assert (2, True) == (done.returncode, f"{head} does not hold the head" in done.stderr), done.stderr
