"""What a run's events come to, without running anything."""

import msgspec
import pytest

from remediations import runner
from remediations.runner.events import EventFold, RunnerEvent
from remediations.runner.outcome import Ending, conclude
from remediations.runner.settings import RunLimits
from remediations.runner.wire import Orders, Summary
from remediations.runs import HostCounts, RunStatus, TaskOutcome

ORDERS = Orders(
    action_id="a" * 32,
    hosts=("web-1",),
    playbook="/p/restart.yml",
    folder="/r",
    timeout_seconds=60.0,
    check=False,
    environment={},
    limits=RunLimits(),
    pid_namespace=True,
)
GOOD = Summary(
    rc=0, counts={"web-1": HostCounts(ok=3)}, result={"a": 1}, refused=(), touched=("web-1",), tasks=3, complaint=""
)
DARK = {"web-1": HostCounts(unreachable=1)}
TWO = msgspec.structs.replace(ORDERS, hosts=("web-1", "web-2"))

JUDGED: dict[str, tuple[dict[str, object], RunStatus, str]] = {
    "all well": ({}, RunStatus.SUCCESSFUL, ""),
    "return code alone": ({"rc": 2}, RunStatus.FAILED, "returned 2"),
    "no statistics": ({"counts": None}, RunStatus.UNKNOWN, "broke off"),
    "syntax error": ({"counts": None, "tasks": 0, "rc": 4}, RunStatus.FAILED, "before any task"),
    "rc 0 and no host": ({"counts": {}}, RunStatus.FAILED, "it ran on no host"),
    "rc 0 and another host": ({"counts": {"web-2": HostCounts(ok=1)}}, RunStatus.FAILED, "it ran on web-2"),
    "rc 0 and a failure": ({"counts": {"web-1": HostCounts(failed=1)}}, RunStatus.FAILED, "a task failed"),
    "unreachable at first": ({"rc": 4, "counts": DARK, "touched": ()}, RunStatus.UNREACHABLE, "web-1"),
    "lost on the way": ({"rc": 4, "counts": DARK}, RunStatus.UNKNOWN, "in the middle"),
    "marker exists": ({"rc": 2, "refused": ("web-1",)}, RunStatus.REFUSED, "exists already on web-1"),
    "result too large": ({"result": {"a": "x" * 20_000}}, RunStatus.SUCCESSFUL, "left out"),
}


@pytest.mark.parametrize("case", JUDGED)
def test_judgement(case: str) -> None:
    """Success needs return code 0, statistics, exactly the requested hosts, no failure; all else has its reason."""
    change, status, reason = JUDGED[case]
    result = conclude(ORDERS, Ending.ENDED, msgspec.structs.replace(GOOD, **change), ())
    assert status is result.status
    assert reason in result.reason
    assert (status is RunStatus.SUCCESSFUL and not reason) == (result.reason == "")


def test_refused_by_one_of_two_hosts_is_no_refusal() -> None:
    """Refused promises that nothing happened: with one host begun it is a failure."""
    counts = {"web-1": HostCounts(failed=1), "web-2": HostCounts(ok=1)}
    summary = msgspec.structs.replace(GOOD, refused=("web-1",), counts=counts)
    assert RunStatus.FAILED is conclude(TWO, Ending.ENDED, summary, ()).status


