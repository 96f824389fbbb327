"""Guard of the embedded broker: starts a command, and ends it when its owner says so or is gone.

Run as a file, with nothing imported but the standard library: `python -I -S broker_guard.py LOCK_FD OUTPUT COMMAND...`.
The owner holds the write end of standard input: a line "kill" means SIGKILL; "stop", or the end of the pipe (also when
the owner was SIGKILLed), means SIGTERM and SIGKILL after STOP_SECONDS. Standard output tells "started PID", "exited CODE".
The command holds LOCK_FD as well, so whoever takes that lock knows that both are gone.
"""

import ctypes
import os
import select
import signal
import subprocess
import sys
import time

STOP_SECONDS = 20.0
POLL_SECONDS = 1.0
PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """In the command, before it starts: on Linux the kernel kills it if even the guard is SIGKILLed."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def start(lock: int, output: str, command: list[str]) -> subprocess.Popen[bytes]:
    """Start the command, its output in a file."""
    with open(output, "wb") as file:  # noqa: PTH123 - pathlib costs 10 ms of every start
        return subprocess.Popen(  # noqa: S603 - the owner's own command
            command,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            pass_fds=[lock],
            preexec_fn=die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - no threads here
        )


def order(owner: int, wakeup: int) -> str:
    """Wait up to POLL_SECONDS for a word of the owner: "kill", "stop", or "" when there is none yet."""
    readable, _, _ = select.select([0, wakeup], [], [], POLL_SECONDS)
    if wakeup in readable:
        os.read(wakeup, 64)
    if 0 in readable:
        return "kill" if os.read(0, 64).startswith(b"kill") else "stop"
    # A fork of the owner may hold the pipe open: then only the parent's id tells that the owner is gone.
    return "" if os.getppid() == owner else "stop"


def guard(process: subprocess.Popen[bytes], wakeup: int) -> int:
    """Stay until the command has ended, and return its exit code."""
    owner = os.getppid()
    deadline = float("inf")
    while process.poll() is None:
        word = order(owner, wakeup) if deadline == float("inf") else ""
        if word == "kill" or time.monotonic() > deadline:
            process.kill()
            return process.wait()
        if word == "stop":
            process.terminate()
            deadline = time.monotonic() + STOP_SECONDS
        elif deadline != float("inf"):
            time.sleep(0.02)
    return process.wait()


def ignore(_number: int, _frame: object) -> None:
    """Only wake the guard."""


def main(arguments: list[str]) -> int:
    """Start, tell, guard, tell."""
    for stopping in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(stopping, ignore)  # the owner decides; SIG_IGN would be inherited by the command
    wakeup, write_end = os.pipe()
    os.set_blocking(write_end, False)
    signal.set_wakeup_fd(write_end)
    signal.signal(signal.SIGCHLD, ignore)
    process = start(int(arguments[0]), arguments[1], arguments[2:])
    os.write(1, f"started {process.pid}\n".encode())
    code = guard(process, wakeup)
    try:
        os.write(1, f"exited {code}\n".encode())
    except BrokenPipeError:
        return 0  # nobody is left to be told
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
