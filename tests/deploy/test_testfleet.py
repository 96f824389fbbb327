"""The hosts for tests are real ones, and nothing of them outlives whoever asked for them."""

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import yaml

from deploy.testfleet import apt, groups, missing, network, rootfs, running_fleet
from deploy.testfleet.programs import FleetError, run

REASON = missing()
real = pytest.mark.skipif(bool(REASON), reason=REASON or "not needed")
SECONDS = 30.0
ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "deploy.testfleet"]


@pytest.fixture(autouse=True)
def cached() -> None:
    """Nothing is said of the first time, when the disk is made."""
    if not REASON:
        rootfs.made(rootfs.recipe())


def remains(folder: Path, cable: str) -> list[str]:
    """What is left of a fleet with this folder."""
    found = [path for path in Path("/proc/mounts").read_text().splitlines() if str(folder) in path]
    found += [f"group {group}" for root in groups.hierarchies() for group in root.glob(f"{groups.PREFIX}{cable}")]
    found += [cable] if network.remains(cable) else []
    for process in psutil.process_iter(["pid", "cmdline"]):
        if str(folder) in " ".join(process.info["cmdline"] or ()):
            found.append(f"process {process.info['pid']}")
    return found


@real
def test_hosts_are_real(tmp_path: Path) -> None:
    """Each host runs its own systemd, knows its name, reaches the other; the user may become root; then all is gone."""
    with running_fleet(tmp_path, ("one", "two")) as fleet:
        assert fleet.ask("one", "cat", "/proc/1/comm") == "systemd"
        assert fleet.ask("two", "sudo", "hostname", user=fleet.user) == "two"
        other = fleet.hosts["two"].address
        script = f"import socket; print(socket.create_connection(('{other}', 22)).recv(4).decode())"
        assert fleet.ask("one", "python3", "-", stdin=script) == "SSH-"
        assert fleet.ask("one", "systemctl", "is-system-running") == "running"
        cable = fleet.cable
    wait_until_gone(tmp_path, cable)


@real
def test_other_host_keys_are_refused(tmp_path: Path) -> None:
    """A host whose key is not the one that the fleet made is not talked to."""
    with running_fleet(tmp_path, ("one",)) as fleet:
        fleet.known_hosts.write_text(f"{fleet.hosts['one'].address} {(tmp_path / 'key.pub').read_text()}")
        with pytest.raises(FleetError, match="Host key verification failed"):
            fleet.ask("one", "true")


OWNER = """\
import sys
from pathlib import Path
from deploy.testfleet import running_fleet
with running_fleet(Path(sys.argv[1]), ("one",)) as fleet:
    print(fleet.keeper, fleet.cable, flush=True)
    sys.stdin.read()
"""


@real
@pytest.mark.parametrize("killed", ["owner", "keeper"])
def test_nothing_outlives_a_kill(killed: str, tmp_path: Path) -> None:
    """If the owner of a fleet, or its keeper, is killed, the hosts, their disks and their network go too."""
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with owner:
        assert owner.stdout is not None
        keeper, cable = owner.stdout.readline().split()
        assert network.remains(cable)
        if killed == "owner":
            owner.kill()
        else:
            os.kill(int(keeper), signal.SIGKILL)
            assert owner.stdin is not None
            owner.stdin.close()
        owner.wait()
    wait_until_gone(tmp_path, cable)


def wait_until_gone(folder: Path, cable: str) -> None:
    """Wait until nothing is left: the kernel takes a moment, and empty groups go with the next fleet."""
    limit = time.monotonic() + SECONDS
    while remains(folder, cable) and time.monotonic() < limit:
        groups.remove_empty()
        time.sleep(0.05)
    assert remains(folder, cable) == []


SUBNETS = {
    "all free": ([], 5, "198.18.5.0/24"),
    "the wanted one is taken": (["198.18.5.0/24 dev fleet5 proto kernel"], 5, "198.18.6.0/24"),
    "the last one is taken": (["198.19.255.0/24 dev fleet511", "default via 192.0.2.1"], 511, "198.18.0.0/24"),
}


@pytest.mark.parametrize("case", SUBNETS)
def test_free_network(case: str) -> None:
    """A fleet takes the first subnet that no route of the machine has, from where it begins to look."""
    routes, number, subnet = SUBNETS[case]
    assert network.free_network(routes, number).subnet == subnet


def test_no_network_is_free() -> None:
    """Without a free subnet there is no fleet."""
    with pytest.raises(FleetError, match="no subnet is free"):
        network.free_network([f"{subnet} dev x" for subnet in network.POOL.subnets(new_prefix=network.PREFIX)], 0)


def test_digest_of_a_recipe() -> None:
    """A disk is named after its recipe: other packages or files make another."""
    recipe = rootfs.Recipe(suite="bookworm", files={})
    others = (
        rootfs.Recipe(suite="trixie", files={}),
        rootfs.Recipe(suite="bookworm", files={}, packages=("systemd", "cron")),
        rootfs.Recipe(suite="bookworm", files={"etc/motd": "hello"}),
    )
    digests = {rootfs.digest(each) for each in (recipe, rootfs.Recipe(suite="bookworm", files={}), *others)}
    assert len(digests) == 4


def test_nothing_lacks() -> None:
    """Where tests on real targets run, their packages are installed, and preparing again says and does nothing."""
    if apt.unfit():
        pytest.skip(apt.unfit())
    assert apt.lacking() == ()
    said = subprocess.run([*COMMAND, "prepare"], capture_output=True, check=True, cwd=ROOT)
    assert (said.stdout, said.stderr) == (b"", b"")


@real
def test_up_from_the_command_line() -> None:
    """`up` says how to reach the hosts and where their inventory is; a signal to end takes all down."""
    with subprocess.Popen([*COMMAND, "up", "one"], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            ssh = process.stdout.readline().removeprefix("one: ")
            inventory = Path(process.stdout.readline().split()[1].rstrip("."))
            assert run(*shlex.split(ssh), "hostname") == "one\n"
            hosts = yaml.safe_load(inventory.read_text())["all"]["hosts"]
            assert hosts["one"]["ansible_host"] in ssh
        finally:
            process.terminate()  # no interrupt: whoever runs in the background of a shell ignores those
            try:
                status = process.wait(SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
    assert (status, inventory.exists()) == (0, False)


def test_failed_program_says_why() -> None:
    """What a program said when it failed is in the error."""
    with pytest.raises(FleetError, match=r"ls /nowhere-at-all: status 2: .*No such file"):
        run("ls", "/nowhere-at-all")
