"""The runner: ansible-runner in a process of its own, inside limits.

    prepared = runner.prepare(request, settings)        # checked, written, nothing started
    ... start prepared.argv with exactly prepared.environment, cwd, a pipe as stdin, stdout read line by line ...
    said = runner.decode_line(line)                     # TaskEvent, …, TaskEvent, RunResult

A process that ends without a `RunResult` leaves its outcome unknown; `recorded_results` may still know it.
SIGTERM cancels; closing stdin ends the run too.
"""

from remediations.runner.causes import first_words
from remediations.runner.errors import RunLineError, RunnerError, RunRefusedError
from remediations.runner.markers import MarkerReport, closing, inspection, marker_reports
from remediations.runner.outcome import is_another_machine
from remediations.runner.proving import proof
from remediations.runner.retention import remove_old_runs
from remediations.runner.settings import Kept, RunLimits, RunnerSettings
from remediations.runner.tree import process_name
from remediations.runner.warm import Launch, RunHandle, WarmParent, is_warm_possible
from remediations.runner.wire import PreparedRun, decode_line
from remediations.runner.workplace import clear, clear_leftovers, discard, prepare, recorded_results

__all__ = [
    "Kept",
    "Launch",
    "MarkerReport",
    "PreparedRun",
    "RunHandle",
    "RunLimits",
    "RunLineError",
    "RunRefusedError",
    "RunnerError",
    "RunnerSettings",
    "WarmParent",
    "clear",
    "clear_leftovers",
    "closing",
    "decode_line",
    "discard",
    "first_words",
    "inspection",
    "is_another_machine",
    "is_warm_possible",
    "marker_reports",
    "prepare",
    "process_name",
    "proof",
    "recorded_results",
    "remove_old_runs",
]
