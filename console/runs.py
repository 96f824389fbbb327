"""One run in the audit log: found by what an operator types, followed to its end, shown line by line."""

from collections.abc import AsyncGenerator, Iterable

from rich.console import Group, RenderableType

from console.errors import RunNotFoundError
from console.queries import audit_line
from console.rendering import draw_audit_line, plain
from console.sentences import results
from console.tasks import is_worth_telling
from detectors.hostnames import folded
from remediations.records import Entry, HumanNeeded, Record, RunFinished, RunNotExecuted, RunProgressed, RunStarted
from stream.audit.log import open_reader
from stream.settings import Settings
from stream.topics import require_topics

ENDS = (RunFinished, RunNotExecuted, HumanNeeded)
NAMED = 3


def action_of(record: Record) -> str:
    """The action that a record is about; empty for records of no action."""
    return str(getattr(record, "action_id", ""))


def find_run(entries: Iterable[Entry], wanted: str) -> str:
    """The run with this action id or unique beginning of one, or the newest of this host. Raises RunNotFoundError."""
    started = (entry.record for entry in entries if isinstance(entry.record, RunStarted))
    hosts = {record.action_id: record.host for record in started}
    begun = [action_id for action_id in hosts if wanted and action_id.startswith(wanted.lower())]
    if len(begun) == 1:
        return begun[0]
    if begun:
        names = ", ".join(f"{action_id[:12]} ({hosts[action_id]})" for action_id in begun[-NAMED:])
        raise RunNotFoundError(f"run {wanted!r} is not unique, it may be: {names}")
    of_host = [action_id for action_id, host in hosts.items() if host == folded(wanted)]
    if of_host:
        return of_host[-1]
    newest = ", ".join(f"{action_id[:12]} ({host})" for action_id, host in list(hosts.items())[-NAMED:])
    raise RunNotFoundError(f"no run {wanted!r}; " + (f"the newest are: {newest}" if newest else "none has started yet"))


async def tail_run(settings: Settings, wanted: str) -> AsyncGenerator[Entry]:
    """What the log has of a run, then what comes, up to the run's end. Raises RunNotFoundError."""
    await require_topics(settings.kafka, settings.topics.audit)
    async with open_reader(settings.kafka, settings.topics.audit) as reader:
        entries = [read.entry async for read in reader.read_all()]
        action_id = find_run(entries, wanted)
        for entry in of_run(entries, action_id):
            yield entry
            if isinstance(entry.record, ENDS):
                return
        async for read in reader.follow():
            for entry in of_run([read.entry], action_id):
                yield entry
                if isinstance(entry.record, ENDS):
                    return


def of_run(entries: Iterable[Entry], action_id: str) -> list[Entry]:
    """The entries about one run."""
    return [entry for entry in entries if entry.record is not None and action_of(entry.record) == action_id]


def is_shown(entry: Entry) -> bool:
    """Whether a person who follows the run cares about the record; the small tasks are for who asks for everything."""
    return not isinstance(entry.record, RunProgressed) or is_worth_telling(entry.record.task)


def draw_entry(entry: Entry) -> RenderableType:
    """One record of a run as one line; below its end what the playbook gave back, a line for each host."""
    return Group(draw_audit_line(audit_line(entry)), *(plain(f"    {line}") for line in results(entry.record)))
