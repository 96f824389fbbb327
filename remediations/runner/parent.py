"""The warm parent: imports Ansible once, then forks a run process for each run that it is asked for.

    engine ── one message a run: the file of orders, and the run process's stdin, stdout, stderr ──► warm parent ── fork
           ◄── over that stdin, a socket: the run process's id, and a descriptor that becomes readable when it ends ──┘
           ── go ──► the run process reads its orders

Without that last word a run process ends having read nothing, so that a request nobody waits for any more has no
effect. The end of the engine, however it came, ends the parent; its run processes watch the engine themselves.
"""

import os
import shutil
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import pexpect  # type: ignore[import-untyped] # it has no types
from ansible_runner.utils import get_callback_dir

from remediations.runner.errors import RunnerError
from remediations.runner.process import keep
from remediations.runner.wire import WARM_READY, read_orders

PATH_BYTES_MAXIMUM = 65_536
STREAMS = 3


def main() -> int:
    """Serve the engine at the other end of stdin, a socket, until it is gone."""
    with suppress(PermissionError):
        os.setsid()  # a Ctrl-C in the engine's terminal is the engine's to handle
    os.environ.update(callback_environment())
    try:
        with socket.socket(fileno=os.dup(0)) as control:
            return warm_up_and_serve(control)
    finally:
        shutil.rmtree(os.environ["TMPDIR"], ignore_errors=True)


def warm_up_and_serve(control: socket.socket) -> int:
    """Import what runs use, then serve; 1 if a fork would not be safe."""
    try:
        from remediations.runner.forked import ForkedPlaybook, warm_up  # noqa: PLC0415 - reads the environment

        warm_up()
    except RunnerError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    pexpect.spawn = ForkedPlaybook  # ansible-runner has no other way to say how its command is started
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel takes away run processes that ended
    with suppress(BrokenPipeError):
        control.send(WARM_READY)
        serve(control)
    return 0


def callback_environment() -> dict[str, str]:
    """What ansible-runner will add to the environment of every run."""
    folders = (os.environ.get("ANSIBLE_CALLBACK_PLUGINS"), get_callback_dir())
    return {
        "ANSIBLE_CALLBACK_PLUGINS": ":".join(filter(None, folders)),
        "ANSIBLE_STDOUT_CALLBACK": "awx_display",
        "ANSIBLE_RETRY_FILES_ENABLED": "False",
    }


def serve(control: socket.socket) -> None:
    """Fork for each message, until there is nobody left to send one."""
    while True:
        message, streams, _, _ = socket.recv_fds(control, PATH_BYTES_MAXIMUM, STREAMS)
        if not message:
            return
        with suppress(OSError):  # no fork, no go: the engine starts the run in a process of its own
            if os.fork() == 0:
                become(Path(os.fsdecode(message)), streams, control)
        for descriptor in streams:
            os.close(descriptor)


def become(orders: Path, streams: list[int], control: socket.socket) -> NoReturn:
    """Be the run process of these orders, with these streams."""
    try:
        control.close()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for number, descriptor in enumerate(streams):
            os.dup2(descriptor, number)
            os.close(descriptor)
        if is_wanted():
            os.chdir(orders.parent)
            os._exit(keep(read_orders(orders)))
        os._exit(0)
    finally:
        sys.excepthook(*sys.exc_info())  # only reached by an exception: its text goes to the run's log
        os._exit(70)


def is_wanted() -> bool:
    """Tell the engine which process this is, and wait for its word."""
    descriptor = os.pidfd_open(os.getpid())
    with socket.socket(fileno=os.dup(0)) as engine:
        try:
            socket.send_fds(engine, [str(os.getpid()).encode()], [descriptor])
            return bool(engine.recv(1))
        except ConnectionError:  # it has given up waiting
            return False
        finally:
            os.close(descriptor)


if __name__ == "__main__":
    sys.exit(main())
