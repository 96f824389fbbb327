"""How much the processes of a run use: looked at from the run process, which is above them all.

Not by limits of the kernel: those of a process (RLIMIT_AS, RLIMIT_NPROC) count address space that forks of a warm
parent share and never touch, and all processes of a user, whoever runs them; control groups need a system that lets
us make them, and most do not. Looking is the same everywhere. Around it all, the memory limit of the engine's service
holds at once, and runs offer themselves to the kernel before the engine does when memory runs out.
"""

from contextlib import suppress
from pathlib import Path

import psutil

from remediations.runner.outcome import Ending
from remediations.runner.settings import RunLimits

OUT_OF_MEMORY_SCORE = b"500"


def offer_for_memory() -> None:
    """When the machine's memory runs out, this process and its children go before others."""
    with suppress(OSError):  # there is no such file, or the score is higher already
        Path("/proc/self/oom_score_adj").write_bytes(OUT_OF_MEMORY_SCORE)


def excess(limits: RunLimits) -> Ending | None:
    """Which limit the processes below this one are over, if they are."""
    below = psutil.Process().children(recursive=True)
    if len(below) > limits.processes_maximum and sum(map(is_alive, below)) > limits.processes_maximum:
        return Ending.PROCESSES
    if sum(map(resident_bytes, below)) <= limits.memory_bytes_maximum:
        return None  # resident memory counts what is shared for each: the true sum is never larger
    used = sum(map(own_bytes, below))
    return Ending.MEMORY if used > limits.memory_bytes_maximum else None


def is_alive(process: psutil.Process) -> bool:
    """Whether it is more than an entry in the process table: orphans that ended wait there for the end of the run."""
    with suppress(psutil.Error):
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    return False


def resident_bytes(process: psutil.Process) -> int:
    """Resident memory; none if it has ended."""
    with suppress(psutil.Error):
        return int(process.memory_info().rss)
    return 0


def own_bytes(process: psutil.Process) -> int:
    """Its part of resident memory, where the kernel tells it and to us; pages of several count in parts for each."""
    with suppress(psutil.Error):
        return int(getattr(process.memory_full_info(), "pss", 0)) or resident_bytes(process)
    return resident_bytes(process)
