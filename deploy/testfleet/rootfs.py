"""The disk that all hosts share: made once by debootstrap, kept outside the checkout, named after its recipe."""

import fcntl
import hashlib
import os
import shutil
from pathlib import Path

import msgspec

from deploy.testfleet.programs import FleetError, run

USER = "tidegate"
PACKAGES = ("systemd", "systemd-sysv", "dbus", "python3", "openssh-server", "iproute2", "sudo")
FILES = {
    # The address is written beside it when a host is made: its network is up before anybody may log in.
    "etc/systemd/system/fleet-address.service": """\
[Unit]
Description=Address of this host
DefaultDependencies=no
Before=ssh.service network.target
[Service]
Type=oneshot
RemainAfterExit=yes
EnvironmentFile=/etc/fleet-address
ExecStart=/usr/bin/ip address add ${ADDRESS} dev host0
ExecStart=/usr/bin/ip link set host0 up
""",
    "etc/systemd/system/ssh.service.wants/fleet-address.service": "link:../fleet-address.service",
    "etc/ssh/sshd_config.d/fleet.conf": "PasswordAuthentication no\nUseDNS no\nMaxStartups 100\n",
    f"etc/sudoers.d/{USER}": f"{USER} ALL=(ALL) NOPASSWD: ALL\n",
    "etc/machine-id": "",
    # Nothing that nobody looks at: it would only take time at each boot.
    **{
        f"etc/systemd/system/{unit}": "link:/dev/null"
        for unit in ("console-getty.service", "systemd-logind.service", "apt-daily.timer", "apt-daily-upgrade.timer")
    },
}
REMOVED = ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/locale", "usr/share/man")
LOG = "debootstrap.log"
OS_RELEASE = Path("/etc/os-release")


class Recipe(msgspec.Struct, frozen=True):
    """All that the disk follows from."""

    suite: str
    files: dict[str, str]
    packages: tuple[str, ...] = PACKAGES
    removed: tuple[str, ...] = REMOVED
    user: str = USER


def recipe() -> Recipe:
    """The recipe for this machine: the Debian that it runs. Raises FleetError."""
    for line in OS_RELEASE.read_text().splitlines() if OS_RELEASE.is_file() else ():
        name, _, value = line.partition("=")
        if name == "VERSION_CODENAME":
            return Recipe(suite=value.strip('"'), files=FILES)
    raise FleetError(f"{OS_RELEASE} names no VERSION_CODENAME: hosts can be made on Debian only")


def digest(wanted: Recipe) -> str:
    """The name of the disk."""
    return hashlib.sha256(msgspec.json.encode(wanted, order="sorted")).hexdigest()[:16]


def cache() -> Path:
    """The folder of all disks."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "tidegate", "testfleet").absolute()


def made(wanted: Recipe) -> Path:
    """The folder of the disk; made now, in a minute, if it is not there. Raises FleetError."""
    folder = cache() / digest(wanted)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            part = folder.with_suffix(".part")
            shutil.rmtree(part, ignore_errors=True)
            _make(wanted, part)
            part.rename(folder)
    return folder


def _make(wanted: Recipe, folder: Path) -> None:
    log = folder.parent / LOG
    log.unlink(missing_ok=True)
    packages, mirror = ",".join(wanted.packages), _mirror(wanted.suite)
    run("debootstrap", "--variant=minbase", f"--include={packages}", wanted.suite, folder, mirror, log=log)
    run("chroot", folder, "useradd", "--create-home", "--shell", "/bin/sh", wanted.user)
    for name, content in wanted.files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        if content.startswith("link:"):
            file.symlink_to(content.removeprefix("link:"))
        else:
            file.write_text(content)
    for name in wanted.removed:
        shutil.rmtree(folder / name)
    for key in folder.glob("etc/ssh/ssh_host_*"):
        key.unlink()  # each fleet makes its own


def _mirror(suite: str) -> str:
    """Where this machine's own apt gets this Debian; apt knows once it has updated its lists."""
    mirror = _listed_mirror(suite)
    if not mirror:
        run("apt-get", "update", "--quiet")
        mirror = _listed_mirror(suite)
    if not mirror:
        raise FleetError(f"apt has no source of Debian {suite}, from which the hosts could be made")
    return mirror


def _listed_mirror(suite: str) -> str:
    form = "$(CREATED_BY)|$(ORIGIN)|$(COMPONENT)|$(CODENAME)|$(REPO_URI)"
    for line in run("apt-get", "indextargets", "--format", form).splitlines():
        kind, origin, component, codename, mirror = line.split("|")
        if (kind, origin, component, codename) == ("Packages", "Debian", "main", suite):
            return mirror
    return ""
