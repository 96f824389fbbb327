"""Guard of the embedded broker: starts a command, and ends it when its owner says so or is gone.

Run as a file, with nothing imported but the standard library: `python -I -S guard.py LOCK_FD COMMAND...`.
The owner holds the write end of standard input: "kill" means SIGKILL; "stop", or the end of the pipe (also when the
owner was SIGKILLed), means SIGTERM, and SIGKILL after STOP_SECONDS. Standard output tells the command's process id,
and the exit status is the command's own, or 128 and the number of the signal that ended it.
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


def main(arguments: list[str]) -> int:
    """Start, tell, guard."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, ignore)  # the owner decides; SIG_IGN would be inherited by the command
    wakeup, write_end = os.pipe()
    os.set_blocking(write_end, False)
    signal.set_wakeup_fd(write_end)
    owner = os.getppid()
    process = start(int(arguments[0]), arguments[1:])
    os.write(1, f"{process.pid}\n".encode())
    guard(process, owner, wakeup)
    # As a shell tells it: the owner wants to know what ended the command.
    return process.returncode if process.returncode >= 0 else 128 - process.returncode


def ignore(_number: int, _frame: object) -> None:
    """Only wake the guard."""


def start(lock: int, command: list[str]) -> subprocess.Popen[bytes]:
    """Start the command; all its output goes where this process's errors go."""
    return subprocess.Popen(  # noqa: S603 - the owner's own command
        command,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        pass_fds=[lock],
        preexec_fn=die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - no threads here
    )


def die_with_parent() -> None:
    """In the command, before it starts: on Linux the kernel kills it if even the guard is SIGKILLed."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def guard(process: subprocess.Popen[bytes], owner: int, wakeup: int) -> None:
    """Stay until the command has ended, by itself or by the owner's word."""
    while process.poll() is None:
        word = listen(owner, wakeup)
        if word == "kill":
            process.kill()
            process.wait()
        elif word == "stop":
            process.terminate()
            deadline = time.monotonic() + STOP_SECONDS
            while process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.02)
            process.kill()
            process.wait()


def listen(owner: int, wakeup: int) -> str:
    """Wait up to POLL_SECONDS for a word of the owner: "kill", "stop", or "" when there is none yet."""
    readable, _, _ = select.select([0, wakeup], [], [], POLL_SECONDS)
    if 0 in readable:
        return "kill" if os.read(0, 64).startswith(b"kill") else "stop"
    if wakeup in readable:
        os.read(wakeup, 64)
    # A fork of the owner may hold the pipe open: then only the parent's id tells that the owner is gone.
    return "" if os.getppid() == owner else "stop"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
