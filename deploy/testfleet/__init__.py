"""Real systemd hosts on this machine, for tests and for trying: one command brings them up and takes them down.

    with running_fleet(folder, ("web-1", "web-2")) as fleet:
        fleet.hosts["web-1"].address, fleet.private_key, fleet.known_hosts

A keeper process owns them: their disks are in its mount namespace, their network in its network namespace, so that the
kernel removes both when it ends, however it ends. Needs root on Debian and what `python -m deploy.testfleet prepare`
installs.
"""

from deploy.testfleet.fleet import Fleet, Host, missing, running_fleet
from deploy.testfleet.programs import FleetError

__all__ = ["Fleet", "FleetError", "Host", "missing", "running_fleet"]
