"""The Ansible collections of playbooks/collections/requirements.yml, for tests that run or check playbooks."""

import functools
import subprocess
import sys

from tests.playbooks.runs import PLAYBOOKS

SCRIPT = PLAYBOOKS.parent / "deploy" / "collections"


@functools.cache
def collections_folder() -> str:
    """The folder for `RunnerSettings.collections`; fetched if this machine does not have them yet."""
    return subprocess.run([sys.executable, SCRIPT], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
