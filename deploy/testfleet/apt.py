"""The Debian packages that tests on real targets need."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.testfleet.programs import FleetError, run

PACKAGES = (
    "systemd-container",
    "debootstrap",
    "iproute2",
    "openssh-client",
    "openssh-server",
    "haproxy",
    "nginx-light",
    "bubblewrap",
)
POLICY = Path("/usr/sbin/policy-rc.d")
INSTALLED = "install ok installed"


def unfit() -> str:
    """Why nothing can be installed on this machine, in words; empty if it can."""
    if os.geteuid() != 0:
        return "this needs root"
    system = Path("/etc/os-release")
    if not system.is_file() or "ID=debian" not in system.read_text().splitlines():
        return "this needs Debian"
    return ""


def lacking() -> tuple[str, ...]:
    """The packages that are not installed."""
    form = "${Package}|${Status}\n"
    try:
        listed = run("dpkg-query", "--show", f"--showformat={form}")
    except FleetError:  # an empty database of packages
        return PACKAGES
    installed = {line.split("|")[0] for line in listed.splitlines() if line.endswith(f"|{INSTALLED}")}
    return tuple(package for package in PACKAGES if package not in installed)


def install(packages: tuple[str, ...]) -> None:
    """Install packages without asking anything, and without starting what they bring."""
    run("apt-get", "update", "--quiet")
    with _nothing_started():
        words = ("apt-get", "install", "--yes", "--quiet", "--no-install-recommends", *packages)
        run("env", "DEBIAN_FRONTEND=noninteractive", *words)


@contextmanager
def _nothing_started() -> Iterator[None]:
    """Debian asks this program whether a package may start its service; one that is there is left alone."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    try:
        POLICY.chmod(0o755)
        yield
    finally:
        POLICY.unlink()
