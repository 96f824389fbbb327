"""Markers on targets: what an action left there, told by the target itself after a crash.

Each play's first task makes the folder `<marker folder>/<action id>` with mkdir, which only one can win. A play that
went to its end writes its outcome into it. Looking is read-only; closing takes the marker so that no late run can.
"""

from pathlib import Path

import msgspec

from remediations.runner.errors import RunnerError
from remediations.runner.settings import RunnerSettings
from remediations.runs import MarkerState, RunRequest, RunResult, RunStatus

TIMEOUT_SECONDS = 60.0
RESULT_KEY = "marker"


class MarkerReport(msgspec.Struct, frozen=True):
    """The marker of one action on one host. DONE has an `outcome`, SUCCESSFUL or FAILED; UNREACHABLE has a `reason`."""

    state: MarkerState
    outcome: RunStatus | None = None
    reason: str = ""


class Found(msgspec.Struct, frozen=True):
    """What the marker playbooks give to `set_stats` for each host."""

    state: MarkerState
    outcome: RunStatus | None = None


def inspection(request: RunRequest, settings: RunnerSettings) -> RunRequest:
    """A read-only look at the markers that a request's run would have taken."""
    return of_marker(request, settings, "marker_inspect.yml")


def closing(request: RunRequest, settings: RunnerSettings) -> RunRequest:
    """Close the markers of a request's action, where it has none yet: then it can have no effect any more."""
    return of_marker(request, settings, "marker_close.yml")


def of_marker(request: RunRequest, settings: RunnerSettings, playbook: str) -> RunRequest:
    """The same action on the same hosts with a playbook of ours."""
    path = str(Path(settings.playbooks) / playbook)
    return msgspec.structs.replace(request, playbook=path, inputs={}, timeout_seconds=TIMEOUT_SECONDS, check=False)


def marker_reports(request: RunRequest, result: RunResult) -> dict[str, MarkerReport]:
    """What an inspection or a closing found, for each host. What could not be read counts as unreachable."""
    return {target.name: report(target.name, result) for target in request.targets}


def report(host: str, result: RunResult) -> MarkerReport:
    """What was found on one host."""
    found = result.result.get(RESULT_KEY)
    said = found.get(host) if isinstance(found, dict) else None
    if said is None:
        reason = result.reason or "the marker playbook gave no result"
        return MarkerReport(MarkerState.UNREACHABLE, reason=reason)
    try:
        known = msgspec.convert(said, Found)
    except msgspec.ValidationError as error:
        raise RunnerError(f"marker of {host} is {said!r}: {error}") from error
    return MarkerReport(known.state, known.outcome)
