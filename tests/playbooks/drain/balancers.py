"""A real HAProxy and a real nginx before web servers, as processes of a user without privileges."""

import csv
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.playbooks.conftest import free_port
from tests.playbooks.drain.service import WebServer, get

HAPROXY = """\
global
  stats socket {folder}/admin.sock mode 600 level admin
  stats socket {folder}/user.sock mode 600 level user
defaults
  mode http
  timeout connect 2s
  timeout client 90s
  timeout server 90s
  timeout queue 5s
frontend entry
  bind 127.0.0.1:{port}
  default_backend shop
backend shop
  option httpchk GET /health
  default-server check inter 100ms fall 2 rise 2 fastinter 100ms downinter 100ms
{servers}
backend empty
  server web-9 127.0.0.1:9
"""
NGINX = """\
worker_processes 2;
pid {folder}/nginx.pid;
error_log {folder}/error.log notice;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  upstream shop {{ include {folder}/upstreams/shop.conf; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://shop; proxy_next_upstream off; }}
  }}
}}
"""
NOBODY = "nobody"
START_SECONDS = 10.0


def program(name: str) -> str:
    """Path of a program that the system's packages install; without it the test is skipped."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.skip(f"{name} is not installed on this machine")
    return found


@contextmanager
def folder_for(name: str) -> Iterator[Path]:
    """A folder with a short path, for sockets, that belongs to who will run the balancer."""
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-"))
    try:
        if os.geteuid() == 0:
            user = pwd.getpwnam(NOBODY)
            os.chown(folder, user.pw_uid, user.pw_gid)
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def running(argv: Sequence[str], folder: Path, port: int) -> Iterator[None]:
    """The balancer as a process without privileges, from its first answer on."""
    words = {"user": NOBODY, "group": pwd.getpwnam(NOBODY).pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(argv, cwd=folder, stdout=output, stderr=output, **words)  # type: ignore[call-overload]  # words for one call
    try:
        limit = time.monotonic() + START_SECONDS
        while get(port).problem:
            assert process.poll() is None, (folder / "output").read_text()
            assert time.monotonic() < limit, (folder / "output").read_text()
            time.sleep(0.02)
        yield
    finally:
        process.terminate()
        process.wait(timeout=20)


class HAProxy:
    """A running HAProxy with the backend `shop`."""

    def __init__(self, folder: Path, port: int) -> None:
        self.port = port
        self.socket = folder / "admin.sock"

    def ask(self, command: str) -> str:
        """What the admin socket answers."""
        parts = []
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self.socket))
            connection.sendall(f"{command}\n".encode())
            while part := connection.recv(65_536):
                parts.append(part)
        return b"".join(parts).decode()

    def states(self) -> dict[str, str]:
        """Status of each server, as an operator sees it."""
        rows = csv.DictReader(self.ask("show stat").removeprefix("# ").splitlines())
        return {row["svname"]: row["status"] for row in rows if row["pxname"] == "shop" and row["svname"] != "BACKEND"}

    def wait(self, server: str, status: str) -> None:
        """Wait until a server has this status."""
        limit = time.monotonic() + START_SECONDS
        while self.states()[server] != status:
            assert time.monotonic() < limit, self.states()
            time.sleep(0.02)


@contextmanager
def haproxy(servers: dict[str, WebServer]) -> Iterator[HAProxy]:
    """A HAProxy before these servers, with health checks."""
    path = program("haproxy")
    with folder_for("haproxy") as folder:
        balancer = HAProxy(folder, free_port())
        lines = "".join(f"  server {name} 127.0.0.1:{server.port}\n" for name, server in servers.items())
        configuration = folder / "haproxy.cfg"
        configuration.write_text(HAPROXY.format(folder=folder, port=balancer.port, servers=lines))
        with running([path, "-db", "-f", str(configuration)], folder, balancer.port):
            yield balancer


class Nginx:
    """A running nginx with the upstream `shop`."""

    def __init__(self, folder: Path, port: int, path: str) -> None:
        self.folder = folder
        self.port = port
        self.path = path
        self.configuration = folder / "nginx.conf"
        self.upstream = folder / "upstreams" / "shop.conf"

    def reload(self) -> None:
        """Take the configuration as it is now."""
        subprocess.run([self.path, "-s", "reload", "-c", str(self.configuration)], check=True, capture_output=True)


@contextmanager
def nginx(servers: dict[str, WebServer]) -> Iterator[Nginx]:
    """An nginx before these servers."""
    with folder_for("nginx") as folder:
        balancer = Nginx(folder, free_port(), program("nginx"))
        balancer.configuration.write_text(NGINX.format(folder=folder, port=balancer.port))
        balancer.upstream.parent.mkdir()
        balancer.upstream.write_text(upstream(servers))
        argv = [balancer.path, "-e", "stderr", "-c", str(balancer.configuration), "-g", "daemon off;"]
        with running(argv, folder, balancer.port):
            yield balancer


def upstream(servers: dict[str, WebServer]) -> str:
    """The file that lists the servers, with an owner's words in it."""
    lines = [f"server 127.0.0.1:{server.port} max_fails=0; # {name}\n" for name, server in servers.items()]
    return "# servers of the shop\n" + "".join(lines)
