"""Only jars whose sum is in the lock file are ever used."""

import hashlib
import socket
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from stream.broker.jars import KAFKA_VERSION, LOCK_FILE, Jar, JarCache, fetch_from_maven, read_lock
from stream.errors import BrokerError

RIGHT = b"a jar"
RIGHT_SUM = hashlib.sha256(RIGHT).hexdigest()
WRONG = b"an altered jar"
WRONG_SUM = hashlib.sha256(WRONG).hexdigest()
JARS = (Jar("org.example", "one", "1.0", RIGHT_SUM), Jar("org.example", "two", "2.0", RIGHT_SUM))


class Fetcher:
    """Stands for Maven Central: serves the same bytes for every jar, and keeps count."""

    def __init__(self, content: bytes = RIGHT) -> None:
        self._content = content
        self.fetched: list[str] = []

    def __call__(self, jar: Jar, folder: Path) -> Path:
        """Write the jar."""
        self.fetched.append(jar.file_name)
        path = folder / jar.file_name
        path.write_bytes(self._content)
        return path


def test_fetched_once_and_told(tmp_path: Path) -> None:
    """Missing jars are fetched with a line of progress each, and never again while they are right."""
    fetcher, told = Fetcher(), list[str]()

    first = JarCache(tmp_path, JARS, fetcher, told.append).classpath()
    second = JarCache(tmp_path, JARS, fetcher, told.append).classpath()

    assert first == second == (tmp_path / "one-1.0.jar", tmp_path / "two-2.0.jar")
    assert sorted(fetcher.fetched) == ["one-1.0.jar", "two-2.0.jar"]
    assert told == [
        f"Fetching Apache Kafka {KAFKA_VERSION}: 2 jars from Maven Central, once per user.",
        "Fetched one-1.0.jar (1/2).",
        "Fetched two-2.0.jar (2/2).",
    ]


def test_altered_jar_in_the_cache_is_replaced(tmp_path: Path) -> None:
    """A jar that was altered after it was fetched is fetched again, alone."""
    JarCache(tmp_path, JARS, Fetcher()).classpath()
    (tmp_path / "two-2.0.jar").write_bytes(WRONG)
    again = Fetcher()

    JarCache(tmp_path, JARS, again).classpath()

    assert again.fetched == ["two-2.0.jar"]
    assert (tmp_path / "two-2.0.jar").read_bytes() == RIGHT


def test_altered_jar_at_the_source_is_refused(tmp_path: Path) -> None:
    """A jar that arrives altered is named with both sums, fetched no second time, and does not reach the cache."""
    fetcher = Fetcher(WRONG)

    with pytest.raises(BrokerError) as caught:
        JarCache(tmp_path, JARS[:1], fetcher).classpath()

    assert str(caught.value) == f"one-1.0.jar as fetched has SHA-256 {WRONG_SUM}, kafka.lock wants {RIGHT_SUM}."
    assert fetcher.fetched == ["one-1.0.jar"]
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_processes_do_not_race(tmp_path: Path) -> None:
    """Of several that start at once one fetches, and the others wait for it and use what it got."""
    fetcher = Fetcher()
    caches = [JarCache(tmp_path, JARS, fetcher) for _ in range(4)]

    with ThreadPoolExecutor(4) as pool:
        paths = list(pool.map(JarCache.classpath, caches))

    assert len(set(paths)) == 1
    assert len(fetcher.fetched) == len(JARS)


def test_interrupted_fetch_leaves_nothing_half_done(tmp_path: Path) -> None:
    """What a killed process left in its staging folder is in nobody's way, and is cleared away."""
    (tmp_path / "fetch-abc").mkdir()
    (tmp_path / "fetch-abc" / "one-1.0.jar").write_bytes(RIGHT[:2])

    JarCache(tmp_path, JARS, Fetcher()).classpath()

    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "one-1.0.jar", "two-2.0.jar"]


def test_real_jar_altered_and_fetched_again(tmp_path: Path) -> None:
    """On the real thing: an altered jar is replaced by Maven Central's, whose sum is the lock's."""
    jar = next(jar for jar in read_lock() if jar.artifact == "jspecify")
    (tmp_path / jar.file_name).write_bytes(WRONG)

    (path,) = JarCache(tmp_path, [jar]).classpath()

    assert hashlib.sha256(path.read_bytes()).hexdigest() == jar.sha256


def closed_port() -> str:
    """URL of a port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_unreachable_repository_is_named(tmp_path: Path) -> None:
    """When no repository can be reached the error names the jar, the repository and the reason."""
    with pytest.raises(BrokerError, match=r"org.example:one:1.0 could not be fetched from mirror: .*refused"):
        fetch_from_maven(JARS[0], tmp_path, {"mirror": closed_port()})


def test_jar_that_no_repository_has(tmp_path: Path) -> None:
    """A 'not found' is final: it is not asked again."""
    asked: list[str] = []

    class NotFound(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    with ThreadingHTTPServer(("127.0.0.1", 0), NotFound) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            with pytest.raises(BrokerError, match=r"org.example:one:1.0 could not be fetched from mirror: .*not found"):
                fetch_from_maven(JARS[0], tmp_path, {"mirror": f"http://127.0.0.1:{server.server_port}"})
        finally:
            server.shutdown()
            thread.join()
    assert asked == ["/org/example/one/1.0/one-1.0.jar"]


def test_lock_file_is_whole() -> None:
    """The lock file names one version of each jar, Kafka's of the version we say, and no host."""
    jars = read_lock()

    assert len({(jar.group, jar.artifact) for jar in jars}) == len(jars)
    kafka = {jar.version for jar in jars if jar.group == "org.apache.kafka"}
    assert kafka == {KAFKA_VERSION}
    assert "//" not in LOCK_FILE.read_text()


@pytest.mark.parametrize(
    "line",
    ["org.example:one 00", f"org.example:one:1.0 {'0' * 63}", f"org.example:one:1.0:jar {'0' * 64}"],
    ids=["two names", "short sum", "four names"],
)
def test_damaged_lock_file(tmp_path: Path, line: str) -> None:
    """A line that is none is named with file and number, never skipped."""
    path = tmp_path / "kafka.lock"
    path.write_text(f"# comment\n{line}\n")

    with pytest.raises(BrokerError) as caught:
        read_lock(path)

    assert str(caught.value) == f"{path}:2: {line!r} is not 'group:artifact:version sha256'."
