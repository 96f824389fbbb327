"""Orders at the models: carried out in their place among the samples, and answered."""

from collections.abc import Sequence, Sized
from typing import Protocol

from detectors.commands import Answer, ModelRollback, Order
from detectors.saves import SavedState, TakenState
from detectors.signals import Signal
from stream.detect.commands import answer_message, tell
from stream.detect.outbox import Publisher
from stream.detect.saves import ModelStore


class ObeyingShard(Protocol):
    """What orders need of the models of one partition; detectors.shard.Shard is the one in use."""

    def obey(self, offset: int, order: Order, saved: bytes | None) -> tuple[list[Signal], list[Answer]]:
        """Carry out an order that is not known yet."""

    def find_state(self, order: Order) -> SavedState | None:
        """The saved state that an order would go back to."""

    @property
    def taken(self) -> Sized:
        """What `take_states` would give."""

    def take_states(self) -> list[TakenState]:
        """The states to be saved since this was last asked."""

    def note_state(self, host: str, state: SavedState) -> None:
        """A state that was taken is saved there."""


class Orders:
    """Carries out orders, with the states that are saved for them."""

    def __init__(self, store: ModelStore, commands_topic: str, outbox: Publisher) -> None:
        self._store = store
        self._commands_topic = commands_topic
        self._outbox = outbox

    async def obey(
        self, partition: int, shard: ObeyingShard, offset: int, order: Order
    ) -> tuple[list[Signal], list[Answer]]:
        """Carry out an order; the signals that it withdraws, and the answer. Raises KafkaError, UnreachableError."""
        state = shard.find_state(order) if isinstance(order.command, ModelRollback) else None
        saved = await self._store.read(partition, order.host, state) if state is not None else None
        return shard.obey(offset, order, saved)

    async def save_states(self, partition: int, shard: ObeyingShard) -> None:
        """Write the states that are due, one after the other. Raises KafkaError."""
        for taken in shard.take_states():
            state = await self._store.write(partition, taken)
            if state is not None:
                shard.note_state(taken.host, state)

    async def publish(self, answers: Sequence[Answer]) -> None:
        """Write the answers to the commands topic, and down in the log."""
        for answer in answers:
            tell(answer)
        await self._outbox.publish(self._commands_topic, [answer_message(answer) for answer in answers])
