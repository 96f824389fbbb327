"""Processes that end with their owner.

Ansible's workers start sessions of their own, so that no signal to a process group reaches them all. On Linux the run
process and its player adopt orphans (PR_SET_CHILD_SUBREAPER): whatever they started stays below them in the process
table until it is dead, however often it forked or changed its session.
"""

import ctypes
import os
import select
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil

PR_SET_PDEATHSIG = 1
PR_SET_NAME = 15
PR_SET_CHILD_SUBREAPER = 36
NAME_LENGTH = 15  # of the kernel
POLL_SECONDS = 0.01
QUICK_LOOKS = 20


def adopt_orphans() -> None:
    """From here on descendants whose parent died become children of this process."""
    control(PR_SET_CHILD_SUBREAPER, 1)


def end_with_parent(number: signal.Signals, channel: int) -> None:
    """This process gets the signal when its parent, which must be single-threaded, ends; also when it ended already.

    `channel` is the writing end of a pipe that the parent alone reads: from inside a PID namespace it has no id.
    """
    control(PR_SET_PDEATHSIG, number)
    watch = select.poll()
    watch.register(channel, select.POLLERR)
    if watch.poll(0):
        os.kill(os.getpid(), number)


def process_name(action_id: str) -> str:
    """What processes of an action's run are called: forks of the warm parent have its command line."""
    return f"tg-{action_id}"[:NAME_LENGTH]


def name_process(name: str) -> None:
    """Give this process, and what it forks, a name in the process table."""
    control(PR_SET_NAME, ctypes.c_char_p(name.encode()))


def control(option: int, value: int | ctypes.c_char_p) -> None:
    """Call prctl, where there is one."""
    if not sys.platform.startswith("linux"):
        return
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(option, value, 0, 0, 0) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"prctl({option}, {value}): {os.strerror(code)}")


def end_descendants(seconds: float) -> tuple[int, ...]:
    """Kill everything below this process and wait until it is gone; ids of what is still there after so many seconds.

    SIGKILL without warning: a playbook that is asked to stop could still run its rescue section. The kernel's word that
    there is no child left, and not a look at the process table, is what proves that nothing is: orphans are children,
    and a process that changes its id all the time is in no table that is read line by line.
    """
    limit = time.monotonic() + seconds
    while has_children():
        below = psutil.Process().children(recursive=True)
        if time.monotonic() > limit:
            return tuple(process.pid for process in below) or (0,)  # 0: what has another id whenever one looks
        for process in below:
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                process.kill()
        for _ in range(QUICK_LOOKS):
            kill_children()
        time.sleep(POLL_SECONDS)
    return ()


def has_children() -> bool:
    """Collect children that have ended; whether there are others."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            continue
    except ChildProcessError:
        return False
    return True


def kill_children() -> None:
    """Kill this process's own children, read at once where the kernel tells them so; their ids are nobody else's."""
    with suppress(OSError):
        for word in Path(f"/proc/self/task/{os.getpid()}/children").read_bytes().split():
            with suppress(PermissionError):
                os.kill(int(word), signal.SIGKILL)
