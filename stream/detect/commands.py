"""The relay: commands of operators become orders in the samples topic, where the owner of the host finds them.

One worker reads the commands topic at a time, and commits a command when its order is acknowledged. An order that is
written twice is known by its source, like a sample.
"""

import time
from collections.abc import Awaitable, Callable

import msgspec
import structlog
from aiokafka import ConsumerRecord

from detectors.commands import Answer, Command, Order, kind_of
from detectors.samples import Source
from detectors.upkeep import expired
from stream.detect.deadletters import DeadLetters, Letter, LetterReason, letters_of
from stream.detect.outbox import Message, Publisher
from stream.detect.transport import KafkaBatch
from stream.metrics import DetectMetrics

log = structlog.get_logger()


def answer_message(answer: Answer) -> Message:
    """A record of the commands topic."""
    return Message(key=answer.host.encode(), value=msgspec.json.encode(answer))


def tell(answer: Answer) -> None:
    """Write down who wanted what of which host, why, and what became of it."""
    command = answer.command
    log.info(
        "command_done" if answer.done else "command_refused",
        command=kind_of(command),
        id=command.id,
        host=command.host,
        by=command.by,
        reason=command.reason,
        given=command.time,
        answer=answer.words,
        refusal=answer.refusal.value if answer.refusal else "",
    )


class RelayWork:
    """What the steps know of the batch at hand."""

    __slots__ = ("answers", "batch", "letters", "orders")

    def __init__(self, batch: KafkaBatch) -> None:
        self.batch = batch
        self.orders: list[Order] = []
        self.answers: list[Answer] = []
        self.letters: list[Letter] = letters_of(batch.damage)


class Relay:
    """The relay agent's work on one batch, in `steps`."""

    def __init__(
        self,
        topics: tuple[str, str],
        age_maximum_seconds: float,
        outbox: Publisher,
        dead_letters: DeadLetters,
        metrics: DetectMetrics,
    ) -> None:
        self._commands_topic, self._samples_topic = topics
        self._age_maximum_seconds = age_maximum_seconds
        self._outbox = outbox
        self._dead_letters = dead_letters
        self._metrics = metrics
        self._decoder: msgspec.json.Decoder[Command | Answer] = msgspec.json.Decoder(Command | Answer)
        self.steps: tuple[Callable[[RelayWork], Awaitable[None]], ...] = (
            self.read_commands,  # bytes → orders; what is too old → answers; what is no command → letters
            self.bury_refused,  # letters → dead-letter topic, acknowledged
            self.publish_answers,  # answers → commands topic, acknowledged
            self.publish_orders,  # orders → samples topic by host, acknowledged, in order
            self.finish,  # only now may the commands be committed
        )

    async def handle(self, batch: KafkaBatch) -> None:
        """Take one batch through all steps. An exception leaves it undone."""
        work = RelayWork(batch)
        for step in self.steps:
            await step(work)

    async def read_commands(self, work: RelayWork) -> None:
        """Decode record by record; answers, which stand in the same topic, are passed over."""
        now = time.time()
        for record in work.batch.records:
            try:
                asked = self._decoder.decode(record.value or b"")
            except msgspec.DecodeError as error:
                work.letters.append(Letter(record, LetterReason.BAD_COMMAND.value, str(error)))
                continue
            if not isinstance(asked, Answer):
                self._accept(work, record, asked, now)

    def _accept(self, work: RelayWork, record: ConsumerRecord[bytes, bytes], command: Command, now: float) -> None:
        if now - record.timestamp / 1000.0 > self._age_maximum_seconds:  # by the broker's clock, not the writer's
            work.answers.append(expired(command, self._age_maximum_seconds))
        else:
            source = Source(record.topic, record.partition, record.offset, life=work.batch.life)
            work.orders.append(Order(command.host, source, command))

    async def bury_refused(self, work: RelayWork) -> None:
        """Write the letters."""
        await self._dead_letters.bury(work.letters)
        self._metrics.count_damage(work.batch.damage)
        for letter in work.letters:
            self._metrics.rejected.labels(letter.reason).inc()

    async def publish_answers(self, work: RelayWork) -> None:
        """Write the answers."""
        for answer in work.answers:
            tell(answer)
        await self._outbox.publish(self._commands_topic, [answer_message(answer) for answer in work.answers])

    async def publish_orders(self, work: RelayWork) -> None:
        """Write the orders."""
        messages = [Message(key=order.host.encode(), value=msgspec.json.encode(order)) for order in work.orders]
        await self._outbox.publish(self._samples_topic, messages)

    async def finish(self, work: RelayWork) -> None:
        """The batch is done."""
        self._metrics.records.labels("commands").inc(len(work.batch.records))
        work.batch.done()
