"""What this Python itself needs of the environment to start: runs are given it, though they inherit nothing."""

import os
import sysconfig
from collections.abc import Mapping
from pathlib import Path

LIBRARIES = "LD_LIBRARY_PATH"


def needed(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The folders in which the loader finds Python's own library, if it was told where (environment modules do)."""
    library = sysconfig.get_config_var("INSTSONAME")
    if not sysconfig.get_config_var("Py_ENABLE_SHARED") or not library:
        return {}
    folders = [name for name in environment.get(LIBRARIES, "").split(os.pathsep) if name]
    found = [name for name in folders if Path(name, library).is_file()]
    return {LIBRARIES: os.pathsep.join(found)} if found else {}
