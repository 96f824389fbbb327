"""Web servers to balance, and a client that counts what it gets."""

import http.client
import http.server
import itertools
import socketserver
import threading
import time
from contextlib import suppress
from typing import Self

import msgspec

PAUSE_SECONDS = 0.01
HELD_SECONDS_MAXIMUM = 60.0
_NUMBERS = itertools.count()  # so that each held request has a path of its own


class WebServer:
    """A web server on a free port that answers its own name, counts, and can be told to take its time."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.arrivals: list[str] = []
        """Path of each request that came; health checks are not counted."""
        self.sick = threading.Event()
        """While set, the health check gets 503."""
        self.release = threading.Event()
        """When set, held requests are answered."""
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    def stop(self) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 128


def _handler(owner: WebServer) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            health = self.path == "/health"
            if not health:
                owner.arrivals.append(self.path)
            if self.path.startswith("/held/"):
                owner.release.wait(HELD_SECONDS_MAXIMUM)
            body = owner.name.encode()
            with suppress(ConnectionError):  # who asked is gone
                self.send_response(503 if health and owner.sick.is_set() else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            """Write no log."""

    return Handler


class Answer(msgspec.Struct, frozen=True):
    """What came of one request: who answered, empty if nobody did, with the reason in `problem`."""

    server: str
    problem: str = ""


def get(port: int, path: str = "/", seconds: float = HELD_SECONDS_MAXIMUM) -> Answer:
    """Ask once, over a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    try:
        connection.request("GET", path, headers={"Connection": "close"})
        response = connection.getresponse()
        body = response.read().decode()
    except OSError as error:
        return Answer("", str(error) or type(error).__name__)
    finally:
        connection.close()
    return Answer(body) if response.status == http.HTTPStatus.OK else Answer("", f"status {response.status}")


class Client:
    """Asks over and over, until it is left; keeps every answer."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self.answers: list[Answer] = []

    def __enter__(self) -> Self:
        """Begin to ask."""
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        """Ask no more."""
        self._left.set()
        self._thread.join()

    @property
    def lost(self) -> list[str]:
        """Why requests got no good answer."""
        return [answer.problem for answer in self.answers if answer.problem]

    def waits_for(self, *servers: str) -> None:
        """Wait until the answers come from exactly these servers."""
        limit = time.monotonic() + HELD_SECONDS_MAXIMUM / 2
        while not self.hears(*servers):
            assert time.monotonic() < limit, f"answers do not come from {servers} alone"

    def hears(self, *servers: str) -> bool:
        """Whether the next answers come from exactly these servers; waits until some dozens have come."""
        first = len(self.answers)
        while len(self.answers) < first + 40:
            time.sleep(PAUSE_SECONDS)
        return {answer.server for answer in self.answers[first:]} == set(servers)

    def _ask(self) -> None:
        while not self._left.is_set():
            self.answers.append(get(self._port))
            time.sleep(PAUSE_SECONDS)


class HeldRequest:
    """One request that runs on the server of this name until that is told to release it; when this is made, it runs."""

    def __init__(self, port: int, servers: dict[str, WebServer], on: str) -> None:
        self._port = port
        self._answers: dict[str, Answer] = {}
        self._threads: dict[str, threading.Thread] = {}
        self._path = ""
        for server in servers.values():
            server.release.set()
        servers[on].release.clear()
        while self._path not in servers[on].arrivals:  # those that came to others are left alone
            self._path = f"/held/{next(_NUMBERS)}"
            self._threads[self._path] = threading.Thread(target=self._ask, args=(self._path,))
            self._threads[self._path].start()
            while not any(self._path in server.arrivals for server in servers.values()):
                time.sleep(PAUSE_SECONDS)

    def answer(self) -> Answer:
        """What it got in the end."""
        for thread in self._threads.values():
            thread.join()
        return self._answers[self._path]

    def _ask(self, path: str) -> None:
        self._answers[path] = get(self._port, path)
