"""Drain with typed similarity, an index over four words of a form, and a bound on its templates."""

import hashlib
import sys
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec
from drain3.drain import Drain, LogCluster, Node

from detectors.templates.similarity import THRESHOLD, VARIED, similarity

ANCHORS: Final = (0, 1, -1, -2)  # positions of a form by which it is found
LOOKED_AT: Final = 50  # oldest templates with the same word at one anchor: the work a line is bounded

type Key = tuple[int, int, str] | tuple[str, ...]  # length, anchor and word; or the whole form


class Origin(NamedTuple):
    """How a template began: the form of its first line, and the id made of it."""

    template_id: str
    words: tuple[str, ...]


class SavedTemplate(msgspec.Struct, frozen=True, array_like=True):
    """A template: its number by age, the form it began with, the places that were seen to vary since, its lines."""

    number: int
    form: str
    varied: list[int]
    lines: int


class Engine(Drain):
    """Drain whose candidates share the length and the word at one anchor, where Drain's share the first words.

    So a value in first place that looks like a word does not separate lines. `live` holds the templates in the order of
    their last use, `origins` how each began, by which it is indexed. A template that fits perfectly goes on being the
    answer for a form until a template varies in a further place or is forgotten: older ones are looked at first.

    It fails on plain words that are values without anything that says so: each is an event of its own.

    Parameters:
        templates_maximum: Live templates; a new one takes the place of that which was not seen longest.

    Example:
        >>> engine = Engine(100)
        >>> engine.add_log_message("open <*> failed for user bob")[1]
        'cluster_created'
        >>> engine.add_log_message("open <*> failed for user eve")[0].get_template()
        'open <*> failed for user <+>'

    References:
        He, P., Zhu, J., Zheng, Z., Lyu, M. R., 2017. Drain: An Online Log Parsing Approach with Fixed Depth Tree. ICWS.
    """

    def __init__(self, templates_maximum: int) -> None:
        super().__init__(sim_th=THRESHOLD, param_str=VARIED)
        self.templates_maximum = templates_maximum
        self.live: OrderedDict[int, LogCluster | None] = OrderedDict()
        self.id_to_cluster = self.live
        self.origins: dict[int, Origin] = {}
        self.forgotten = 0  # templates, ever
        self._index: dict[Key, list[int]] = {}

    def tree_search(
        self,
        root_node: Node,
        tokens: Sequence[str],
        sim_th: float,
        include_params: bool,  # noqa: FBT001 - Drain's signature
    ) -> LogCluster | None:
        """The most similar candidate, the oldest if several are; room is made for a new template if there is none."""
        del root_node
        candidates = {number for key in _keys(tokens) for number in self._index.get(key, [])[:LOOKED_AT]}
        found = self.fast_match(sorted(candidates), tokens, sim_th, include_params)
        if found is None and len(self.live) >= self.templates_maximum:
            self._forget()
        return found

    def add_seq_to_prefix_tree(self, root_node: Node, cluster: LogCluster) -> None:
        """Index a new template by its form."""
        del root_node
        words = cluster.log_template_tokens = tuple(map(sys.intern, cluster.log_template_tokens))
        self.origins[cluster.cluster_id] = Origin(identity(" ".join(words)), words)
        self._index_by(cluster.cluster_id)

    def template(self, number: int) -> LogCluster:
        """A live template. KeyError if there is none of this number."""
        cluster = self.live[number]
        if cluster is None:
            raise KeyError(number)
        return cluster

    def restore(self, templates: Sequence[SavedTemplate]) -> None:
        """Take templates in, in the order of their last use. ValueError if they can not be ones of this engine."""
        for saved in templates:
            words = tuple(map(sys.intern, saved.form.split()))
            if saved.number in self.live or any(not 0 <= place < len(words) for place in saved.varied):
                raise ValueError(f"saved log template {saved.number} is there twice or varies outside its form")
            varied = set(saved.varied)
            cluster = LogCluster(
                (VARIED if place in varied else word for place, word in enumerate(words)), saved.number
            )
            cluster.size = saved.lines
            self.live[saved.number] = cluster
            self.origins[saved.number] = Origin(identity(" ".join(words)), words)
        for number in sorted(self.origins):
            self._index_by(number)

    def saved(self) -> list[SavedTemplate]:
        """All templates, in the order of their last use."""
        return [self._saved(number) for number in self.live]

    def _saved(self, number: int) -> SavedTemplate:
        cluster = self.template(number)
        varied = [place for place, word in enumerate(cluster.log_template_tokens) if word == VARIED]
        return SavedTemplate(number, " ".join(self.origins[number].words), varied, cluster.size)

    def _index_by(self, number: int) -> None:
        for key in _keys(self.origins[number].words):
            self._index.setdefault(key, []).append(number)

    def get_seq_distance(
        self,
        seq1: Sequence[str],
        seq2: Sequence[str],
        include_params: bool,  # noqa: FBT001 - Drain's signature
    ) -> tuple[float, int]:
        """Similarity; the number of values decides no tie."""
        del include_params
        return similarity(seq1, seq2), 0

    def _forget(self) -> None:
        number, _ = self.live.popitem(last=False)
        self.forgotten += 1
        for key in _keys(self.origins.pop(number).words):
            self._index[key].remove(number)
            if not self._index[key]:
                del self._index[key]


def identity(form: str) -> str:
    """12 hex digits: a template that begins with the same form has the same id on every host and after every restart.

    Example:
        >>> identity("open <*> failed")
        'af51a310d3b4'
    """
    return hashlib.blake2b(form.encode(), digest_size=6).hexdigest()


def _keys(words: Sequence[str]) -> set[Key]:
    length = len(words)
    anchored = {(length, anchor, words[anchor]) for anchor in ANCHORS if -length <= anchor < length}
    return {*anchored, tuple(words)}
