"""A fleet as its users see it: addresses, a key, the hosts' own keys."""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from deploy.testfleet import network, rootfs
from deploy.testfleet.programs import FleetError, run

BOOT_SECONDS = 60.0
END_SECONDS = 40.0
# Its first process takes all others with it; the kernel removes mounts with the last of them.
NAMESPACES = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
PROGRAMS = ("unshare", "apt-get", "debootstrap", "systemd-nspawn", "ip", "nsenter", "ssh", "ssh-keygen")


class Host(msgspec.Struct, frozen=True):
    """One host."""

    name: str
    address: str


class Fleet(msgspec.Struct, frozen=True):
    """Running hosts. `user` may become root; the files are in the folder that was given."""

    hosts: dict[str, Host]
    user: str
    private_key: Path
    known_hosts: Path
    keeper: int
    cable: str

    def ssh_options(self) -> tuple[str, ...]:
        """What keeps ssh to the keys that this fleet really has, whatever the user's own configuration says."""
        files = [f"UserKnownHostsFile={self.known_hosts}", "GlobalKnownHostsFile=/dev/null"]
        settings = [*files, "StrictHostKeyChecking=yes", "IdentitiesOnly=yes", "BatchMode=yes"]
        return tuple(word for each in settings for word in ("-o", each))

    def variables(self, host: str) -> dict[str, object]:
        """What an inventory says of a host, but for the private key."""
        return {
            "ansible_host": self.hosts[host].address,
            "ansible_user": self.user,
            "ansible_ssh_common_args": shlex.join(("-F", "none", *self.ssh_options())),
            "ansible_python_interpreter": "/usr/bin/python3",
            "ansible_pipelining": True,  # one connection a task, not four
        }

    def ask(self, host: str, *words: str, user: str = "root", stdin: str = "") -> str:
        """Run a command on a host and give its output, without what ends it. Raises FleetError."""
        to = f"{user}@{self.hosts[host].address}"
        command = ("ssh", "-F", "none", "-i", str(self.private_key), *self.ssh_options())
        return run(*command, to, *words, stdin=stdin.encode()).strip()


def missing() -> str:
    """Why there can be no fleet on this machine, in words; empty if there can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "real hosts need root on Linux"
    lacking = [program for program in PROGRAMS if shutil.which(program) is None]
    return f"real hosts need {', '.join(lacking)}: run `make targets` as root on Debian" if lacking else ""


@contextmanager
def running_fleet(folder: Path, names: Sequence[str]) -> Iterator[Fleet]:
    """Bring up hosts with these names, all at once; they are gone afterwards. Raises FleetError."""
    problem = missing()
    if problem:
        raise FleetError(problem)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for key in ("key", "host_key"):
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "testfleet", "-f", folder / key)
    with (folder / "keeper.log").open("wb") as log:
        keeper = subprocess.Popen(  # noqa: S603 - words of our own
            [*NAMESPACES, sys.executable, "-m", "deploy.testfleet.keeper", str(folder), *names],
            cwd=Path(__file__).resolve().parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,  # an interrupt of the terminal must not reach it before its owner
        )
    try:
        yield _ready(keeper, folder)
    finally:
        _end(keeper)


def _ready(keeper: "subprocess.Popen[bytes]", folder: Path) -> Fleet:
    line = keeper.stdout.readline() if keeper.stdout else b""
    made = (
        msgspec.json.decode(line, type=network.Addresses)
        if line
        else network.Addresses(problem=(folder / "keeper.log").read_text())
    )
    if made.problem:
        raise FleetError(f"no fleet: {made.problem}")
    host_key = (folder / "host_key.pub").read_text()
    known_hosts = folder / "known_hosts"
    known_hosts.write_text("".join(f"{address} {host_key}" for address in made.by_host.values()))
    for address in made.by_host.values():
        network.wait_for_ssh(address, BOOT_SECONDS)
    return Fleet(
        hosts={name: Host(name, address) for name, address in made.by_host.items()},
        user=rootfs.USER,
        private_key=folder / "key",
        known_hosts=known_hosts,
        keeper=keeper.pid,
        cable=made.cable,
    )


def _end(keeper: "subprocess.Popen[bytes]") -> None:
    for pipe in (keeper.stdin, keeper.stdout):
        if pipe is not None:
            pipe.close()
    try:
        keeper.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        keeper.kill()  # its hosts get the signal that ends them
        keeper.wait()
