# ruff: noqa: INP001 - Ansible copies this file alone to the target, it is part of no package
"""Looks at one server of a HAProxy backend through the admin socket, and waits until it is drained or serves."""

from __future__ import annotations

import csv
import socket
import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: haproxy_server_info
short_description: Look at one server of a HAProxy backend
description:
  - Reads C(show servers state) and C(show stat); both, because a server that is down and drained is only C(DOWN) in the
    second. Changes nothing.
  - M(community.general.haproxy) changes the state. Its own waiting looks at no session of a server that is down, and
    never sees a server without health checks come up.
author: Tidegate (@tidegate)
options:
  socket: {description: Path of the admin socket., type: path, required: true}
  backend: {description: Name of the backend., type: str, required: true}
  server: {description: Name of the server., type: str, required: true}
  until:
    description: What to wait for. V(drained) is no new and no running request, V(serving) is fit for new ones.
    type: str
    choices: [now, drained, serving]
    default: now
  wait_seconds: {description: How long to wait., type: int, default: 0}
attributes:
  check_mode: {support: full}
  diff_mode: {support: none}
"""

RETURN = """
state: {description: "What was asked for by an administrator: ready, drain or maint.", type: str, returned: always}
status: {description: What HAProxy makes of it, with its health., type: str, returned: always}
sessions: {description: Requests that run on the server, or wait for it., type: int, returned: always}
others: {description: Other servers of the backend that serve now; backups do not count., type: int, returned: always}
requests_new: {description: Requests that came to the server while this task waited., type: int, returned: always}
"""

EXAMPLES = """
- name: Wait until nothing runs on it any more
  haproxy_server_info:
    socket: /run/haproxy/admin.sock
    backend: shop
    server: web-1
    until: drained
    wait_seconds: 60
"""

ANSWER_SECONDS = 10.0
POLL_SECONDS = 0.2
MAINTENANCE_BITS = 0x01 | 0x02 | 0x04 | 0x20 | 0x40  # by command, inherited, configured, no address, no name
DRAIN_BITS = 0x08 | 0x10  # by command, inherited


class UnreadableError(Exception):
    """HAProxy can not be asked, or answers something else."""


def main() -> None:
    """Look, wait if asked to, answer."""
    module = AnsibleModule(
        argument_spec={
            "socket": {"type": "path", "required": True},
            "backend": {"type": "str", "required": True},
            "server": {"type": "str", "required": True},
            "until": {"type": "str", "choices": list(REACHED), "default": "now"},
            "wait_seconds": {"type": "int", "default": 0},
        },
        supports_check_mode=True,
    )
    try:
        seen, reached = wait(module.params)
    except UnreadableError as error:
        module.fail_json(msg=str(error))
    else:
        if not reached:
            module.fail_json(msg=complaint(module.params, seen), **seen)
        module.exit_json(changed=False, **seen)


def wait(asked: dict[str, Any]) -> tuple[dict[str, object], bool]:
    """Look until it is as asked or the time is up: what was seen last, and whether it is as asked."""
    limit = time.monotonic() + asked["wait_seconds"]
    requests_first: int | None = None
    while True:
        seen, requests = look(asked["socket"], asked["backend"], asked["server"])
        requests_first = requests if requests_first is None else requests_first
        seen["requests_new"] = requests - requests_first
        reached = REACHED[asked["until"]](seen)
        if reached or time.monotonic() >= limit:
            return seen, reached
        time.sleep(POLL_SECONDS)


def is_drained(seen: dict[str, object]) -> bool:
    """No new request comes to it but by persistence, and none runs."""
    return seen["state"] != "ready" and seen["sessions"] == 0


def is_serving(seen: dict[str, object]) -> bool:
    """It takes requests and its health check, if it has one, says that it may."""
    return seen["state"] == "ready" and takes_requests(str(seen["status"]))


REACHED = {"now": lambda _seen: True, "drained": is_drained, "serving": is_serving}


def complaint(asked: dict[str, Any], seen: dict[str, object]) -> str:
    """Say what is not as asked."""
    name = f"{asked['backend']}/{asked['server']} after {asked['wait_seconds']} s"
    if asked["until"] == "drained":
        return f"{name}: {seen['sessions']} request(s) still run, its state is {seen['state']}"
    return f"{name}: not fit to serve, its state is {seen['state']}, its status {seen['status']}"


def look(path: str, backend: str, server: str) -> tuple[dict[str, object], int]:
    """What HAProxy tells of the server, and how many requests it ever had."""
    states = admin_states(ask(path, f"show servers state {backend}"), backend)
    rows = statistics(ask(path, "show stat"), backend)
    if server not in states or server not in rows:
        message = f"backend {backend} of HAProxy at {path} has no server {server}; it has {', '.join(sorted(states))}"
        raise UnreadableError(message)
    own = rows[server]
    others = [name for name in rows if name != server and states.get(name) == "ready" and carries(rows[name])]
    seen: dict[str, object] = {
        "state": states[server],
        "status": own["status"],
        "sessions": int(own["scur"]) + int(own["qcur"]),
        "others": len(others),
    }
    return seen, int(own["stot"])


def carries(row: dict[str, str]) -> bool:
    """Whether it takes its share: no backup, a weight, and not down."""
    return row["act"] == "1" and int(row["weight"]) > 0 and takes_requests(row["status"])


def takes_requests(status: str) -> bool:
    """Whether HAProxy sends requests to a server of this status."""
    return status.startswith("UP") or status == "no check"


def admin_states(answer: str, backend: str) -> dict[str, str]:
    """Name of each server of the backend → ready, drain or maint."""
    _version, heading, table = answer.partition("\n# ")
    if not heading:
        message = f"HAProxy tells nothing of backend {backend}: {answer.strip()[:200]}"
        raise UnreadableError(message)
    servers = csv.DictReader(table.strip().splitlines(), delimiter=" ")
    return {each["srv_name"]: state_of(int(each["srv_admin_state"])) for each in servers}


def state_of(bits: int) -> str:
    """The administrator's wish as a word."""
    return "maint" if bits & MAINTENANCE_BITS else "drain" if bits & DRAIN_BITS else "ready"


def statistics(answer: str, backend: str) -> dict[str, dict[str, str]]:
    """Name of each server of the backend → its row."""
    rows = csv.DictReader(answer.removeprefix("# ").splitlines())
    return {row["svname"]: row for row in rows if row["pxname"] == backend and row["svname"] not in SUMMARIES}


SUMMARIES = ("FRONTEND", "BACKEND")


def ask(path: str, command: str) -> str:
    """What HAProxy answers to one command."""
    parts = []
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(ANSWER_SECONDS)
            connection.connect(path)
            connection.sendall(f"{command}\n".encode())
            while part := connection.recv(65_536):
                parts.append(part)
    except OSError as error:
        message = f"HAProxy can not be asked at {path}: {error}"
        raise UnreadableError(message) from error
    return b"".join(parts).decode("utf-8", "replace")


if __name__ == "__main__":
    main()
