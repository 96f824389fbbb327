"""What a runner is given once: folders and limits."""

from typing import Annotated

import msgspec

type Size = Annotated[int, msgspec.Meta(gt=0)]


class RunnerSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where runs live and how large they may grow.

    `folder` keeps one folder an action, `playbooks` is the folder of playbooks and roles; both absolute.
    `marker_folder` is on the targets; an inventory variable `tidegate_marker_folder` overrides it for a host.
    `environment` is all that runs see besides what the runner itself sets: there is no inheritance.
    """

    folder: str
    playbooks: str
    home: str
    collections: str = ""
    marker_folder: str = "/var/lib/tidegate/markers"
    environment: dict[str, str] = {}
    output_bytes_maximum: Size = 1_000_000
    events_maximum: Size = 2_000
    free_bytes_minimum: Size = 50_000_000
