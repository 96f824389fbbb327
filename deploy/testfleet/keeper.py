"""The process that owns a fleet: makes it, says what there is, and takes it down when its stdin ends or it is told to.

Called by `deploy.testfleet.fleet` with a folder and the names of the hosts, as the first process of a PID namespace.
Everything of the fleet is in namespaces of this process, so that nothing outlives it, however it ends.
"""

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec

from deploy.testfleet import groups, network, rootfs
from deploy.testfleet.programs import FleetError, run

TERMINATE_SECONDS = 0.1
STOP_SECONDS = 20.0


def main() -> None:
    """Keep a fleet until stdin ends."""
    folder, *names = sys.argv[1:]
    os.umask(0o022)  # of what is written onto the disks
    wake, woken = os.pipe()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(woken)
    hosts: dict[str, subprocess.Popen[bytes]] = {}
    try:
        made = make(Path(folder), names, hosts)
    except (FleetError, OSError) as error:
        made = network.Addresses(problem=str(error))
    os.write(1, msgspec.json.encode(made) + b"\n")
    if not made.problem:
        select.select([0, wake], [], [])
    stop(hosts)
    groups.remove_empty()


def make(folder: Path, names: list[str], hosts: dict[str, subprocess.Popen[bytes]]) -> network.Addresses:
    """Make all hosts at once, each on its own layer over the shared disk."""
    groups.remove_empty()
    base = rootfs.made(rootfs.recipe())
    outside = os.open("/proc/self/ns/net", os.O_RDONLY)
    os.unshare(os.CLONE_NEWNET)
    layers = folder / "layers"
    layers.mkdir()
    run("mount", "-t", "tmpfs", "-o", "mode=0700", "fleet", layers)
    net = network.connect(outside)
    addresses = {name: net.host(number) for number, name in enumerate(names)}
    for name, address in addresses.items():
        disk = layered(base, layers / name, folder, name, f"{address}/{network.PREFIX}")
        hosts[name] = boot(disk, folder, name, net.cable)
    return network.Addresses(by_host=addresses, cable=net.cable)


def layered(base: Path, layer: Path, folder: Path, name: str, address: str) -> Path:
    """The disk of one host: the shared one, with a layer for what is its own and what it writes."""
    for part in ("upper", "work", "disk"):
        (layer / part).mkdir(parents=True)
    options = f"lowerdir={base},upperdir={layer / 'upper'},workdir={layer / 'work'}"
    run("mount", "-t", "overlay", "-o", options, "overlay", layer / "disk")
    disk = layer / "disk"
    files = {
        "etc/hostname": (name, 0o644),
        "etc/fleet-address": (f"ADDRESS={address}\n", 0o644),
        "etc/ssh/ssh_host_ed25519_key": ((folder / "host_key").read_text(), 0o600),
        "root/.ssh/authorized_keys": ((folder / "key.pub").read_text(), 0o600),
        f"home/{rootfs.USER}/.ssh/authorized_keys": ((folder / "key.pub").read_text(), 0o644),
    }
    for file, (content, mode) in files.items():
        (disk / file).parent.mkdir(mode=0o755, exist_ok=True)
        (disk / file).write_text(content)
        (disk / file).chmod(mode)
    return disk


def boot(disk: Path, folder: Path, name: str, fleet: str) -> subprocess.Popen[bytes]:
    """Start a host in a control group of its own."""
    words = ["systemd-nspawn", "--quiet", "--boot", "--register=no", "--keep-unit", "--console=pipe"]
    words += [f"--network-bridge={network.BRIDGE}", f"--machine={name}", f"--directory={disk}"]
    with (folder / f"{name}.log").open("wb") as log:
        return subprocess.Popen(  # noqa: S603 - words of our own
            words,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            preexec_fn=lambda: groups.enter(fleet, name),  # noqa: PLW1509 - the keeper has one thread
        )


def stop(hosts: dict[str, subprocess.Popen[bytes]]) -> None:
    """End all hosts: nothing on their disks is kept, so they need not shut down in order."""
    for host in hosts.values():
        host.terminate()
    time.sleep(TERMINATE_SECONDS)
    for host in hosts.values():
        host.terminate()  # the second time it does not wait for the services
    limit = time.monotonic() + STOP_SECONDS
    for host in hosts.values():
        try:
            host.wait(max(0.0, limit - time.monotonic()))
        except subprocess.TimeoutExpired:
            host.kill()
            host.wait()


if __name__ == "__main__":
    main()
