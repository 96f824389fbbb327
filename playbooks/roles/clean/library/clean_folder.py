# ruff: noqa: INP001 - Ansible copies this file alone to the target, it is part of no package
"""Rotates and removes files below one folder, by name, age and size, without ever leaving it.

A list of paths made first and removed later (ansible.builtin.find and file) can be led elsewhere by whoever may write
into the folder. Here every folder is opened relative to the one above it, links are not followed at any step, and a
file is removed by its name in the folder that is open.
"""

from __future__ import annotations

import errno
import fnmatch
import gzip
import os
import time
from typing import TYPE_CHECKING, Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.folder_files import (
    DAY_SECONDS,
    File,
    RefusedError,
    Users,
    copy,
    empty,
    folder_at,
    freed_by_removal,
    keep,
    new_file,
    on_disk,
    opened,
    plain_files,
    root_folder,
    shown,
)

if TYPE_CHECKING:
    from collections.abc import Callable

DOCUMENTATION = """
module: clean_folder
short_description: Rotate and remove files below one folder
description:
  - Compresses what matches O(rotate_patterns) and is larger than O(rotate_bytes), then removes what matches O(patterns)
    and is older than O(age_days), then the oldest of the rest of it until O(keep_bytes) are kept.
  - Follows no link, enters no other mount, removes no folder and nothing but plain files. Linux only.
  - What a process has open is left, or with O(truncate_open) copied and made empty if all who write to it append; what
    is written in the instant between the two is lost.
  - Without privileges other users' processes can not be seen; then a file of the last day counts as open.
author: Tidegate (@tidegate)
options:
  folder: {description: An absolute path without links; no folder of the system., type: str, required: true}
  patterns: {description: Names of files that may be removed., type: list, elements: str, default: []}
  age_days: {description: Age from which they are removed; 0 for none., type: float, default: 0}
  keep_bytes: {description: How much of them is kept; -1 for all., type: int, default: -1}
  rotate_patterns: {description: Names of files that are compressed., type: list, elements: str, default: []}
  rotate_bytes: {description: Size from which they are compressed; 0 for none., type: int, default: 0}
  truncate_open: {description: Whether files that are open for appending may be emptied., type: bool, default: false}
attributes:
  check_mode: {support: full}
  diff_mode: {support: none}
"""
RETURN = """
bytes_freed: {description: As du counts; a check can not tell what compression saves., type: int, returned: always}
files_removed: {description: How many files were removed., type: int, returned: always}
files_rotated: {description: How many files were compressed., type: int, returned: always}
files_open: {description: How many were left because a process has them open., type: int, returned: always}
files: {description: "The first of what was done: name below the folder, what, bytes.", type: list, returned: always}
problems: {description: What could not be done., type: list, elements: str, returned: always}
"""

LISTED_MAXIMUM = 20


