"""Which folders are never cleaned, whoever names them, and what happens to a folder that is exchanged meanwhile."""

import os
from pathlib import Path

import pytest

from tests.playbooks.library import shared

REFUSED = (
    *("/", "/etc", "/usr", "/var", "/home", "/root", "/opt", "/srv", "/mnt", "/boot", "/dev", "/proc", "/sys"),
    *("/etc/nginx", "/usr/local/lib", "/var/lib", "/var/spool", "/home/somebody", "/run/shop", "/lib/shop"),
    *("", "logs", "./logs", "../logs", "/var/log/..", "/var/log/../../etc", "/var//log", "//var/log", "/var/log/"),
    *("/var/log\n", "/var/log\0", "~/logs", "$HOME/logs", "/var/./log"),
)
ALLOWED = ("/var/log", "/var/log/shop", "/var/lib/shop", "/srv/shop", "/opt/shop/logs", "/home/somebody/logs")


@pytest.mark.parametrize("path", REFUSED)
def test_refused(path: str) -> None:
    """Folders of the system and of users, and what is no plain absolute path, are refused by name alone."""
    files = shared("clean", "folder_files")
    with pytest.raises(files.RefusedError, match="folder is "):
        files.check_folder(path)


@pytest.mark.parametrize("path", ALLOWED)
def test_allowed(path: str) -> None:
    """A folder of logs is not refused by its name."""
    shared("clean", "folder_files").check_folder(path)


def test_exchanged_meanwhile(tmp_path: Path) -> None:
    """A folder or file that becomes a link after it was found is not followed."""
    files = shared("clean", "folder_files")
    (tmp_path / "logs" / "inner").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    for folder in ("logs/inner", "outside"):
        (tmp_path / folder / "shop.log.1").touch()
    with files.root_folder(str(tmp_path / "logs")) as root:
        ((file,), problems) = files.plain_files(root)
        with files.folder_at(root, file.parts[:-1]) as folder, files.opened(folder, file) as same:
            assert os.fstat(same).st_ino == file.identity[1]
            (tmp_path / "logs" / "inner" / "shop.log.1").rename(tmp_path / "moved")
            (tmp_path / "logs" / "inner" / "shop.log.1").symlink_to(tmp_path / "outside" / "shop.log.1")
            with pytest.raises(OSError, match="symbolic links"), files.opened(folder, file):
                pass
        (tmp_path / "logs" / "inner").rename(tmp_path / "gone")
        (tmp_path / "logs" / "inner").symlink_to(tmp_path / "outside")
        with pytest.raises(NotADirectoryError), files.folder_at(root, file.parts[:-1]):
            pass
        assert (files.plain_files(root), problems) == (([], []), [])
