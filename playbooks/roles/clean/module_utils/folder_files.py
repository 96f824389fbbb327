# ruff: noqa: INP001 - Ansible copies this file with the module to the target, it is part of no package
"""Files below one open folder: found, opened and compressed without following a link or leaving the mount."""

from __future__ import annotations

import errno
import gzip
import os
import re
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

REFUSED_TREES = frozenset({"bin", "boot", "dev", "etc", "lib", "lib32", "lib64", "proc", "run", "sbin", "sys", "usr"})
REFUSED_BELOW = frozenset({"home", "var"})  # /home/somebody, /var/lib: at least one level further down
ALLOWED = frozenset({"/var/log"})
DEPTH_MAXIMUM = 20
NAME_LENGTH_MAXIMUM = 200
DAY_SECONDS = 86_400
BLOCK_BYTES = 512
CHUNK_BYTES = 1 << 20
CATCH_UPS_MAXIMUM = 100
LOOK = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
FOLDER = LOOK | os.O_DIRECTORY


class RefusedError(Exception):
    """The folder is not one that is cleaned."""


class File:
    """One plain file, as it was found; `parts` are the names on the way to it."""

    def __init__(self, parts: tuple[str, ...], found: os.stat_result) -> None:
        self.parts = parts
        self.name = parts[-1]
        self.identity = (found.st_dev, found.st_ino)
        self.size = found.st_size
        self.modified = found.st_mtime
        self.modified_ns = found.st_mtime_ns


class Users:
    """Which files the processes of this machine have open, and how; our own does not count."""

    def __init__(self, now: float) -> None:
        self._now = now
        self._flags: dict[tuple[int, int], list[int]] = {}
        self._sees_all = True
        for process in Path("/proc").glob("[0-9]*"):
            if process.name != str(os.getpid()):
                self._look(process)

    def have_open(self, file: File) -> bool:
        """Whether somebody has it open, or may have it open without our seeing it."""
        return file.identity in self._flags or not (self._sees_all or self._now - file.modified > DAY_SECONDS)

    def only_append(self, file: File) -> bool:
        """Whether it is known who has it open, and each of those who write appends: others would leave a hole."""
        flags = self._flags.get(file.identity, [])
        writing = [each for each in flags if each & os.O_ACCMODE != os.O_RDONLY]
        return self._sees_all and all(each & os.O_APPEND for each in writing)

    def _look(self, process: Path) -> None:
        try:
            descriptors = list((process / "fd").iterdir())
        except PermissionError:
            self._sees_all = False
            return
        except OSError:  # it has ended
            return
        for descriptor in descriptors:
            with suppress(OSError):  # closed meanwhile
                held = descriptor.stat()
                if stat.S_ISREG(held.st_mode):
                    flags = numbers(process / "fdinfo" / descriptor.name)["flags"]
                    self._flags.setdefault((held.st_dev, held.st_ino), []).append(int(flags, 8))


def shown(parts: tuple[str, ...]) -> str:
    """A name below the folder, fit for a terminal."""
    path = "/".join(parts).encode(errors="surrogateescape").decode(errors="backslashreplace")
    plain = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in path)
    return plain if len(plain) <= NAME_LENGTH_MAXIMUM else f"{plain[:NAME_LENGTH_MAXIMUM]}…"


# Folders and files, each opened relative to the folder above it


@contextmanager
def root_folder(path: str) -> Iterator[int]:
    """The folder, opened part by part so that no link is followed. Raises RefusedError."""
    check_folder(path)
    top = os.open("/", FOLDER)
    try:
        folder = descend(top, tuple(path.split("/")[1:]))
    except OSError as error:
        message = f"folder is {path}: {error.strerror}; wanted a folder with no link on the way to it"
        raise RefusedError(message) from error
    finally:
        os.close(top)
    try:
        yield folder
    finally:
        os.close(folder)


def check_folder(path: str) -> None:
    """Raise RefusedError if the name alone tells that it is not one to clean."""
    if not path.startswith("/") or os.path.normpath(path) != path or not path.isprintable():
        message = f"folder is {path!r}, wanted an absolute path in normal form"
        raise RefusedError(message)
    parts = path.split("/")[1:]
    few = len(parts) < (3 if parts[0] in REFUSED_BELOW else 2)
    if (few or parts[0] in REFUSED_TREES or not all(parts)) and path not in ALLOWED:
        message = f"folder is {path}: folders of the system and of users are not cleaned"
        raise RefusedError(message)


def descend(top: int, parts: tuple[str, ...]) -> int:
    """Open a folder below an open one, through real folders only."""
    folder = os.dup(top)
    for part in parts:
        try:
            inner = os.open(part, FOLDER, dir_fd=folder)
        finally:
            os.close(folder)
        folder = inner
    return folder


