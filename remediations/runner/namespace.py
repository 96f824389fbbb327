"""A PID namespace for the processes of one run: when its first process dies, the kernel kills all others.

The run process asks for one and stays outside; the player, its next child, is the first process inside. Nothing gets
out of it by forking or changing its session, and there is no moment between the player's death and that of the rest.

Not by bubblewrap, which has to start a new program where a warm run is a fork, and sets no_new_privs, under which
`become` by sudo can not work. Not with a user namespace either, for the same reason, and because ssh then refuses
its system-wide configuration as owned by nobody. So root or CAP_SYS_ADMIN is needed; without it `tree` does the work.
Entering a namespace takes one to two milliseconds, bubblewrap twelve.

Inside, /proc shows the processes of the run alone; a task with a local connection sees no other process of this
machine, and what it starts ends with the run. Mounts are shared with the outside as before, but for /proc.
"""

import ctypes
import os
from contextlib import suppress

MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_PRIVATE = 2, 4, 8, 1 << 18
PROC = b"/proc"


def next_child_in_namespace() -> bool:
    """Let the next child of this process be the first of a PID namespace; False where the system does not."""
    if not hasattr(os, "unshare"):
        return False
    with suppress(OSError):
        show_own_processes()  # if this can not be done here, it could not be done there
        os.unshare(os.CLONE_NEWPID)
        return True
    return False


def show_own_processes() -> None:
    """Mount /proc anew for this process and its children, in their PID namespace. Raises OSError."""
    os.unshare(os.CLONE_NEWNS)
    mount(b"none", PROC, b"none", MS_PRIVATE)
    mount(b"proc", PROC, b"proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)


def mount(source: bytes, target: bytes, kind: bytes, flags: int) -> None:
    """Call mount. Raises OSError."""
    library = ctypes.CDLL(None, use_errno=True)
    if library.mount(source, target, kind, ctypes.c_ulong(flags), None) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), os.fsdecode(target))
