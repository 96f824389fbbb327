"""A real sshd on the loopback, of the user who runs the tests, that lets in one key."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from tests.playbooks.conftest import free_port

PROGRAM = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
PRIVILEGE_FOLDER = Path("/run/sshd")
"""Where sshd, as root, wants a folder; a package's start-up script would make it."""
CONFIGURATION = """\
ListenAddress 127.0.0.1:{port}
HostKey {folder}/host
AuthorizedKeysFile {folder}/key.pub
StrictModes no
UsePAM no
PasswordAuthentication no
PidFile none
"""
TRIES = 200


class Sshd(msgspec.Struct, frozen=True):
    """A running sshd."""

    folder: Path
    port: int

    @property
    def key(self) -> Path:
        """The private key that it lets in."""
        return self.folder / "key"

    @property
    def variables(self) -> dict[str, object]:
        """Inventory variables of a host that is reached through it."""
        return {
            "ansible_connection": "ssh",
            "ansible_host": "127.0.0.1",
            "ansible_port": self.port,
            "ansible_python_interpreter": sys.executable,
            "ansible_ssh_common_args": f"-o UserKnownHostsFile={self.folder}/known -o IdentitiesOnly=yes",
        }


@contextmanager
def running_sshd(folder: Path) -> Iterator[Sshd]:
    """An sshd with its keys in this folder, gone afterwards."""
    assert PROGRAM is not None
    port = free_port()
    for name in ("host", "key", "other"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    public = " ".join((folder / "host.pub").read_text().split()[:2])
    (folder / "known").write_text(f"[127.0.0.1]:{port} {public}\n")
    (folder / "sshd_config").write_text(CONFIGURATION.format(port=port, folder=folder))
    if os.geteuid() == 0:
        PRIVILEGE_FOLDER.mkdir(exist_ok=True)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([PROGRAM, "-D", "-e", "-f", str(folder / "sshd_config")], stderr=log)
    try:
        for _ in range(TRIES):
            if "listening" in (folder / "log").read_text():
                break
            time.sleep(0.05)
        yield Sshd(folder, port)
    finally:
        process.terminate()
        process.wait(timeout=20)
