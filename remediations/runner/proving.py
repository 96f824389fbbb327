"""The proof that a run can begin: a play that does nothing, asked for like any other.

What may be in the way is found by it before it matters: an interpreter that does not start, a broken `ansible.cfg`, a
missing collection plugin, a full disk, a secret file that others may read.
"""

import shutil
from pathlib import Path

from remediations.runner.settings import RunnerSettings
from remediations.runs import RunRequest, Target

PLAYBOOK = Path(__file__).with_name("proof.yml")
ACTION_ID = "0" * 32
TIMEOUT_SECONDS = 60.0
HOST = Target("proof", {"ansible_connection": "local"})


def proof(settings: RunnerSettings) -> RunRequest:
    """A request that has no effect; what earlier proofs have left is removed."""
    shutil.rmtree(Path(settings.folder) / ACTION_ID, ignore_errors=True)
    return RunRequest(
        action_id=ACTION_ID,
        incident_id="proof",
        attempt=1,
        playbook=str(PLAYBOOK),
        targets=(HOST,),
        inputs={},
        timeout_seconds=TIMEOUT_SECONDS,
    )
