"""Run processes as the engine keeps them: started, listened to, ended, and looked for after a crash."""

import asyncio
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
import psutil

from remediations import runner
from remediations.runner import MarkerReport, PreparedRun, RunLineError, RunnerError, RunnerSettings, WarmParent
from remediations.runs import RunRequest, RunResult, RunStatus, TaskEvent
from stream.engine.processes import OwnProcess, RunProcess, WarmProcess

END_SECONDS = 30.0
"""How long a run process may take to end what it started; it gives itself 10 s for that."""
POLL_SECONDS = 0.1
PROCESS_LOG, PLAYER_LOG = "process.log", "runner.log"
"""What the processes of a run write to when they can not do their work; the player makes its own before Ansible begins.
"""


class AnsibleRunner:
    """Runs playbooks, each in a process of its own; their artifacts stay in the folder of runs.

    Processes are forked from a warm parent while `warm` lasts, and started anew whenever there is none to be had.
    """

    def __init__(self, settings: RunnerSettings) -> None:
        self._settings = settings
        self._parent: WarmParent | None = None
        self._is_warm = False

    @contextmanager
    def warm(self) -> Iterator["AnsibleRunner"]:
        """Keep a warm parent, where the system can."""
        self._is_warm = runner.is_warm_possible()
        try:
            self._renew_parent()
            yield self
        finally:
            self._is_warm = False
            if self._parent is not None:
                self._parent.close()

    def _renew_parent(self) -> None:
        """Start a warm parent, if there should be one and is none."""
        if not self._is_warm or (self._parent is not None and self._parent.is_alive):
            return
        if self._parent is not None:
            self._parent.close()
        self._parent = WarmParent(self._settings)

    def prepare(self, request: RunRequest) -> PreparedRun:
        """Check a request and write what its run needs; raises RunRefusedError, starts nothing."""
        return runner.prepare(request, self._settings)

    def discard(self, prepared: PreparedRun) -> None:
        """Remove what a run that will not be started would have read."""
        runner.discard(prepared)

    async def play(self, prepared: PreparedRun, on_task: Callable[[TaskEvent], None]) -> RunResult:
        """Run to the end; cancelling it ends the run with everything it started."""
        process = await self._start(prepared)
        try:
            result = await listen(process, on_task)
            await process.wait()
        finally:
            await end(process)
        folder = Path(prepared.cwd)
        if result is None:
            result = without_result(folder)
            runner.clear(folder)
        return msgspec.structs.replace(result, artifacts=str(folder))

    async def prove(self) -> str:
        """Play a play that does nothing, as every run is played; why no run can begin, empty if one can."""
        try:
            prepared = self.prepare(runner.proof(self._settings))
            result = await self.play(prepared, lambda _task: None)
        except (RunnerError, OSError) as error:
            return str(error)
        if result.status is not RunStatus.SUCCESSFUL:
            return f"{result.reason}; artifacts: {result.artifacts}"
        self.discard(prepared)
        return ""

    async def _start(self, prepared: PreparedRun) -> RunProcess:
        """A run process: of the warm parent if it gives one, else of its own."""
        self._renew_parent()
        with (Path(prepared.cwd) / PROCESS_LOG).open("wb") as log:
            forked = await WarmProcess.start(self._parent, prepared, log) if self._parent is not None else None
            return forked or await OwnProcess.start(prepared, log)

    async def end_leftovers(self, action_id: str) -> bool:
        """End what an earlier life of this engine left running of an action; tells whether nothing is left.

        Run processes end by themselves when their engine dies; they get the time for it.
        """
        folder = str(Path(self._settings.folder) / action_id)
        deadline = time.monotonic() + END_SECONDS
        while left := await asyncio.to_thread(processes_of, folder, runner.process_name(action_id)):
            if time.monotonic() > deadline:
                for process in left:
                    with suppress(psutil.NoSuchProcess):
                        process.kill()
                return False
            await asyncio.sleep(POLL_SECONDS)
        runner.clear_leftovers(action_id, self._settings)
        return True

    def recorded(self, request: RunRequest) -> RunResult | None:
        """How an earlier run of the request's action ended, if its run process could still write it down."""
        results = runner.recorded_results(request, self._settings)
        return results[-1] if results else None

    def tidy(self, now: float, evidence: Collection[str]) -> None:
        """Remove the artifacts of old runs, but none of actions that are `evidence`."""
        folder = Path(self._settings.folder)
        if folder.is_dir():
            runner.remove_old_runs(folder, self._settings.kept, now, evidence)

    async def inspect(self, request: RunRequest) -> MarkerReport:
        """Read the marker on the target. Raises RunnerError when that can not even be tried."""
        return await self._ask(request, runner.inspection(request, self._settings))

    async def close(self, request: RunRequest) -> MarkerReport:
        """Close the marker on the target, if there is none yet; tells what it is then. Raises as `inspect`."""
        return await self._ask(request, runner.closing(request, self._settings))

    async def _ask(self, request: RunRequest, question: RunRequest) -> MarkerReport:
        result = await self.play(self.prepare(question), lambda _task: None)
        return runner.marker_reports(request, result)[request.targets[0].name]


async def listen(process: RunProcess, on_task: Callable[[TaskEvent], None]) -> RunResult | None:
    """Read the lines of a run process to their end; the result, or None if it said none that could be read."""
    result: RunResult | None = None
    async for line in process.stdout:
        try:
            said = runner.decode_line(line)
        except RunLineError:
            continue  # a line that is not ours proves nothing; without a result the outcome is unknown
        if isinstance(said, RunResult):
            result = said
        else:
            on_task(said)
    return result


async def end(process: RunProcess) -> None:
    """Cancel a run process, if it has not ended: closing its stdin is enough, SIGTERM makes it report `canceled`."""
    process.terminate()
    process.close_stdin()
    try:
        await asyncio.wait_for(process.wait(), END_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()


def without_result(folder: Path) -> RunResult:
    """The end of a run whose process said nothing: why, by what it wrote to its logs. Without a player nothing ran."""
    said = next(filter(None, (runner.first_words(folder / name) for name in (PROCESS_LOG, PLAYER_LOG))), "")
    why = f": {said}" if said else ""
    if not (folder / PLAYER_LOG).exists():
        return RunResult(RunStatus.FAILED, None, reason=f"the run could not begin{why}")
    return RunResult(RunStatus.UNKNOWN, None, reason=f"the run process ended without a result{why}")


def processes_of(folder: str, name: str) -> list[psutil.Process]:
    """Processes of a run: the run process, its player, ansible and its workers.

    Their command line names a file of the run, or, if they are forks of a warm parent, they bear its name.
    """
    found = []
    for process in psutil.process_iter(["cmdline", "name"]):
        words = process.info["cmdline"] or []
        if process.info["name"] == name or any(word.startswith(f"{folder}/") for word in words):
            found.append(process)
    return found