class Cleaning:
    """One cleaning of one open folder."""

    def __init__(self, root: int, asked: dict[str, Any], *, check: bool) -> None:
        self._root = root
        self._asked = asked
        self._check = check
        self._now = time.time()
        self._users = Users(self._now)
        self.counts = {"removed": 0, "rotated": 0, "open": 0}
        self.bytes_freed = 0
        self.done: list[dict[str, object]] = []
        self.problems: list[str] = []

    def run(self) -> None:
        """Rotate, then remove by age, then by size."""
        for file in [each for each in self._files("rotate_patterns") if 0 < self._asked["rotate_bytes"] <= each.size]:
            self._with(file, self._rotate)
        files = self._files("patterns")
        old = [file for file in files if self._is_old(file)]
        for file in [*old, *self._surplus([file for file in files if file not in old])]:
            self._with(file, self._remove)

    def _files(self, patterns: str) -> list[File]:
        found, problems = plain_files(self._root)
        self.problems += [problem for problem in problems if problem not in self.problems]
        return [file for file in found if matches(file.name, self._asked[patterns])]

    def _is_old(self, file: File) -> bool:
        return bool(0 < self._asked["age_days"] * DAY_SECONDS <= self._now - file.modified)

    def _surplus(self, files: list[File]) -> list[File]:
        left = self._asked["keep_bytes"]
        surplus = []
        for file in sorted(files, key=lambda file: file.modified, reverse=True) if left >= 0 else ():
            left -= file.size
            if left < 0:
                surplus.append(file)
        return surplus[::-1]

    def _with(self, file: File, action: Callable[[int, int, File], None]) -> None:
        try:
            with folder_at(self._root, file.parts[:-1]) as folder, opened(folder, file) as descriptor:
                action(folder, descriptor, file)
        except OSError as error:
            self.problems.append(f"{shown(file.parts)}: {error.strerror}")

    def _remove(self, folder: int, descriptor: int, file: File) -> None:
        if self._users.have_open(file):
            self.counts["open"] += 1
            return
        freed = freed_by_removal(descriptor)
        if not self._check:
            os.unlink(file.name, dir_fd=folder)
        self._note(file, "removed", freed)

    def _rotate(self, folder: int, descriptor: int, file: File) -> None:
        in_use = self._users.have_open(file)
        if in_use and not (self._asked["truncate_open"] and self._users.only_append(file)):
            self.counts["open"] += 1
            return
        freed = 0 if self._check else self._compress(folder, descriptor, file, in_use=in_use)
        self._note(file, "rotated", freed)

    def _compress(self, folder: int, source: int, file: File, *, in_use: bool) -> int:
        """Compress, then empty what is in use and remove what is not; gives the bytes that are free now.

        What is emptied has its compressed file under its final name before: whatever fails then, nothing is lost.
        """
        before = on_disk(source) if in_use else freed_by_removal(source)
        name = f"{file.name}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(self._now))}.gz"
        with new_file(folder, name, source) as target:
            with os.fdopen(os.dup(target), "wb") as raw, gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed:
                copied = copy(source, packed)
                os.fsync(target)
                if in_use:
                    keep(folder, name)
                    empty(folder, file, source, packed, copied)
            if not in_use:
                self._check_untouched(source, file, copied)
                keep(folder, name)
                os.unlink(file.name, dir_fd=folder)
            os.fsync(target)
            return int(before - on_disk(target))

    def _check_untouched(self, source: int, file: File, copied: int) -> None:
        now = os.fstat(source)
        if (now.st_size, now.st_mtime_ns) != (copied, file.modified_ns) or Users(self._now).have_open(file):
            raise OSError(errno.EBUSY, "was opened or written to meanwhile")

    def _note(self, file: File, what: str, freed: int) -> None:
        self.counts[what] += 1
        self.bytes_freed += freed
        if len(self.done) < LISTED_MAXIMUM:
            self.done.append({"name": shown(file.parts), "what": what, "bytes": file.size})


def main() -> None:
    """Clean, and tell what came of it."""
    module = AnsibleModule(
        argument_spec={
            "folder": {"type": "str", "required": True},
            "patterns": {"type": "list", "elements": "str", "default": []},
            "age_days": {"type": "float", "default": 0},
            "keep_bytes": {"type": "int", "default": -1},
            "rotate_patterns": {"type": "list", "elements": "str", "default": []},
            "rotate_bytes": {"type": "int", "default": 0},
            "truncate_open": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    try:
        result = clean(module.params, check=module.check_mode)
    except RefusedError as error:
        module.fail_json(msg=str(error))
    else:
        if result["problems"]:
            module.fail_json(msg=f"{module.params['folder']}: {'; '.join(result['problems'])}", **result)
        module.exit_json(**result)


def clean(asked: dict[str, Any], *, check: bool) -> dict[str, Any]:
    """Clean one folder; gives the fields of RETURN."""
    with root_folder(asked["folder"]) as root:
        cleaning = Cleaning(root, asked, check=check)
        cleaning.run()
    counts = cleaning.counts
    return {
        "changed": bool(counts["removed"] or counts["rotated"]),
        "bytes_freed": cleaning.bytes_freed,
        **{f"files_{what}": count for what, count in counts.items()},
        "files": cleaning.done,
        "problems": cleaning.problems[:LISTED_MAXIMUM],
    }


def matches(name: str, patterns: list[str]) -> bool:
    """Whether a name fits any of the patterns."""
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


if __name__ == "__main__":
    main()