ENDINGS = {
    Ending.DEADLINE: RunStatus.TIMEOUT,
    Ending.IDLE: RunStatus.TIMEOUT,
    Ending.MEMORY: RunStatus.UNKNOWN,
    Ending.PROCESSES: RunStatus.UNKNOWN,
    Ending.CANCELED: RunStatus.CANCELED,
    Ending.ABANDONED: RunStatus.UNKNOWN,
    Ending.ENDED: RunStatus.UNKNOWN,
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_ending_without_summary(ending: Ending) -> None:
    """A run cut off has no return code, and is never called successful or failed."""
    result = conclude(ORDERS, ending, None, ())
    assert (ENDINGS[ending], None) == (result.status, result.rc)


@pytest.mark.parametrize("ending", Ending)
def test_summary_wins_over_the_way_it_ended(ending: Ending) -> None:
    """A run that had come to its end when it was cut off is judged by that end."""
    assert RunStatus.SUCCESSFUL is conclude(ORDERS, ending, GOOD, ()).status


def test_survivors_make_it_unknown() -> None:
    """While a process of the run lives, nothing is known, whatever the summary says."""
    result = conclude(ORDERS, Ending.DEADLINE, GOOD, (41, 42))
    assert (result.status, "41, 42" in result.reason) == (RunStatus.UNKNOWN, True)


def event(kind: str, **data: object) -> RunnerEvent:
    """An event of ansible-runner about web-1."""
    full = {"event": kind, "event_data": {"host": "web-1", "play": "P", "task": "T"} | data}
    return msgspec.convert(full, RunnerEvent)


OUTCOMES = {
    "ok": ("runner_on_ok", {"changed": False}, TaskOutcome.OK),
    "changed": ("runner_on_ok", {"changed": True}, TaskOutcome.CHANGED),
    "hidden": ("runner_on_ok", {"censored": "no_log"}, TaskOutcome.OK),
    "failed": ("runner_on_failed", {"msg": "no"}, TaskOutcome.FAILED),
    "skipped": ("runner_on_skipped", {}, TaskOutcome.SKIPPED),
    "unreachable": ("runner_on_unreachable", {}, TaskOutcome.UNREACHABLE),
}


@pytest.mark.parametrize("case", OUTCOMES)
def test_task_event(case: str) -> None:
    """Each end of a task on a host is one event with its outcome."""
    kind, returned, outcome = OUTCOMES[case]
    task = EventFold().take(event(kind, res=returned, resolved_action="ansible.builtin.command"))
    assert task is not None
    assert (1, "web-1", outcome, "T") == (task.number, task.host, task.outcome, task.task)


def test_first_cause_and_the_words_of_the_author() -> None:
    """The first cause is told without secrets; what the playbook's author wrote comes before it, the first such."""
    fold = EventFold({"s3cret"})
    fold.take(event("playbook_on_task_start"))
    fold.take(event("runner_on_failed", res={"msg": "no key s3cret"}, resolved_action="ansible.builtin.command"))
    assert fold.summary(2).complaint == "task 'T' failed on web-1: no key ***"
    for message in ("disk\x1b[31m is\nfull", "second"):
        fold.take(event("runner_on_failed", res={"msg": message}, resolved_action="ansible.builtin.fail"))
    assert fold.summary(2).complaint == "task 'T' failed on web-1: disk is full; first cause: no key ***"


def test_failed_task_with_an_error_on_screen() -> None:
    """Ansible prints its error in the event of the failed task: that is still the end of a task."""
    failed = msgspec.structs.replace(event("runner_on_failed"), stdout="[ERROR]: Task failed: s3cret")
    fold = EventFold()
    fold.take(event("playbook_on_task_start"))
    task = fold.take(failed)
    assert task is not None
    assert task.outcome is TaskOutcome.FAILED
    assert fold.summary(2).complaint == "task 'T' failed on web-1"


def test_own_results_stay_inside() -> None:
    """What Tidegate's own roles report is not part of the playbook's result; text that is no Unicode is replaced."""
    fold = EventFold()
    data = {"tidegate_refused": {"web-1": True}, "restart": {"said": "\udcff"}}
    fold.take(event("playbook_on_stats", processed={"web-1": 1}, failures={"web-1": 1}, artifact_data=data))
    summary = fold.summary(2)
    assert summary.refused == ("web-1",)
    assert summary.result == {"restart": {"said": "?"}}
    assert {"web-1": HostCounts(failed=1)} == summary.counts


@pytest.mark.parametrize("line", [b"", b"{}", b"[]", b"PLAY [all]", b'{"task": {"number": 1}}', b'{"summary": null}'])
def test_line_that_is_not_ours(line: bytes) -> None:
    """A line that is neither a task nor a result is an error that shows it."""
    with pytest.raises(runner.RunLineError, match="line of a run process"):
        runner.decode_line(line)
