"""The jars of the embedded Apache Kafka: fetched once per user, checked against `kafka.lock` before every use.

`python -m stream.broker.jars` resolves the newest dependencies of the named Kafka and writes `kafka.lock` anew.
"""

import fcntl
import hashlib
import logging
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import msgspec
import requests
from jgo.config import GlobalSettings
from jgo.constants import MAVEN_CENTRAL_URL
from jgo.maven import MavenContext

from stream.errors import BrokerError

KAFKA_VERSION = "4.3.0"
KAFKA = f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}"
LOGGING = "org.apache.logging.log4j:log4j-slf4j-impl:2.25.4"  # of log4j-core's version; without it Kafka logs nothing
LOCK_FILE = Path(__file__).with_name("kafka.lock")
FETCH_THREADS = 8
FETCH_ATTEMPTS = 3

log = logging.getLogger(__name__)

type Report = Callable[[str], None]
"""Takes one line that tells an operator how far a long step is."""


class Jar(msgspec.Struct, frozen=True, order=True):
    """One line of the lock file: a Maven coordinate and the SHA-256 of its jar in hex."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def file_name(self) -> str:
        """Name of the jar in the cache folder."""
        return f"{self.artifact}-{self.version}.jar"

    @property
    def coordinate(self) -> str:
        """`group:artifact:version`."""
        return f"{self.group}:{self.artifact}:{self.version}"


type Fetch = Callable[[Jar, Path], Path]
"""Downloads a jar somewhere below the given folder and returns where; BrokerError when it can not be had."""


def read_lock(path: Path = LOCK_FILE) -> tuple[Jar, ...]:
    """Read lines of `group:artifact:version sha256` and `#` comments. BrokerError names a line that is neither."""
    jars = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        coordinate, _, sha256 = line.partition(" ")
        names = coordinate.split(":")
        if len(names) != 3 or len(sha256) != 64:  # noqa: PLR2004 - group, artifact, version; 32 bytes in hex
            raise BrokerError(f"{path}:{number}: {line!r} is not 'group:artifact:version sha256'.")
        jars.append(Jar(names[0], names[1], names[2], sha256))
    return tuple(jars)


def write_lock(jars: Sequence[Jar], path: Path = LOCK_FILE) -> None:
    """Write the lock file, sorted, so that a change shows as a small difference."""
    lines = ["# Jars of the embedded Apache Kafka. Written by: python -m stream.broker.jars"]
    lines += [f"{jar.coordinate} {jar.sha256}" for jar in sorted(jars)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def default_folder() -> Path:
    """Cache of this user: below XDG_CACHE_HOME, or ~/.cache."""
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "tidegate" / "kafka" / KAFKA_VERSION


def sha256_of(path: Path) -> str:
    """SHA-256 of a file in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fetch_from_maven(jar: Jar, folder: Path, repositories: Mapping[str, str] | None = None) -> Path:
    """Download one jar by jgo below `folder`; a network failure is tried again, twice.

    `repositories` are names and URLs: by default Maven Central, and what `[repositories]` of the user's jgo.conf adds
    or puts in its place (the sums are ours, so a mirror need not be trusted).
    """
    if repositories is None:
        repositories = {"central": MAVEN_CENTRAL_URL} | GlobalSettings.load().repositories
    context = MavenContext(repo_cache=folder, remote_repos=dict(repositories))
    artifact = context.project(jar.group, jar.artifact).at_version(jar.version).artifact()
    reason = ""
    for attempt in range(1, FETCH_ATTEMPTS + 1):
        try:
            return Path(artifact.resolve())
        except requests.RequestException as error:
            reason = str(error)
            shutil.rmtree(folder / artifact.component.path_prefix, ignore_errors=True)  # half of the jar may be there
            time.sleep(attempt if attempt < FETCH_ATTEMPTS else 0)
        except RuntimeError as error:  # jgo's word for "no repository has it"
            reason = str(error)
            break
    raise BrokerError(f"{jar.coordinate} could not be fetched from {', '.join(repositories)}: {reason}")


class JarCache:
    """Folder of checked jars, shared by all processes of a user."""

    def __init__(
        self,
        folder: Path | None = None,
        jars: Sequence[Jar] | None = None,
        fetch: Fetch = fetch_from_maven,
        report: Report = log.info,
    ) -> None:
        self.folder = folder or default_folder()
        self._jars = read_lock() if jars is None else tuple(jars)
        self._fetch = fetch
        self._report = report

    def classpath(self) -> tuple[Path, ...]:
        """Paths of all jars, each just checked; what is missing or wrong is fetched, once. BrokerError if it fails."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with locked(self.folder / ".lock"):
            wrong = [jar for jar in self._jars if not self._is_right(jar)]
            if wrong:
                self._fetch_all(wrong)
        return tuple(self.folder / jar.file_name for jar in self._jars)

    def _is_right(self, jar: Jar) -> bool:
        path = self.folder / jar.file_name
        if not path.exists():
            return False
        found = sha256_of(path)
        if found != jar.sha256:
            log.warning("%s has SHA-256 %s, wanted %s: it is fetched again.", path, found, jar.sha256)
        return found == jar.sha256

    def _fetch_all(self, jars: Sequence[Jar]) -> None:
        self._report(f"Fetching Apache Kafka {KAFKA_VERSION}: {len(jars)} jars from Maven Central, once per user.")
        for left in self.folder.glob("fetch-*"):  # by a process that was killed: the lock is ours, so it is gone
            shutil.rmtree(left)
        with (
            tempfile.TemporaryDirectory(prefix="fetch-", dir=self.folder) as staging,
            ThreadPoolExecutor(FETCH_THREADS) as pool,
        ):
            for done, jar in enumerate(pool.map(lambda jar: self._fetch_one(jar, Path(staging)), jars), 1):
                self._report(f"Fetched {jar.file_name} ({done}/{len(jars)}).")

    def _fetch_one(self, jar: Jar, staging: Path) -> Jar:
        path = self._fetch(jar, staging)
        found = sha256_of(path)
        if found != jar.sha256:
            raise BrokerError(f"{jar.file_name} as fetched has SHA-256 {found}, kafka.lock wants {jar.sha256}.")
        path.replace(self.folder / jar.file_name)
        return jar


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file, between processes too."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def try_lock(file: IO[str]) -> bool:
    """Take an exclusive lock on an open file if nobody holds it; closing the file gives it back."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def resolve_jars() -> tuple[Jar, ...]:
    """Ask Maven Central for everything that Kafka needs at run time, download it, and return it with its sums."""
    with tempfile.TemporaryDirectory() as folder:
        context = MavenContext(repo_cache=Path(folder))
        kafka, logging_jar = (context.create_dependency(coordinate) for coordinate in (KAFKA, LOGGING))
        # Resolved without LOGGING: with two roots jgo lets the versions that log4j names (kafka-clients 3.9.1) win.
        inputs, needed = context.resolver.resolve([kafka])
        found = [*inputs, logging_jar, *(one for one in needed if one.scope in {"compile", "runtime"})]
        return tuple(Jar(one.groupId, one.artifactId, one.version, sha256_of(one.artifact.resolve())) for one in found)


if __name__ == "__main__":
    write_lock(resolve_jars())
    sys.stdout.write(f"{LOCK_FILE}: {len(read_lock())} jars.\n")
