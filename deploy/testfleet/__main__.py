"""`prepare` installs what real targets need; `up NAME…` brings hosts up and keeps them until it is interrupted."""

import shlex
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import yaml

from deploy.testfleet import apt, rootfs
from deploy.testfleet.fleet import Fleet, running_fleet
from deploy.testfleet.programs import FleetError

USAGE = "python -m deploy.testfleet prepare | up NAME…"


def main() -> None:
    """Do what the first word says."""
    try:
        match sys.argv[1:]:
            case ["prepare"]:
                prepare()
            case ["up", *names] if names:
                keep(names)
            case _:
                sys.exit(f"usage: {USAGE}")
    except FleetError as error:
        sys.exit(f"testfleet: {error}")


def prepare() -> None:
    """Install the packages and make the shared disk, if they are not there; where that can not be, say so."""
    problem = apt.unfit()
    if problem:
        sys.stderr.write(f"Tests on real targets will be skipped: {problem}.\n")
        return
    lacking = apt.lacking()
    if lacking:
        sys.stderr.write(f"Installing {' '.join(lacking)}.\n")
        apt.install(lacking)
    wanted = rootfs.recipe()
    if not (rootfs.cache() / rootfs.digest(wanted)).is_dir():
        sys.stderr.write("Making the disk of the test hosts: about a minute, once.\n")
        rootfs.made(wanted)


def keep(names: list[str]) -> None:
    """Bring hosts up, say how to reach them, and take them down at the end."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    folder = Path(tempfile.mkdtemp(prefix="testfleet-"))
    try:
        with running_fleet(folder, names) as fleet:
            write_inventory(fleet, folder / "inventory.yml")
            command = shlex.join(("ssh", "-i", str(fleet.private_key), *fleet.ssh_options()))
            for host in fleet.hosts.values():
                sys.stdout.write(f"{host.name}: {command} {fleet.user}@{host.address}\n")
            sys.stdout.write(f"Inventory: {folder}/inventory.yml. Ctrl-C takes all down.\n")
            sys.stdout.flush()
            signal.pause()
    except KeyboardInterrupt:
        sys.stdout.write("Taken down.\n")
    finally:
        shutil.rmtree(folder)


def write_inventory(fleet: Fleet, file: Path) -> None:
    """An Ansible inventory of the hosts."""
    hosts = {name: fleet.variables(name) for name in fleet.hosts}
    own = {"ansible_ssh_private_key_file": str(fleet.private_key)}
    file.write_text(yaml.safe_dump({"all": {"vars": own, "hosts": hosts}}))


if __name__ == "__main__":
    main()
