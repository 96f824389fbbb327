"""The shipped clean playbook on a real tree of files: what goes, what stays, and what du says."""

import gzip
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from remediations.runs import RunRequest, RunResult, RunStatus
from tests.playbooks.runs import Stage
from tests.playbooks.warm import parent_for

SUCCESSFUL, FAILED = RunStatus.SUCCESSFUL, RunStatus.FAILED
DAY_SECONDS = 86_400
LINE = b"2026-01-31T23:59:59Z shop: an order was placed, and this line says so\n"


class CleanStage(Stage):
    """The shipped clean on one local host whose logs are below `logs`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        # Without a namespace of its own: the run is local, so it would not see from inside who has a file open.
        self.settings = msgspec.structs.replace(self.settings, pid_namespace=False)
        self.inputs = {}
        self._action = 0
        self.logs = folder / "site" / "logs"

    def reset(self) -> None:
        """Begin a test with an empty folder."""
        shutil.rmtree(self.logs.parent, ignore_errors=True)
        self.logs.mkdir(parents=True)

    def clean(self, **variables: object) -> RunResult:
        """Clean as a new action, with variables of the host."""
        return self.play(self._request(variables)).result

    def check(self, **variables: object) -> RunResult:
        """What a cleaning would do."""
        return self.play(msgspec.structs.replace(self._request(variables), check=True)).result

    def _request(self, variables: dict[str, object]) -> RunRequest:
        self._action += 1
        given = {"clean_folders": [str(self.logs)], **variables}
        return self.request(action=self._action, playbook="clean.yml", variables=given)

    def put(self, name: str, lines: int = 1000, age_days: float = 0.0) -> Path:
        """A file of so many lines, on disk, last written so long ago."""
        file = self.logs / name
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("wb") as writing:
            writing.write(LINE * lines)
            writing.flush()
            os.fsync(writing.fileno())
        when = time.time() - age_days * DAY_SECONDS
        os.utime(file, (when, when))
        return file

    def left(self) -> list[str]:
        """Names of all that is below the folder but folders."""
        return sorted(
            str(path.relative_to(self.logs)) for path in self.logs.rglob("*") if path.is_symlink() or not path.is_dir()
        )


def disk_usage(folder: Path) -> int:
    """What du says, in bytes."""
    told = subprocess.run(["du", "-s", "-B1", folder], capture_output=True, text=True, check=True)
    return int(told.stdout.split()[0])


def report(result: RunResult) -> dict[str, object]:
    """What a run gave back for its host."""
    told = result.result["clean"]
    assert isinstance(told, dict)
    own = told["web-1"]
    assert isinstance(own, dict)
    return own


@pytest.fixture(scope="module")
def warm_stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CleanStage]:
    """One stage for all tests, so that its runs come from one warm parent."""
    stage = CleanStage(tmp_path_factory.mktemp("stage"))
    with parent_for("warm", stage.settings) as stage.parent:
        yield stage


@pytest.fixture
def stage(warm_stage: CleanStage) -> CleanStage:
    """A stage with an empty folder of logs."""
    warm_stage.reset()
    return warm_stage


def test_rotates_and_removes(stage: CleanStage) -> None:
    """Large logs are compressed, old ones go, the bytes are those of du; a check tells it before."""
    big = stage.put("shop.log", lines=50_000).read_bytes()
    stage.put("small.log", lines=10)
    stage.put("shop.log.1", age_days=20)
    stage.put("deep/er/shop.log.2", age_days=10.5)
    stage.put("shop.log.3", age_days=9.5)
    stage.put("orders.csv", age_days=400)
    wanted = {"clean_age_days": 10, "clean_rotate_bytes": 1_000_000}
    before = stage.left()
    checked = stage.check(**wanted)
    assert stage.left() == before
    used = disk_usage(stage.logs)
    cleaned = stage.clean(**wanted)
    assert (checked.status, cleaned.status) == (SUCCESSFUL, SUCCESSFUL), (checked.reason, cleaned.reason)
    freed = used - disk_usage(stage.logs)
    files = [
        {"name": "shop.log", "what": "rotated", "bytes": len(big)},
        {"name": "shop.log.1", "what": "removed", "bytes": 1000 * len(LINE)},
        {"name": "deep/er/shop.log.2", "what": "removed", "bytes": 1000 * len(LINE)},
    ]
    counts = {"files_removed": 2, "files_rotated": 1, "files_open": 0, "files": files}
    assert report(cleaned) == counts | {"bytes_freed": freed, "folders": {str(stage.logs): freed}}
    assert {key: report(checked)[key] for key in counts} == counts
    (packed,) = stage.logs.glob("shop.log-*T*Z.gz")
    assert gzip.decompress(packed.read_bytes()) == big
    assert stage.left() == sorted(["orders.csv", packed.name, "shop.log.3", "small.log"])
    again = stage.clean(**wanted)
    assert (again.status, report(again)["files"], report(again)["bytes_freed"]) == (SUCCESSFUL, [], 0)


def test_keeps_the_newest(stage: CleanStage) -> None:
    """Of what may go, the newest are kept up to a size; other files do not count."""
    for day in range(5):
        stage.put(f"shop.log.{day}", age_days=day)
    stage.put("shop.log", lines=9000)
    result = stage.clean(clean_keep_bytes=2500 * len(LINE))
    assert result.status is SUCCESSFUL, result.reason
    assert stage.left() == ["shop.log", "shop.log.0", "shop.log.1"]


def test_open_files(stage: CleanStage) -> None:
    """What a process has open stays; if that is allowed, what is only appended to is compressed and made empty."""
    appended, rewritten = stage.put("appended.log", lines=2000), stage.put("rewritten.log", lines=2000)
    held = stage.put("held.log.1", age_days=30)
    before = appended.read_bytes()
    wanted: dict[str, object] = {"clean_age_days": 10, "clean_rotate_bytes": 1000}
    with appended.open("ab") as appending, rewritten.open("r+b"), held.open("rb"):
        left = stage.clean(**wanted)
        assert (left.status, report(left)["files_open"], report(left)["files"]) == (SUCCESSFUL, 3, [])
        truncated = stage.clean(clean_truncate_open=True, **wanted)
        appending.write(LINE)
    assert report(truncated)["files_rotated"] == 1
    (packed,) = stage.logs.glob("appended.log-*.gz")
    assert (gzip.decompress(packed.read_bytes()), appended.read_bytes()) == (before, LINE)
    assert (rewritten.stat().st_size, held.exists()) == (2000 * len(LINE), True)


def test_links_are_not_followed(stage: CleanStage) -> None:
    """Nothing outside the folder goes: not through links to folders or files, not by another name of a file."""
    outside = stage.logs.parent / "outside"
    outside.mkdir()
    precious = outside / "precious.log.1"
    shutil.copy2(stage.put("shop.log.1", age_days=90), precious)
    (stage.logs / "folder").symlink_to(outside)
    (stage.logs / "link.log.1").symlink_to(precious)
    os.link(precious, stage.logs / "hard.log.1")
    used = disk_usage(stage.logs.parent)
    result = stage.clean(clean_age_days=10)
    assert result.status is SUCCESSFUL, result.reason
    assert stage.left() == ["folder", "link.log.1"]
    assert precious.stat().st_size == 1000 * len(LINE)
    assert report(result)["bytes_freed"] == used - disk_usage(stage.logs.parent)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_mounts_are_not_entered(stage: CleanStage) -> None:
    """Another mount below the folder stays as it is, also one of the same disk."""
    outside = stage.logs.parent / "outside"
    outside.mkdir()
    shutil.copy2(stage.put("shop.log.1", age_days=90), outside / "precious.log.1")
    (stage.logs / "bound").mkdir()
    subprocess.run(["mount", "--bind", outside, stage.logs / "bound"], check=True)
    try:
        result = stage.clean(clean_age_days=10)
        assert result.status is SUCCESSFUL, result.reason
        assert stage.left() == ["bound/precious.log.1"]
    finally:
        subprocess.run(["umount", stage.logs / "bound"], check=True)


HOSTILE = {
    "a line end": b"a\nb.log.1",
    "no text": b"\xff\xfe.log.1",
    "an option": b"-rf.log.1",
    "a template": b"{{ lookup('pipe', 'touch gone') }}.log.1",
    "for a terminal": b"\x1b[2J.log.1",
    "for a shell": b"$(touch gone); rm -rf *.log.1",
    "long": b"x" * 240 + b".log.1",
}


def test_hostile_names(stage: CleanStage) -> None:
    """Names are names, whatever is in them; they are told so that a terminal can show them."""
    for name in HOSTILE.values():
        file = stage.put("plain", age_days=90)
        file.rename(os.fsdecode(os.fsencode(stage.logs) + b"/" + name))
    result = stage.clean(clean_age_days=10)
    assert result.status is SUCCESSFUL, result.reason
    assert (stage.left(), report(result)["files_removed"]) == ([], len(HOSTILE))
    files = report(result)["files"]
    assert isinstance(files, list)
    assert {file["name"] for file in files} == {
        "a\\nb.log.1",
        "\\xff\\xfe.log.1",
        "-rf.log.1",
        "{{ lookup('pipe', 'touch gone') }}.log.1",
        "\\x1b[2J.log.1",
        "$(touch gone); rm -rf *.log.1",
        "x" * 200 + "…",
    }


def test_a_file_that_can_not_go(stage: CleanStage) -> None:
    """What could not be done fails the run, which tells what was done; the rest of the files is cleaned."""
    stage.put("x" * 245 + ".log", lines=3000)  # no room for the name of the compressed file
    stage.put("shop.log.1", age_days=90)
    result = stage.clean(clean_age_days=10, clean_rotate_bytes=1000)
    assert (result.status, "File name too long" in result.reason) == (FAILED, True), result.reason
    assert stage.left() == ["x" * 245 + ".log"]
    assert report(result)["files_removed"] == 1


WRONG: dict[str, tuple[dict[str, object], str]] = {
    "no folder": ({"clean_folders": []}, "Nothing to clean, wanted clean_folders"),
    "nothing to do": ({"clean_age_days": 0}, "Nothing to clean, wanted clean_folders"),
    "one of them is refused": ({"clean_folders": ["{logs}", "/etc"]}, "folder is /etc: folders of the system"),
    "by a link": ({"clean_folders": ["{logs}", "{link}"]}, "wanted a folder with no link on the way to it"),
    "no number": ({"clean_age_days": "old"}, "clean_age_days"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_inputs(case: str, stage: CleanStage) -> None:
    """One folder that is not to be cleaned, or nothing to do, ends the run before any change."""
    variables, reason = WRONG[case]
    stage.put("shop.log.1", age_days=90)
    link = stage.logs.parent / "link"
    link.symlink_to(stage.logs)
    folders = variables.get("clean_folders", [str(stage.logs)])
    assert isinstance(folders, list)
    named = [str(folder).format(logs=stage.logs, link=link) for folder in folders]
    result = stage.clean(**{"clean_age_days": 10, **variables, "clean_folders": named})
    assert (result.status, reason in result.reason) == (FAILED, True), result.reason
    assert stage.left() == ["shop.log.1"]
