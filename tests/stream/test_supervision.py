"""The supervisor keeps roles running and never leaves one behind."""

import asyncio
import signal
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from stream.supervision import Role, Supervisor

SLEEPER = textwrap.dedent("""
    import asyncio
    from stream.owner import stop_with_owner, stop_with_signals

    async def main():
        stop = asyncio.Event()
        stop_with_owner(stop.set)
        stop_with_signals(stop.set)
        print("up", flush=True)
        await stop.wait()

    asyncio.run(main())
""")

OWNER = textwrap.dedent(f"""
    import asyncio, sys
    from pathlib import Path
    from stream.supervision import Role, Supervisor

    role = Role("sleeper", (sys.executable, "-c", {SLEEPER!r}))
    asyncio.run(Supervisor([role], Path(sys.argv[1])).run(asyncio.Event()))
""")


async def until(answer: Callable[[], bool], seconds: float = 15.0) -> None:
    """Wait until `answer` says yes; fail after `seconds`."""
    async with asyncio.timeout(seconds):
        while not answer():  # noqa: ASYNC110 - what it asks about is another process
            await asyncio.sleep(0.05)


def sleeper(name: str = "sleeper") -> Role:
    """A role that lives until it is told to stop."""
    return Role(name, (sys.executable, "-c", SLEEPER))


BUSY = textwrap.dedent("""
    import asyncio, signal

    async def main():
        asked, twice = asyncio.Event(), asyncio.Event()
        def heard():
            (twice if asked.is_set() else asked).set()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, heard)
        print("up", flush=True)
        await twice.wait()

    asyncio.run(main())
""")


async def test_a_role_that_takes_its_time_is_hurried(tmp_path: Path) -> None:
    """A role gets its own time to stop; when there is a hurry it is asked again, and not killed."""
    supervisor, stop, hurry = (
        Supervisor([Role("busy", (sys.executable, "-c", BUSY), 600.0)], tmp_path),
        asyncio.Event(),
        asyncio.Event(),
    )
    running = asyncio.create_task(supervisor.run(stop, hurry))
    await until(lambda: (tmp_path / "busy.log").exists() and "up" in (tmp_path / "busy.log").read_text())
    child = psutil.Process(supervisor.pids["busy"])
    stop.set()
    await asyncio.sleep(1)
    assert child.is_running()
    hurry.set()
    await asyncio.wait_for(running, 10)


async def test_a_role_that_dies_is_started_again(tmp_path: Path) -> None:
    """A killed child is replaced by a new process under the same name."""
    supervisor, stop = Supervisor([sleeper()], tmp_path), asyncio.Event()
    running = asyncio.create_task(supervisor.run(stop))
    await until(lambda: "sleeper" in supervisor.pids)
    first = supervisor.pids["sleeper"]

    psutil.Process(first).kill()
    await until(lambda: supervisor.pids.get("sleeper", first) != first)

    second = supervisor.pids["sleeper"]
    stop.set()
    await running
    assert not psutil.pid_exists(first)
    assert not psutil.pid_exists(second)


async def test_a_role_that_can_not_be_started_is_tried_again(tmp_path: Path) -> None:
    """What the system refuses now, it may give later: here the log's folder is a file at first."""
    folder = tmp_path / "logs"
    folder.write_text("in the way")
    supervisor, stop = Supervisor([sleeper()], folder), asyncio.Event()
    running = asyncio.create_task(supervisor.run(stop))
    await asyncio.sleep(0.5)
    assert not supervisor.pids
    folder.unlink()
    await until(lambda: "sleeper" in supervisor.pids)
    stop.set()
    await running


async def test_stopping_ends_every_role(tmp_path: Path) -> None:
    """After `run` returned no child is alive, and each had its own log file."""
    supervisor, stop = Supervisor([sleeper("one"), sleeper("two")], tmp_path), asyncio.Event()
    running = asyncio.create_task(supervisor.run(stop))
    await until(lambda: all((tmp_path / f"{name}.log").exists() for name in ("one", "two")))
    await until(lambda: all("up" in (tmp_path / f"{name}.log").read_text() for name in ("one", "two")))
    pids = list(supervisor.pids.values())

    stop.set()
    await running

    assert [psutil.pid_exists(pid) for pid in pids] == [False, False]