@contextmanager
def folder_at(root: int, parts: tuple[str, ...]) -> Iterator[int]:
    """A folder below the open root; OSError if it is on another mount."""
    folder = descend(root, parts)
    try:
        if mount(folder) != mount(root):
            raise OSError(errno.EXDEV, "is on another mount")
        yield folder
    finally:
        os.close(folder)


@contextmanager
def opened(folder: int, file: File) -> Iterator[int]:
    """The file itself; OSError if another one has its name now."""
    descriptor = os.open(file.name, LOOK, dir_fd=folder)
    try:
        check_same(descriptor, file)
        yield descriptor
    finally:
        os.close(descriptor)


def check_same(descriptor: int, file: File) -> None:
    """Raise OSError if this is another file than the one that was found."""
    found = os.fstat(descriptor)
    if (found.st_dev, found.st_ino) != file.identity or not stat.S_ISREG(found.st_mode):
        raise OSError(errno.ESTALE, "is another file meanwhile")


def plain_files(root: int) -> tuple[list[File], list[str]]:
    """All plain files below an open folder, on its own mount, oldest first; and what could not be looked at."""
    found: list[File] = []
    problems: list[str] = []
    waiting: list[tuple[str, ...]] = [()]
    while waiting:
        parts = waiting.pop()
        try:
            with folder_at(root, parts) as folder:
                waiting += take_entries(folder, parts, found)
        except OSError as error:
            if error.errno not in {errno.EXDEV, errno.ENOENT}:  # another mount is left alone, gone is gone
                problems.append(f"{shown(parts)}: {error.strerror}")
    return sorted(found, key=lambda file: file.modified), problems


def take_entries(folder: int, parts: tuple[str, ...], found: list[File]) -> list[tuple[str, ...]]:
    """Add the plain files of one open folder; gives the folders in it."""
    inner = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_file(follow_symlinks=False):
                with suppress(FileNotFoundError):  # gone meanwhile
                    found.append(File((*parts, entry.name), entry.stat(follow_symlinks=False)))
            elif entry.is_dir(follow_symlinks=False) and len(parts) < DEPTH_MAXIMUM:
                inner.append((*parts, entry.name))
    return inner


def mount(descriptor: int) -> str:
    """What tells one mount from another; the device alone would not tell bind mounts apart."""
    return numbers(Path(f"/proc/self/fdinfo/{descriptor}"))["mnt_id"]


def numbers(info: Path) -> dict[str, str]:
    """The lines `name: number` of a file in /proc/PID/fdinfo."""
    return dict(re.findall(r"(?m)^(\w+):\s*(\w+)$", info.read_text()))


def on_disk(descriptor: int) -> int:
    """Bytes that the file takes up on disk."""
    return os.fstat(descriptor).st_blocks * BLOCK_BYTES


def freed_by_removal(descriptor: int) -> int:
    """Bytes that are free when one of its names is gone: none while it has others."""
    return on_disk(descriptor) if os.fstat(descriptor).st_nlink == 1 else 0


# Compressed files


@contextmanager
def new_file(folder: int, name: str, source: int) -> Iterator[int]:
    """A file with the rights of the source, under a name of its own until it is kept; removed if it never is."""
    part = f".{name}.part"
    target = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)
    try:
        found = os.fstat(source)
        with suppress(PermissionError):  # without privileges it stays ours, and is for nobody else
            os.fchown(target, found.st_uid, found.st_gid)
            os.fchmod(target, stat.S_IMODE(found.st_mode))
        yield target
    finally:
        os.close(target)
        with suppress(FileNotFoundError):
            os.unlink(part, dir_fd=folder)


def keep(folder: int, name: str) -> None:
    """Give the new file its name, unless there is one of that name."""
    os.link(f".{name}.part", name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)


def copy(source: int, packed: gzip.GzipFile) -> int:
    """Compress what is left of the source and hand it to the file; gives the bytes that were read."""
    copied = 0
    while chunk := os.read(source, CHUNK_BYTES):
        packed.write(chunk)
        copied += len(chunk)
    packed.flush()
    return copied


def empty(folder: int, file: File, source: int, packed: gzip.GzipFile, copied: int) -> None:
    """Take what was written meanwhile, then make the file empty at once."""
    descriptor = os.open(file.name, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        check_same(descriptor, file)
        for _ in range(CATCH_UPS_MAXIMUM):
            copied += copy(source, packed)
            if os.fstat(descriptor).st_size == copied:
                os.ftruncate(descriptor, 0)
                return
        raise OSError(errno.EBUSY, "is written to faster than it can be copied")
    finally:
        os.close(descriptor)
