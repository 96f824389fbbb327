"""One service of the demo's fleet: a real HTTP server with a table behind a lock, and a bug that can be switched on.

`GET /work` updates the table and answers, `GET /health` says who answers, `POST /fault` wakes the bug. The bug lives in
this process and nowhere else: a compaction that sleeps while it holds the table's lock. Requests queue behind it, those
that wait too long fail with 500 and an error line, and each failure leaks a parked thread, a descriptor and a buffer.
A restart cures it, nothing else does. Only the standard library is used: eight of these share a small machine.
"""

import argparse
import datetime as dt
import hashlib
import json
import os
import random
import signal
import sys
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import FrameType
from typing import NoReturn

ADDRESS = "127.0.0.1"
ROUNDS = 1500  # hash rounds a request does under the lock: about a millisecond
ROWS = 256
LOCK_PATIENCE_SECONDS = 0.4
LEAKS_MAXIMUM = 60  # a demo must not harm the machine it runs on
LEAK_BYTES = 1024 * 1024
COMPACTION_SPIN_SECONDS = 0.03
COMPACTION_HOLD_SECONDS = (0.3, 0.8)
COMPACTION_PAUSE_SECONDS = 0.01


class Table:
    """What the service works on: rows behind one lock, and the bug.

    `work` raises TimeoutError when the lock could not be had within the patience of a request.
    """

    def __init__(self, seed: int) -> None:
        self._lock = threading.Lock()
        self._rows = [b"%d" % row for row in range(ROWS)]
        self._random = random.Random(seed)  # noqa: S311 - spreads holding times, guards nothing
        self._leaks: list[tuple[threading.Thread, int, bytearray]] = []
        self._never = threading.Event()
        self._compaction: threading.Thread | None = None

    def work(self, row: int) -> str:
        """Update one row under the lock and return its new digest in hex."""
        if not self._lock.acquire(timeout=LOCK_PATIENCE_SECONDS):
            self._leak()
            raise TimeoutError(f"no lock on the table within {LOCK_PATIENCE_SECONDS} s: compaction holds it")
        try:
            digest = self._rows[row % ROWS]
            for _ in range(ROUNDS):
                digest = hashlib.sha256(digest).digest()
            self._rows[row % ROWS] = digest
        finally:
            self._lock.release()
        return digest.hex()

    def break_down(self) -> bool:
        """Wake the bug; False when it was awake already."""
        if self._compaction is not None:
            return False
        self._compaction = threading.Thread(target=self._compact_forever, name="compaction", daemon=True)
        self._compaction.start()
        return True

    def _compact_forever(self) -> None:
        while True:
            with self._lock:
                spin_until = time.monotonic() + COMPACTION_SPIN_SECONDS
                while time.monotonic() < spin_until:
                    hashlib.sha256(self._rows[0]).digest()
                time.sleep(self._random.uniform(*COMPACTION_HOLD_SECONDS))
            time.sleep(COMPACTION_PAUSE_SECONDS)

    def _leak(self) -> None:
        if len(self._leaks) >= LEAKS_MAXIMUM:
            return
        parked = threading.Thread(target=self._never.wait, name="retry", daemon=True)
        parked.start()
        descriptor = os.open(os.devnull, os.O_RDONLY)
        self._leaks.append((parked, descriptor, bytearray(os.urandom(1024) * (LEAK_BYTES // 1024))))


class Log:
    """Writes one JSON object a line to stdout, where the process supervisor picks it up."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def write(self, level: str, message: str) -> None:
        """Write one line; `level` is info, warn or error."""
        now = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
        line = json.dumps({"time": now, "level": level, "message": message})
        with self._lock:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()


class Server(ThreadingHTTPServer):
    """The HTTP server with what its requests need."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, name: str, port: int, table: Table, log: Log) -> None:
        super().__init__((ADDRESS, port), Request)
        self.name = name
        self.table = table
        self.log = log


class Request(BaseHTTPRequestHandler):
    """One connection of a client; it may carry many requests."""

    protocol_version = "HTTP/1.1"
    timeout = 60
    wbufsize = -1  # head and body leave in one packet; two would wait 40 ms for the peer's delayed acknowledgement
    server: Server

    def do_GET(self) -> None:
        """Answer /work and /health."""
        if self.path.startswith("/work"):
            self._work()
        elif self.path == "/health":
            self._answer(HTTPStatus.OK, {"service": self.server.name, "pid": os.getpid()})
        else:
            self._answer(HTTPStatus.NOT_FOUND, {"error": "no such page"})

    def do_POST(self) -> None:
        """Answer /fault: this wakes the bug."""
        if self.path != "/fault":
            self._answer(HTTPStatus.NOT_FOUND, {"error": "no such page"})
            return
        awoken = self.server.table.break_down()
        if awoken:
            self.server.log.write("warn", "compaction started")
        self._answer(HTTPStatus.ACCEPTED, {"service": self.server.name, "pid": os.getpid(), "awoken": awoken})

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        """Keep the base class from writing to stderr: each request writes its own line."""

    def _work(self) -> None:
        begun = time.monotonic()
        try:
            digest = self.server.table.work(self._row())
        except TimeoutError as error:
            self.server.log.write("error", f"GET /work 500 {_milliseconds(begun)} ms: {error}")
            self._answer(HTTPStatus.INTERNAL_SERVER_ERROR, {"error": str(error)})
            return
        self.server.log.write("info", f"GET /work 200 {_milliseconds(begun)} ms")
        self._answer(HTTPStatus.OK, {"digest": digest})

    def _row(self) -> int:
        _, _, row = self.path.partition("row=")
        return int(row) if row.isdecimal() else 0

    def _answer(self, status: HTTPStatus, body: dict[str, object]) -> None:
        payload = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)


def _milliseconds(begun: float) -> str:
    return f"{(time.monotonic() - begun) * 1000:.1f}"


def _leave_with_parent(parent: int) -> None:
    """End this process when its supervisor is gone, however that ended."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)


def _stop(_number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(description="One service of the demo's fleet.")
    parser.add_argument("--name", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, _stop)
    threading.Thread(target=_leave_with_parent, args=(os.getppid(),), daemon=True).start()
    log = Log()
    server = Server(arguments.name, arguments.port, Table(arguments.seed), log)
    log.write("info", f"{arguments.name} listens on {ADDRESS}:{arguments.port}, process {os.getpid()}")
    server.serve_forever(poll_interval=0.5)


if __name__ == "__main__":
    main()
