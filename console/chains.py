"""What checking the audit log came to, drawn for people."""

from rich.console import Group, RenderableType
from rich.text import Text

from console.rendering import plain
from console.sentences import counted
from remediations.chain import ChainReport, FaultKind

FAULTS = {
    FaultKind.CHANGED: "a record was changed",
    FaultKind.MISSING: "records are missing",
    FaultKind.MISPLACED: "a record is not in its place",
    FaultKind.UNSTAMPED: "a record does not say what its writer had seen",
    FaultKind.CHECKPOINT: "it contradicts a checkpoint",
    FaultKind.TRUNCATED: "its end was cut off",
}


def draw_chain(report: ChainReport) -> RenderableType:
    """What checking the whole log came to, and the head to keep outside of it."""
    fault, head = report.fault, f"{report.head.offset}:{report.head.chain}"
    if fault is None:
        sound = Text(
            f"✓ The audit log is sound: {counted(report.records, 'record')}, in order, as they were written.", "green"
        )
        keep = Text(
            "Keep this head outside of the log; a later check holds it against the log with --checkpoint:", "dim"
        )
        return Group(sound, keep, Text(head))
    place = f"offset {fault.first}" if fault.first == fault.last else f"offsets {fault.first} to {fault.last}"
    witness = f"record {fault.found_by}" if fault.found_by >= 0 else "a checkpoint"
    return Group(
        Text.assemble(
            (f"✕ The audit log is not what was written: {FAULTS[fault.kind]}, ", "bold red"), (place, "bold red")
        ),
        plain(f"{fault.detail} (shown by {witness})"),
        Text(f"Sound before that: {counted(report.records, 'record')}, head {head}", style="dim"),
    )
