"""What runs on the test hosts: a shop with releases, workers by instance; and runs of playbooks against them."""

import json
import time
import urllib.error
import urllib.request
from pathlib import Path

import msgspec

from deploy.testfleet import Fleet
from remediations.runs import RunRequest, Target
from tests.playbooks.runs import Played, Stage, action_id

HOST, OTHER = "web-1", "web-2"
SHOP_PORT = 8000
TRIES = 100
WORKER_PORTS = range(8101, 8106)
# Answers its release; 503 if its folder has a file `sick`, or `sick-<port>`. Ends at its start where there is a file
# `broken`, or `broken-once`, which it takes. A file `hook` is a script that runs first.
SERVICE = """\
import http.server, pathlib, subprocess, sys
port, folder = int(sys.argv[1]), pathlib.Path(sys.argv[2]).resolve()
if (folder / "hook").exists():
    subprocess.run(["sh", folder / "hook"], check=True)
if (folder / "broken-once").exists():
    (folder / "broken-once").unlink()
    sys.exit(1)
if (folder / "broken").exists():
    sys.exit(1)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        sick = (folder / "sick").exists() or (folder / f"sick-{port}").exists()
        self.send_response(503 if sick else 200)
        self.end_headers()
        self.wfile.write(folder.name.encode())
    def log_message(self, *arguments):
        pass
http.server.HTTPServer(("0.0.0.0", port), Handler).serve_forever()
"""
UNIT = """\
[Unit]
StartLimitIntervalSec=0
[Service]
ExecStart=/usr/bin/python3 -S /opt/service.py {arguments}
[Install]
WantedBy=multi-user.target
"""
FILES = {
    "/opt/service.py": SERVICE,
    "/etc/systemd/system/shop.service": UNIT.format(arguments=f"{SHOP_PORT} /opt/shop/current"),
    "/etc/systemd/system/worker@.service": UNIT.format(arguments="%i /opt/worker"),
}
# Two workers, and the shop with its newest release of three; r10 comes after r9.
RESET = """\
set -e
systemctl stop shop 'worker@*'
systemctl reset-failed
rm -rf /opt/shop /opt/worker
mkdir -p /opt/worker /opt/shop/releases/r8 /opt/shop/releases/r9 /opt/shop/releases/r10 /var/lib/tidegate
chown -R tidegate /var/lib/tidegate
ln -s /opt/shop/releases/r10 /opt/shop/current
systemctl start shop worker@8101 worker@8102
"""


class Served(msgspec.Struct, frozen=True):
    """An answer: status and text; 0 if there was none."""

    status: int
    text: str = ""


class Hosts:
    """The services on the fleet, seen from outside."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet

    def install(self) -> None:
        """Put the services on all hosts."""
        script = f"import json, pathlib\nfor name, text in json.loads({json.dumps(FILES)!r}).items():\n"
        script += "    pathlib.Path(name).write_text(text)\n"
        for host in self.fleet.hosts:
            self.fleet.ask(host, "python3", "-", stdin=script)
            self.ask("systemctl daemon-reload", host)

    def ask(self, script: str, host: str = HOST) -> str:
        """What a shell says on a host, as root."""
        return self.fleet.ask(host, "sh", stdin=script)

    def reset(self) -> None:
        """Everything as in the beginning."""
        for host in self.fleet.hosts:
            self.ask(RESET, host)

    def pid(self, unit: str = "shop", host: str = HOST) -> int:
        """The main process of a unit, 0 if there is none."""
        return int(self.ask(f"systemctl show --property=MainPID --value {unit}", host))

    def state(self, unit: str = "shop", host: str = HOST) -> str:
        """What systemd says of a unit."""
        return self.ask(f"systemctl is-active {unit} || true", host)

    def answer(self, port: int = SHOP_PORT, host: str = HOST) -> Served:
        """What a service answers."""
        try:
            with urllib.request.urlopen(f"http://{self.fleet.hosts[host].address}:{port}/", timeout=5) as reply:
                return Served(reply.status, reply.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                return Served(error.code)
        except OSError:
            return Served(0)

    def wait_for_answer(self, wanted: Served) -> None:
        """Wait until the shop answers so: systemd does not wait until a service listens."""
        for _ in range(TRIES):
            if self.answer() == wanted:
                return
            time.sleep(0.05)
        assert self.answer() == wanted

    def serving(self, host: str = HOST) -> list[int]:
        """Ports of the workers that answer well."""
        return [port for port in WORKER_PORTS if self.answer(port, host).status == 200]

    def marker(self, action: int, host: str = HOST) -> str:
        """How the marker says that an action ended; empty if there is none."""
        return self.ask(f"cat /var/lib/tidegate/markers/{action_id(action)}/done || true", host)


class FleetStage(Stage):
    """The shipped playbooks on the test hosts, by ssh, as a user who becomes root."""

    def __init__(self, folder: Path, fleet: Fleet) -> None:
        super().__init__(folder)
        self.settings = msgspec.structs.replace(
            self.settings, private_key_file=str(fleet.private_key), marker_folder="/var/lib/tidegate/markers"
        )
        self.fleet = fleet
        self.action = 0

    def ask(self, playbook: str, inputs: dict[str, str | int | bool], hosts: tuple[str, ...] = (HOST,)) -> RunRequest:
        """A request for a new action on these hosts."""
        self.action += 1
        asked = self.request(action=self.action, playbook=f"{playbook}.yml", inputs=dict(inputs))
        targets = tuple(Target(host, self.fleet.variables(host) | self.variables) for host in hosts)
        return msgspec.structs.replace(asked, targets=targets)

    def run(self, playbook: str, **inputs: str | int | bool) -> Played:
        """Run a playbook as a new action."""
        return self.play(self.ask(playbook, inputs))
