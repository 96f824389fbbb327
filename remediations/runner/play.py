"""The player: the one place that calls ansible-runner. A child of the run process, which forks it."""

import json
import os
import signal
import sys
from pathlib import Path
from typing import NoReturn

import ansible_runner.interface
import msgspec

from remediations.runner.causes import secrets_of
from remediations.runner.events import EventFold, RunnerEvent
from remediations.runner.namespace import show_own_processes
from remediations.runner.provenance import of_ansible_alone
from remediations.runner.tree import adopt_orphans, end_descendants, end_with_parent
from remediations.runner.wire import BEAT, Line, Orders, encode_line
from remediations.runner.workplace import clear

KILL_SECONDS = 5.0
CUT = "\n[output cut here: over {} bytes]\n"


class Recorder:
    """Takes ansible-runner's events: task lines to the channel, bounded output and events to the artifacts."""

    def __init__(self, orders: Orders, channel: int) -> None:
        self._channel = channel
        self._fold = EventFold(secrets_of(Path(orders.folder)))
        self._bytes_left = orders.limits.output_bytes_maximum
        self._limit = orders.limits.output_bytes_maximum
        self._events_left = orders.limits.events_maximum
        self._event_bytes_left = orders.limits.event_bytes_maximum
        self._output = Path(orders.folder, "artifacts", orders.action_id, "stdout")

    def take(self, event: dict[str, object]) -> bool:
        """Handle one event; the answer tells ansible-runner whether to keep its file."""
        self._events_left -= 1
        try:
            decoded = msgspec.convert(event, RunnerEvent)
        except msgspec.ValidationError as error:
            # To go on is safe: without the statistics, should it be those, the run counts as unknown.
            if self._events_left > 0:
                sys.stderr.write(f"event {event.get('event')!r} left out: {error}\n")
            return False
        task = self._fold.take(decoded)
        self._event_bytes_left -= len(json.dumps(event))  # as its file is written; text in it may be no Unicode
        is_kept = self._events_left > 0 and self._event_bytes_left > 0
        self._send(encode_line(Line(task=task)) if task is not None and is_kept else BEAT)
        self._write(decoded.stdout)  # last: on a full disk it fails, and ansible-runner passes over that
        return is_kept

    def finish(self, rc: int | None) -> None:
        """Send the summary."""
        self._send(encode_line(Line(summary=self._fold.summary(rc))))

    def _write(self, text: str) -> None:
        if not text or self._bytes_left <= 0:
            return
        data = f"{text}\n".encode(errors="replace")
        kept = data[: self._bytes_left]
        self._bytes_left -= len(data)
        if self._bytes_left <= 0:
            kept += CUT.format(self._limit).encode()
        with os.fdopen(os.open(self._output, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "wb") as file:
            file.write(kept)

    def _send(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._channel, data) :]


def play(orders: Orders, channel: int, *, in_namespace: bool) -> NoReturn:
    """Run the playbook and leave with status 0; the summary is then in the channel."""

    def end_everything(_number: int, _frame: object) -> None:
        """The run process died: nothing may outlive it."""
        end_descendants(KILL_SECONDS)
        clear(Path(orders.folder))
        os._exit(1)

    signal.signal(signal.SIGTERM, end_everything)
    end_with_parent(signal.SIGTERM, channel)
    if in_namespace:
        show_own_processes()
    adopt_orphans()
    redirect(Path(orders.folder, "runner.log"))
    recorder = Recorder(orders, channel)
    run = ansible_runner.interface.init_runner(
        private_data_dir=orders.folder,
        ident=orders.action_id,
        playbook=orders.playbook,
        inventory=str(Path(orders.folder, "inventory", "hosts.json")),
        cmdline="--check" if orders.check else None,
        event_handler=recorder.take,
        cancel_callback=never,
        suppress_env_files=True,  # the files are written already; keyword arguments would be dropped in silence
        fact_cache_type="memory",
        quiet=True,
    )
    run.event_callback = of_ansible_alone(run.event_callback, Path(run.config.artifact_dir, "job_events"))
    run.run()
    recorder.finish(run.rc)
    sys.stdout.flush()
    os._exit(0)


def never() -> bool:
    """The run process cancels by ending everything; without a callback ansible-runner would take over the signals."""
    return False


def redirect(log: Path) -> None:
    """Detach from the run process's pipes: stdin ends at once, output goes to the log."""
    log.touch(mode=0o600)
    silence = os.open(os.devnull, os.O_RDONLY)
    output = os.open(log, os.O_WRONLY | os.O_APPEND)
    for source, descriptor in ((silence, 0), (output, 1), (output, 2)):
        os.dup2(source, descriptor)
