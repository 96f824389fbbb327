"""The archive of classes is only ever a help: whatever is wrong with it, the broker starts without."""

from pathlib import Path

import pytest

from stream.broker.class_archive import class_archive

MADE_OF = ["java 25", "one.jar"]


class Recorder:
    """Stands for the JVM: writes an archive, or fails, and counts."""

    def __init__(self, *, succeeds: bool = True) -> None:
        self.succeeds = succeeds
        self.times = 0

    def __call__(self, path: Path) -> bool:
        """Leave an archive, or half of one."""
        self.times += 1
        path.write_bytes(b"archive" if self.succeeds else b"arc")
        return self.succeeds


def test_recorded_once(tmp_path: Path) -> None:
    """The first start records, the others use what it recorded."""
    recorder = Recorder()

    first, second = (class_archive(tmp_path, MADE_OF, recorder) for _ in range(2))

    assert first is not None
    assert first == second
    assert first.read_bytes() == b"archive"
    assert recorder.times == 1


def test_recorded_anew_for_other_jars(tmp_path: Path) -> None:
    """Another Java, other options or other jars make another archive, and the old one goes."""
    old = class_archive(tmp_path, MADE_OF, Recorder())
    new = class_archive(tmp_path, [*MADE_OF, "two.jar"], Recorder())

    assert old is not None
    assert new is not None
    assert not old.exists()
    assert new.exists()


def test_damaged_archive_is_recorded_again(tmp_path: Path) -> None:
    """An archive that is not what was recorded is never given to the JVM."""
    path = class_archive(tmp_path, MADE_OF, Recorder())
    assert path is not None
    path.write_bytes(b"altered")

    again = class_archive(tmp_path, MADE_OF, Recorder())

    assert again == path
    assert path.read_bytes() == b"archive"


def test_failure_is_remembered(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Where no archive can be made this is said once, and not tried at every start."""
    recorder = Recorder(succeeds=False)

    found = [class_archive(tmp_path, MADE_OF, recorder) for _ in range(2)]

    assert found == [None, None]
    assert recorder.times == 1
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_nobody_waits_for_a_recording(tmp_path: Path) -> None:
    """Who starts while another records starts without the archive."""
    seen: list[Path | None] = []

    def record(path: Path) -> bool:
        seen.append(class_archive(tmp_path, MADE_OF, Recorder()))
        path.write_bytes(b"archive")
        return True

    class_archive(tmp_path, MADE_OF, record)

    assert seen == [None]
