"""What the engine keeps of earlier runs."""

from stream.engine.recovery import in_evidence
from tests.remediations.stories import Log, closed, unknown


def test_artifacts_in_evidence() -> None:
    """Runs of open incidents, and those whose outcome is not known, keep their artifacts; others need not."""
    log = Log()
    over = log.open("web-1")
    log.run(over, "a1")
    log.append(closed(over))
    log.run(log.open("web-2"), "a2")
    broken = log.open("web-3")
    log.start(broken, "a3")
    log.append(unknown(broken, "a3"))
    assert {"a2", "a3"} == in_evidence(log.ledger)
