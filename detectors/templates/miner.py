"""Online log templates with ids that are fixed when a line arrives."""

from typing import Final

import msgspec

from detectors.templates.engine import Engine, SavedTemplate
from detectors.templates.forms import JSON_CHARACTERS_MAXIMUM, form
from detectors.templates.headers import without_header

VERSION: Final = 1
ANSWERS_MAXIMUM: Final = 2000  # forms whose template is remembered


class MinerSettings(msgspec.Struct, frozen=True):
    """Settings of a miner."""

    templates_maximum: int = 1000
    """Templates that are remembered; a further one takes the place of that which was not seen longest."""


class Match(msgspec.Struct, frozen=True):
    """The template of a line. `template` has `<*>` for values and `<+>` where words were seen to vary."""

    template_id: str
    is_new: bool
    template: str


class SavedMiner(msgspec.Struct, frozen=True, array_like=True):
    """A miner; its templates in the order of their last use."""

    version: int
    created: int
    forgotten: int
    templates: list[SavedTemplate]


class TemplateMiner:
    """Lines in, templates out: masks, forms, typed similarity, Drain.

    The same lines give the same ids, also after a restart; a template that begins with the same form has the same id
    everywhere. A template that was forgotten is new when it comes back.

    It fails on free text, on lists of plain words of varying length, and on values that look like words: there it makes
    more templates than there are events. Lines of another length in words are always another event.

    Parameters:
        settings: See MinerSettings.

    Example:
        >>> miner = TemplateMiner()
        >>> miner.add("connection from 10.0.0.7 closed after 12 ms").is_new
        True
        >>> match = miner.add("connection from 10.0.0.9 closed after 1.5 s")
        >>> match.is_new, match.template, miner.count
        (False, 'connection from <*> closed after <*>', 1)

    References:
        He, P., Zhu, J., Zheng, Z., Lyu, M. R., 2017. Drain: An Online Log Parsing Approach with Fixed Depth Tree. ICWS.
        Zhu, J. et al., 2019. Tools and Benchmarks for Automated Log Parsing. ICSE-SEIP.
    """

    __slots__ = ("_answers", "_engine", "settings")

    def __init__(self, settings: MinerSettings | None = None) -> None:
        self.settings = settings or MinerSettings()
        self._engine = Engine(self.settings.templates_maximum)
        # Only what a search would answer again now, so it is no part of the state.
        self._answers: dict[str, int] = {}

    @property
    def count(self) -> int:
        """Templates that are remembered."""
        return len(self._engine.live)

    @property
    def forgotten(self) -> int:
        """Templates that lost their place to a newer one, ever."""
        return self._engine.forgotten

    def add(self, message: str) -> Match:
        """The template of a line, made if none fits."""
        engine = self._engine
        words = form(without_header(message[:JSON_CHARACTERS_MAXIMUM].strip()))
        number = self._answers.get(words)
        change = "none"
        if number is None:
            number, change = self._search(words)
        else:
            engine.template(number).size += 1
        engine.live.move_to_end(number)
        template = engine.template(number).get_template()
        return Match(engine.origins[number].template_id, change == "cluster_created", template)

    def _search(self, words: str) -> tuple[int, str]:
        forgotten = self._engine.forgotten
        cluster, change = self._engine.add_log_message(words)
        if change == "cluster_template_changed" or self._engine.forgotten != forgotten:
            self._answers.clear()
        elif change == "none":
            if len(self._answers) >= ANSWERS_MAXIMUM:
                self._answers.clear()
            self._answers[words] = cluster.cluster_id
        return cluster.cluster_id, change

    def to_bytes(self) -> bytes:
        """The whole state."""
        engine = self._engine
        return msgspec.msgpack.encode(SavedMiner(VERSION, engine.clusters_counter, engine.forgotten, engine.saved()))

    @classmethod
    def from_bytes(cls, data: bytes, settings: MinerSettings | None = None) -> "TemplateMiner":
        """A miner with this state; with more templates than the settings allow, those used last stay.

        Raises ValueError if the bytes are damaged or of another version.
        """
        try:
            saved = msgspec.msgpack.decode(data, type=SavedMiner)
        except msgspec.DecodeError as error:
            raise ValueError(f"saved log templates of {len(data)} bytes can not be read: {error}") from error
        if saved.version != VERSION:
            raise ValueError(f"saved log templates have version {saved.version}, wanted {VERSION}")
        miner = cls(settings)
        miner._engine.restore(saved.templates[-miner.settings.templates_maximum :])
        miner._engine.clusters_counter = saved.created
        miner._engine.forgotten = saved.forgotten
        return miner