async def test_a_killed_owner_takes_its_roles_along(tmp_path: Path) -> None:
    """SIGKILL of the supervisor's process ends the child: it reads the end of its standard input."""
    log = tmp_path / "sleeper.log"
    owner = await asyncio.create_subprocess_exec(sys.executable, "-c", OWNER, str(tmp_path))
    await until(lambda: log.exists() and "up" in log.read_text())
    (child,) = psutil.Process(owner.pid).children()

    owner.send_signal(signal.SIGKILL)
    await owner.wait()

    await until(lambda: not child.is_running())
    assert not psutil.pid_exists(child.pid)


LISTENER = textwrap.dedent("""
    import asyncio
    from stream.owner import OWNER, stop_with_owner

    async def main():
        stop = asyncio.Event()
        stop_with_owner(stop.set)
        while not stop.is_set():
            print(dict(OWNER.tidings.troubles), OWNER.tidings.state_free_bytes, flush=True)
            await asyncio.sleep(0.05)

    asyncio.run(main())
""")


async def test_roles_hear_of_troubles(tmp_path: Path) -> None:
    """A role hears what is wrong, one that is started later too, and hears the end of it."""
    role = Role("listener", (sys.executable, "-c", LISTENER))
    supervisor, stop, log = Supervisor([role], tmp_path), asyncio.Event(), tmp_path / "listener.log"

    def last() -> str:
        return log.read_text().splitlines()[-1] if log.exists() and log.stat().st_size else ""

    running = asyncio.create_task(supervisor.run(stop))
    await until(lambda: last() == "{} None")
    supervisor.tell("kafka", "it is down")
    supervisor.tell("free_space", "", 77)
    await until(lambda: last() == "{'kafka': 'it is down'} 77")
    first = supervisor.pids["listener"]
    psutil.Process(first).kill()
    await until(lambda: supervisor.pids.get("listener", first) != first)
    log.write_text("")
    await until(lambda: last() == "{'kafka': 'it is down'} 77")
    supervisor.tell("kafka", "")
    await until(lambda: last() == "{} 77")

    stop.set()
    await running


async def test_roles_that_change_are_started_anew(tmp_path: Path) -> None:
    """After `change` the same name runs the new command."""
    supervisor, stop = Supervisor([sleeper()], tmp_path), asyncio.Event()
    running = asyncio.create_task(supervisor.run(stop))
    await until(lambda: "up" in (tmp_path / "sleeper.log").read_text() if supervisor.pids else False)

    supervisor.change([Role("sleeper", (sys.executable, "-c", SLEEPER, "moved"))])

    await until(lambda: any("moved" in psutil.Process(pid).cmdline() for pid in supervisor.pids.values()))
    stop.set()
    await running


STOPS = [
    pytest.param(signal.SIGTERM, "SIGTERM", "asked for it", id="a service manager"),
    pytest.param(signal.SIGINT, "SIGINT", "Ctrl-C", id="an operator"),
]


@pytest.mark.parametrize(("number", "name", "words"), STOPS)
async def test_a_stop_says_why(number: signal.Signals, name: str, words: str) -> None:
    """The first line after a signal names it, once, however often it is sent."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", STUBBORN, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    assert child.stdout is not None
    assert await child.stdout.readline() == b"up\n"
    child.send_signal(number)
    first = (await child.stdout.readline()).decode()
    child.send_signal(number)
    rest = (await child.stdout.read()).decode()
    await child.wait()

    assert ("stopping" in first, name in first, words in first) == (True, True, True)
    assert "stopping" not in rest


STUBBORN = textwrap.dedent("""
    import asyncio
    from stream.owner import stop_with_signals

    async def main():
        asked = asyncio.Semaphore(0)
        stop_with_signals(asked.release)
        print("up", flush=True)
        await asked.acquire()
        await asked.acquire()

    asyncio.run(main())
""")
