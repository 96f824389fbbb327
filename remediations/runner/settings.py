"""What a runner is given once: folders, secrets and limits."""

from typing import Annotated

import msgspec

type Size = Annotated[int, msgspec.Meta(gt=0)]
type Seconds = Annotated[float, msgspec.Meta(gt=0)]


class RunLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much one run may use; its time is in its request. What is over is cut off, or ends the run: each field says.

    Memory and processes are looked at twice a second, so that a run can be over its limit for a moment.
    """

    idle_seconds_maximum: Seconds = 600.0
    """Without an event of Ansible for so long the run is ended: `timeout`. A task that only waits has no events."""
    memory_bytes_maximum: Size = 1_000_000_000
    """Of all its processes together, what they share counted once. Over it the run is ended: `unknown`."""
    processes_maximum: Size = 200
    """Processes of the run at a time, its own five or so included. Over it the run is ended: `unknown`."""
    output_bytes_maximum: Size = 1_000_000
    """Of the file `stdout`; the rest is left out."""
    events_maximum: Size = 2_000
    """Events whose file and line are kept; the rest is left out."""
    event_bytes_maximum: Size = 50_000_000
    """Of all files of events together; the rest is left out."""


class Kept(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much is kept of runs that have ended."""

    age_seconds: Seconds = 30 * 86_400.0
    """Folders of actions are removed after so long without a change."""
    bytes_maximum: Size = 2_000_000_000
    """Of all folders together; the oldest are removed first."""


class RunnerSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where runs live, what they may know and how large they may grow.

    `folder` keeps one folder an action, `playbooks` is the folder of playbooks and roles; both absolute.
    `marker_folder` is on the targets; an inventory variable `tidegate_marker_folder` overrides it for a host.
    `environment` is all that runs see besides what the runner itself sets: there is no inheritance.
    `vault_password_file` and `private_key_file` are absolute paths of files that others may not read; a vault password
    file that is a program is run by Ansible and gives the password. `pid_namespace` gives each run one, where the
    system lets us.
    """

    folder: str
    playbooks: str
    home: str
    collections: str = ""
    marker_folder: str = "/var/lib/tidegate/markers"
    environment: dict[str, str] = {}
    vault_password_file: str = ""
    private_key_file: str = ""
    pid_namespace: bool = True
    limits: RunLimits = RunLimits()
    kept: Kept = Kept()
    free_bytes_minimum: Size = 50_000_000
