# ruff: noqa: INP001 - Ansible copies this file alone to the target, it is part of no package
"""Looks at the worker processes of one nginx, and waits until a reload has replaced the old ones."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: nginx_workers_info
short_description: Look at the worker processes of one nginx
description:
  - After a reload the old workers take no new connection and end when their last request has ended. That is all that
    can be seen of running requests in nginx without the commercial parts, and it covers requests to all servers.
  - Changes nothing.
author: Tidegate (@tidegate)
options:
  pid_file: {description: File with the process id of nginx's master., type: path, required: true}
  replaced: {description: Ids of workers that must have ended or be ending., type: list, elements: int, default: []}
  until:
    description:
      - What to wait for. V(replaced) is new workers, and none of the old ones takes new connections.
      - V(ended) is that none of the old ones is left.
    type: str
    choices: [now, replaced, ended]
    default: now
  wait_seconds: {description: How long to wait., type: int, default: 0}
attributes:
  check_mode: {support: full}
  diff_mode: {support: none}
"""

RETURN = """
workers: {description: Ids of the workers that take new connections., type: list, elements: int, returned: always}
ending: {description: Ids of the workers that finish their last requests., type: list, elements: int, returned: always}
"""

EXAMPLES = """
- name: Wait until the workers from before the reload have ended
  nginx_workers_info:
    pid_file: /run/nginx.pid
    replaced: [1234, 1235]
    until: ended
    wait_seconds: 60
"""

POLL_SECONDS = 0.2
WORKER = "nginx: worker process"
ENDING = "nginx: worker process is shutting down"


class NoMasterError(Exception):
    """There is no running nginx behind the file."""


def main() -> None:
    """Look, wait if asked to, answer."""
    module = AnsibleModule(
        argument_spec={
            "pid_file": {"type": "path", "required": True},
            "replaced": {"type": "list", "elements": "int", "default": []},
            "until": {"type": "str", "choices": ["now", "replaced", "ended"], "default": "now"},
            "wait_seconds": {"type": "int", "default": 0},
        },
        supports_check_mode=True,
    )
    try:
        problem, workers, ending = wait(module.params)
    except NoMasterError as error:
        module.fail_json(msg=str(error))
    else:
        if problem:
            module.fail_json(msg=problem, workers=workers, ending=ending)
        module.exit_json(changed=False, workers=workers, ending=ending)


def wait(asked: dict[str, Any]) -> tuple[str, list[int], list[int]]:
    """Look until it is as asked or the time is up: what is not as asked, and what was seen last."""
    limit = time.monotonic() + asked["wait_seconds"]
    while True:
        workers, ending = look(Path(asked["pid_file"]))
        problem = complaint(asked["until"], set(asked["replaced"]), workers, ending)
        if not problem:
            return "", workers, ending
        if time.monotonic() >= limit:
            return f"nginx after {asked['wait_seconds']} s: {problem}", workers, ending
        time.sleep(POLL_SECONDS)


def complaint(until: str, old: set[int], workers: list[int], ending: list[int]) -> str:
    """Say what is not as asked, empty if it is."""
    if until == "now":
        return ""
    staying = old.intersection(workers)
    if staying or not workers:
        return "the reload did not take, its old workers go on; its error log says why"
    left = old.intersection(ending)
    if until == "ended" and left:
        return f"{len(left)} old worker(s) still have running requests"
    return ""


def look(pid_file: Path) -> tuple[list[int], list[int]]:
    """Ids of the workers that take new connections, and of those that only finish."""
    try:
        master = int(pid_file.read_text())
    except (OSError, ValueError) as error:
        message = f"no running nginx: {pid_file} can not be read: {error}"
        raise NoMasterError(message) from error
    titles = {pid: title for pid, parent, title in processes() if parent == master}
    if not Path(f"/proc/{master}").is_dir():
        message = f"no running nginx: {pid_file} names process {master}, which is not there"
        raise NoMasterError(message)
    ending = sorted(pid for pid, title in titles.items() if title.startswith(ENDING))
    workers = sorted(pid for pid, title in titles.items() if title.startswith(WORKER) and pid not in ending)
    return workers, ending


def processes() -> list[tuple[int, int, str]]:
    """Id, parent's id and title of every process that can be seen."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal():
            continue
        try:
            status = (folder / "stat").read_text()
            title = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:  # it has ended meanwhile
            continue
        found.append((int(folder.name), int(status.rpartition(")")[2].split()[1]), title))
    return found


if __name__ == "__main__":
    main()
