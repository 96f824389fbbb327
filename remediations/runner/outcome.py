"""How a run ended, from what was seen of it. Return code 0 alone proves nothing."""

import enum

import msgspec

from remediations.runner.wire import Orders, Summary
from remediations.runs import HostCounts, RunResult, RunStatus

RESULT_BYTES_MAXIMUM = 16_384


OTHER_TARGET, HOST_KEY_CHANGED = "other_target", "host_key_changed"
"""Reasons for which a target is not the machine that it was."""
KEY_CHANGED = "HOST IDENTIFICATION HAS CHANGED"


class Ending(enum.Enum):
    """Why the run process stopped watching."""

    ENDED = "ended"
    DEADLINE = "deadline"
    IDLE = "idle"
    MEMORY = "memory"
    PROCESSES = "processes"
    CANCELED = "canceled"
    ABANDONED = "abandoned"


ENDED_HERE = "; everything it had started here was ended"
CUT_OFF = {
    Ending.DEADLINE: (RunStatus.TIMEOUT, "not finished after {timeout_seconds:g} s" + ENDED_HERE),
    Ending.IDLE: (
        RunStatus.TIMEOUT,
        "no event for {limits.idle_seconds_maximum:g} s (idle_seconds_maximum)" + ENDED_HERE,
    ),
    Ending.MEMORY: (
        RunStatus.UNKNOWN,
        "it used over {limits.memory_bytes_maximum} bytes of memory (memory_bytes_maximum)" + ENDED_HERE,
    ),
    Ending.PROCESSES: (
        RunStatus.UNKNOWN,
        "it had over {limits.processes_maximum} processes (processes_maximum)" + ENDED_HERE,
    ),
    Ending.CANCELED: (RunStatus.CANCELED, "canceled" + ENDED_HERE),
    Ending.ABANDONED: (RunStatus.UNKNOWN, "its owner ended first; the run was ended with it"),
    Ending.ENDED: (RunStatus.UNKNOWN, "ansible-runner ended without a summary"),
}


def conclude(orders: Orders, ending: Ending, summary: Summary | None, alive: tuple[int, ...]) -> RunResult:
    """The result of a run, after everything below the run process was ended but for the processes `alive`."""
    if alive:
        numbers = ", ".join(map(str, alive))
        return RunResult(RunStatus.UNKNOWN, None, reason=f"processes of the run could not be ended: {numbers}")
    if summary is not None:
        return judge(orders, summary)
    status, reason = cut_off(orders, ending)
    return RunResult(status, None, reason=reason)


def cut_off(orders: Orders, ending: Ending) -> tuple[RunStatus, str]:
    """Status and reason of a run that did not come to its own end."""
    status, text = CUT_OFF[ending]
    return status, text.format(timeout_seconds=orders.timeout_seconds, limits=orders.limits)


def judge(orders: Orders, summary: Summary) -> RunResult:
    """The result of a run that went to its own end."""
    status, reason = verdict(orders, summary)
    result = summary.result
    if len(msgspec.json.encode(result)) > RESULT_BYTES_MAXIMUM:
        result = {}
        reason = "; ".join(filter(None, (reason, f"its result is left out: over {RESULT_BYTES_MAXIMUM} bytes")))
    return RunResult(status, summary.rc, hosts=summary.counts or {}, result=result, reason=reason)


def verdict(orders: Orders, summary: Summary) -> tuple[RunStatus, str]:
    """Status, and for all but success the reason."""
    if summary.counts is None:
        return without_statistics(summary)
    if summary.others:
        return other_target(summary)
    if summary.refused:
        return refusal(orders, summary)
    dark = sorted(host for host, count in summary.counts.items() if count.unreachable)
    if dark:
        return unreachable(dark, summary)
    problem = failure(orders, summary, summary.counts)
    return (RunStatus.FAILED, problem) if problem else (RunStatus.SUCCESSFUL, "")


def failure(orders: Orders, summary: Summary, counts: dict[str, HostCounts]) -> str:
    """What failed, or nothing."""
    if any(count.failed for count in counts.values()):
        return summary.complaint or "a task failed"
    if set(counts) != set(orders.hosts):
        found, wanted = ", ".join(sorted(counts)) or "no host", ", ".join(sorted(orders.hosts))
        return f"it ran on {found}; wanted exactly {wanted}"
    if summary.rc != 0:
        return summary.complaint or f"ansible-playbook returned {summary.rc}"
    return ""


def without_statistics(summary: Summary) -> tuple[RunStatus, str]:
    """Ansible broke off. If it had begun no task, nothing can have happened."""
    said = f": {summary.complaint}" if summary.complaint else ""
    if summary.tasks == 0 and summary.rc not in {0, None}:
        return RunStatus.FAILED, f"ansible-playbook returned {summary.rc} before any task{said}"
    return RunStatus.UNKNOWN, f"ansible-playbook broke off with {summary.rc} after {summary.tasks} task(s){said}"


def refusal(orders: Orders, summary: Summary) -> tuple[RunStatus, str]:
    """Refused means no effect at all: with several hosts, that every one of them refused."""
    refused = ", ".join(summary.refused)
    if set(summary.refused) == set(orders.hosts):
        return RunStatus.REFUSED, f"the marker of action {orders.action_id} exists already on {refused}"
    return RunStatus.FAILED, f"the marker of action {orders.action_id} exists on {refused}, but not on all hosts"


def other_target(summary: Summary) -> tuple[RunStatus, str]:
    """The machine is not the one that bears the host's name: nothing was done on it."""
    met = (f"the machine at the address of {host} was first met as {name}" for host, name in summary.others.items())
    words = f"{', '.join(sorted(met))}; nothing was done on it. If it is right, remove .target in its marker folder"
    return RunStatus.FAILED, f"{OTHER_TARGET}: {words}"


def is_another_machine(reason: str) -> bool:
    """Whether a run ended because its target is not the machine that it was: to try again does not help."""
    return reason.startswith((f"{OTHER_TARGET}: ", f"{HOST_KEY_CHANGED}: "))


def unreachable(dark: list[str], summary: Summary) -> tuple[RunStatus, str]:
    """Unreachable from the start means no effect; lost on the way means that nobody knows."""
    hosts = ", ".join(dark)
    why = f": {summary.cause}" if summary.cause else ""
    if KEY_CHANGED in summary.cause.upper():
        hosts = f"{HOST_KEY_CHANGED}: {hosts}"
    if summary.touched:
        return RunStatus.UNKNOWN, f"{hosts} could not be reached any more in the middle of the run{why}"
    return RunStatus.UNREACHABLE, f"{hosts} could not be reached{why}"
