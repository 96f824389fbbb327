"""Commands to the workers: written to the commands topic, and the answers that come back in it."""

import getpass
import socket
import time
import uuid
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import msgspec
import typer
from aiokafka import AIOKafkaConsumer, TopicPartition
from rich.console import Group

from console.errors import CommandError, TypedError
from console.options import NO, show
from console.rendering import plain
from detectors.commands import Answer, Command, kind_of
from detectors.hostnames import folded
from stream.kafka import open_consumer, open_producer
from stream.settings import Settings
from stream.topics import require_topics

POLL_SECONDS = 0.2

Reason = Annotated[str, typer.Option(help="Why, for whoever reads it later.")]
By = Annotated[str, typer.Option(metavar="WHO", help="Who asks, if not the user who types.")]
Wait = Annotated[float, typer.Option(metavar="SECONDS", min=0.0, help="How long to wait for the answer.")]


class Request(msgspec.Struct, frozen=True):
    """What every command of one invocation tells: by whom, why, and when (epoch seconds)."""

    by: str
    reason: str
    time: float

    def stamp(self, host: str) -> dict[str, Any]:
        """The fields that all commands have; each command gets a name of its own."""
        return {
            "id": uuid.uuid4().hex,
            "host": folded(host) or host,
            "time": self.time,
            "by": self.by,
            "reason": self.reason,
        }


def request(by: str, reason: str) -> Request:
    """A request of now; without a name it is by the user at this machine."""
    return Request(by or f"{getpass.getuser()}@{socket.gethostname()}", reason, time.time())


def checked[C: Command](command: C) -> C:
    """The command as its readers will take it. TypedError if they would not."""
    try:
        return msgspec.json.decode(msgspec.json.encode(command), type=type(command))
    except (msgspec.ValidationError, UnicodeEncodeError) as error:
        raise TypedError(f"{kind_of(command)} of {command.host!r}: {error}") from error


async def ask(settings: Settings, commands: Sequence[Command], wait_seconds: float) -> list[Answer]:
    """Write the commands and wait for their answers, in the order of the commands.

    Raises CommandError naming the hosts that have no answer after `wait_seconds`; their commands stand nevertheless.
    """
    topic = settings.topics.commands
    partition = TopicPartition(topic, 0)
    await require_topics(settings.kafka, topic)
    consumer = await open_consumer(settings.kafka)
    try:
        consumer.assign([partition])
        consumer.seek(partition, (await consumer.end_offsets([partition]))[partition])
        await _write(settings, commands)
        answers = await _answers(consumer, {command.id for command in commands}, wait_seconds)
    finally:
        await consumer.stop()
    missing = [command.host for command in commands if command.id not in answers]
    if missing:
        raise CommandError(
            f"no answer for {', '.join(missing)} within {wait_seconds:g} s: the command stands in {topic} and is "
            "carried out when a detect worker comes to it; is one running, and is it behind? (`tidegate hosts`)"
        )
    return [answers[command.id] for command in commands]


async def _write(settings: Settings, commands: Iterable[Command]) -> None:
    producer = await open_producer(settings.kafka)
    try:
        for command in commands:
            value = msgspec.json.encode(command)
            await producer.send_and_wait(settings.topics.commands, value, key=command.host.encode(), partition=0)
    finally:
        await producer.stop()


async def _answers(consumer: AIOKafkaConsumer, wanted: set[str], wait_seconds: float) -> dict[str, Answer]:
    """The first answer to each command, as far as they come in time."""
    decoder: msgspec.json.Decoder[Command | Answer] = msgspec.json.Decoder(Command | Answer)
    answers: dict[str, Answer] = {}
    deadline = time.monotonic() + wait_seconds
    while wanted - answers.keys() and time.monotonic() < deadline:
        found = await consumer.getmany(timeout_ms=int(POLL_SECONDS * 1000))
        for record in (record for records in found.values() for record in records):
            try:
                said = decoder.decode(record.value or b"")
            except msgspec.DecodeError:
                continue  # somebody else's record; detect buries it
            if isinstance(said, Answer) and said.command.id in wanted:
                answers.setdefault(said.command.id, said)
    return answers


def tell(answers: Sequence[Answer], *, as_json: bool) -> None:
    """Print the answers; leaves with status 1 if anything was refused."""
    lines = [plain(("✓ " if one.done else "✕ ") + one.words, "green" if one.done else "red") for one in answers]
    show(answers, Group(*lines), as_json=as_json)
    if not all(one.done for one in answers):
        raise typer.Exit(NO)
