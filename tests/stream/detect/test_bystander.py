"""Which hosts must not learn, as the audit log has it."""

import pytest

from remediations.incidents import Incident
from stream.detect.bystander import repaired_hosts
from tests.remediations.stories import HOST, Log, claimed, decided, revoked

STEPS = {
    "decided": lambda log, incident: log.append(decided(incident)),
    "claimed": lambda log, incident: log.append(claimed(incident)),
    "revoked": lambda log, incident: log.append(revoked(incident)),
    "run": lambda log, incident: log.run(incident),
}
CASES: dict[str, tuple[tuple[str, ...], frozenset[str]]] = {
    "trouble that nothing was done about": ((), frozenset()),
    "a decision is no repair yet": (("decided",), frozenset()),
    "a run is about to start": (("decided", "claimed"), frozenset({HOST})),
    "the run was taken back before it started": (("decided", "claimed", "revoked"), frozenset()),
    "a run is to be verified": (("run",), frozenset({HOST})),
}


@pytest.mark.parametrize("case", CASES)
def test_learning_pauses_where_a_playbook_runs_or_has_run(case: str) -> None:
    """What a repair was about is never learned; what cleared by itself is left to the model."""
    steps, hosts = CASES[case]
    log = Log()
    incident: Incident = log.open()
    for step in steps:
        STEPS[step](log, incident)
    assert hosts == repaired_hosts(log.ledger)
