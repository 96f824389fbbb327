"""Control groups: each host needs its own, or its systemd would end the processes of its neighbours."""

import os
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
PREFIX = "tidegate-fleet-"


def hierarchies() -> list[Path]:
    """The hierarchies in which systemd keeps its groups: one, or two where both versions are mounted."""
    if (ROOT / "cgroup.procs").exists():
        return [ROOT]
    return [each for each in (ROOT / "unified", ROOT / "systemd") if (each / "cgroup.procs").exists()]


def enter(fleet: str, host: str) -> None:
    """Move this process into the group of a host."""
    for hierarchy in hierarchies():
        group = hierarchy / f"{PREFIX}{fleet}" / host
        group.mkdir(parents=True, exist_ok=True)
        (group / "cgroup.procs").write_text("0")


def remove_empty() -> None:
    """Remove all groups of fleets that have no process any more."""
    for hierarchy in hierarchies():
        for fleet in hierarchy.glob(f"{PREFIX}*"):
            for folder, _, _ in os.walk(fleet, topdown=False):
                try:
                    Path(folder).rmdir()
                except OSError:  # somebody lives there
                    break
