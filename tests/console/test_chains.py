"""What checking the audit log came to, in words for an operator."""

import re

import pytest

from console.chains import FAULTS, draw_chain
from remediations.chain import ChainReport, Fault, FaultKind
from remediations.records import Seen
from tests.console.drawings import drawn

SOUND = ChainReport(Seen(41, "a" * 64), 42)
CHAINS = {
    "sound": (SOUND, f"✓ The audit log is sound: 42 records, in order, as they were written. .* 41:{'a' * 64}"),
    "one record": (
        ChainReport(SOUND.head, 42, Fault(FaultKind.CHANGED, 42, 42, 43, "not what 43 saw")),
        "✕ .*: a record was changed, offset 42 not what 43 saw .shown by record 43. Sound before that: 42 records",
    ),
    "several records": (
        ChainReport(SOUND.head, 42, Fault(FaultKind.TRUNCATED, 42, 50, -1, "ends early")),
        "✕ .*: its end was cut off, offsets 42 to 50 ends early .shown by a checkpoint.",
    ),
}


@pytest.mark.parametrize(("report", "expected"), CHAINS.values(), ids=CHAINS.keys())
def test_a_check_of_the_chain_names_the_place(report: ChainReport, expected: str) -> None:
    """Sound: the head to keep. Not sound: what, where, who shows it, and how far the log can be trusted."""
    assert re.match(expected, " ".join(drawn(draw_chain(report), width=300).split()))


@pytest.mark.parametrize("kind", FaultKind)
def test_every_fault_has_words(kind: FaultKind) -> None:
    """No kind of fault is shown as a code."""
    assert FAULTS[kind] in drawn(draw_chain(ChainReport(SOUND.head, 1, Fault(kind, 1, 1, 2, ""))))
