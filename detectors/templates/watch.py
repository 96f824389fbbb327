"""The log templates of one host: their rates as series, and which of them were never seen before."""

from collections.abc import Collection, Sequence
from typing import Final

import msgspec

from detectors.rates import Window
from detectors.signals import LineEvidence
from detectors.templates.miner import Match, MinerSettings, TemplateMiner

TEMPLATES_MAXIMUM: Final = 200  # of a host
SERIES_MAXIMUM: Final = 16  # templates of a host whose rate is a series
PREFIX: Final = "log.template"
UNSEEN: Final = "log.unseen"
MATURE_WINDOWS: Final = 60  # windows with lines before anything can be called never seen
UNSEEN_WINDOWS: Final = 60  # windows until a never-seen template is an ordinary one
RARE_SHARE, RARE_MEMORY = 0.02, 500.0  # of the latest lines may have begun a template
CONFIRMED_LINES, CONFIRMED_WINDOWS = 3, 2  # of a template, before anything is made of it
TEXT_MAXIMUM: Final = 200  # characters of a template or a line that are kept
LINES_MAXIMUM: Final = 4  # of evidence


class Track(msgspec.Struct, array_like=True):
    """What is remembered of a template; `open` counts its lines in the open window, `first` and `last` are windows."""

    first: int
    last: int
    windows: int
    lines: int
    open: int
    is_unseen: bool
    time: float
    level: str
    template: str
    line: str


class SavedWatch(msgspec.Struct, frozen=True, array_like=True):
    """Saved templates of a host; tracks in the order of their last use."""

    miner: bytes
    windows: int
    lined: int
    lines: int
    begun: float
    tracks: list[tuple[str, Track]]
    series: dict[str, float]


class LogTemplates:
    """Adds to each closed window of log rates the rate of every watched template, and that of never-seen ones.

    A template is watched once it is confirmed: some lines in two windows or more. A place is given away when its
    template was quiet for a lifetime. A template was *never seen* if it began when the host's logs were mature and new
    templates were rare; it is so for 60 windows, and counts from its confirmation on. A host with more templates than
    are remembered says nothing of new ones: it can not tell them from forgotten ones.

    Parameters:
        seconds: Length of a window.
        lifetime_seconds: Quiet time (event time) after which a watched template gives its place to another.

    Example:
        >>> templates = LogTemplates(5.0, 86_400.0)
        >>> for second in range(3):
        ...     templates.count(float(second), "info", f"took {second} ms")
        ...     windows = templates.close([Window(5.0 * second + 5.0, {})])
        >>> windows[0].rates
        {'log.unseen': 0.0, 'log.template{id=68b730afd597}': 0.2}
    """

    __slots__ = ("begun", "lifetime_seconds", "lined", "lines", "miner", "seconds", "series", "tracks", "windows")

    def __init__(self, seconds: float, lifetime_seconds: float) -> None:
        self.seconds = seconds
        self.lifetime_seconds = lifetime_seconds
        self.miner = TemplateMiner(MinerSettings(TEMPLATES_MAXIMUM))
        self.windows = 0
        self.lined = 0
        self.lines = 0
        self.begun = 1.0  # share of the latest lines that began a template
        self.tracks: dict[str, Track] = {}
        self.series: dict[str, float] = {}

    def count(self, time: float, level: str, message: str) -> None:
        """Count one line; `close` with the windows that end before it comes first."""
        match = self.miner.add(message)
        track = self.tracks.pop(match.template_id, None) or self._begin(match, time, level, message)
        self.tracks[match.template_id] = track
        if len(self.tracks) > TEMPLATES_MAXIMUM:
            del self.tracks[next(iter(self.tracks))]
        if not track.windows or track.last != self.windows:
            track.windows += 1
        track.last, track.template = self.windows, match.template[:TEXT_MAXIMUM]
        track.lines += 1
        track.open += 1
        self.lines += 1
        self.begun += (match.is_new - self.begun) / min(self.lines, RARE_MEMORY)
        self._watch(match.template_id, track, time)

    def close(self, windows: Sequence[Window]) -> list[Window]:
        """The windows, oldest first, with the rates of templates added; nothing is added before the first line."""
        return [Window(window.end, window.rates | self._close()) for window in windows] if self.lines else list(windows)

    def evidence(self, series: Collection[str]) -> tuple[LineEvidence, ...]:
        """A line of each never-seen template, latest first, then of each of these series that is a template's."""
        tracks = list(reversed(self.tracks.items()))
        unseen = [one for one in tracks if self._is_unseen(one[1])]
        blamed = [one for one in tracks if _name(one[0]) in series and one not in unseen]
        return tuple(
            LineEvidence(key, track.template, track.level, track.line, track.time, self._is_unseen(track))
            for key, track in [*unseen, *blamed][:LINES_MAXIMUM]
        )

    def _begin(self, match: Match, time: float, level: str, message: str) -> Track:
        mature = self.lined >= MATURE_WINDOWS and self.begun < RARE_SHARE
        return Track(
            first=self.windows,
            last=self.windows,
            windows=0,
            lines=0,
            open=0,
            is_unseen=match.is_new and mature and not self.miner.forgotten,
            time=time,
            level=level,
            template="",
            line=message[:TEXT_MAXIMUM].encode(errors="replace").decode(),
        )

    def _watch(self, key: str, track: Track, time: float) -> None:
        if not _is_confirmed(track):
            return
        if key not in self.series and len(self.series) >= SERIES_MAXIMUM:
            oldest = min(self.series, key=self.series.__getitem__)
            if time - self.series[oldest] < self.lifetime_seconds:
                return
            del self.series[oldest]
        self.series[key] = time

    def _close(self) -> dict[str, float]:
        unseen = sum(track.open for track in self.tracks.values() if self._is_unseen(track))
        opened = {key: self.tracks[key].open if key in self.tracks else 0 for key in self.series}
        self.lined += any(track.open for track in self.tracks.values())
        self.windows += 1
        for track in self.tracks.values():
            track.open = 0
        return {UNSEEN: unseen / self.seconds} | {_name(key): count / self.seconds for key, count in opened.items()}

    def _is_unseen(self, track: Track) -> bool:
        return track.is_unseen and _is_confirmed(track) and self.windows - track.first < UNSEEN_WINDOWS

    def state(self) -> SavedWatch:
        """Everything, as plain values."""
        tracks = [(key, msgspec.structs.replace(track)) for key, track in self.tracks.items()]
        return SavedWatch(
            self.miner.to_bytes(), self.windows, self.lined, self.lines, self.begun, tracks, dict(self.series)
        )

    @classmethod
    def restore(cls, state: SavedWatch, seconds: float, lifetime_seconds: float) -> "LogTemplates":
        """Templates with this state. ValueError if their miner's bytes are damaged or of another version."""
        templates = cls(seconds, lifetime_seconds)
        templates.miner = TemplateMiner.from_bytes(state.miner, templates.miner.settings)
        templates.windows, templates.lined = state.windows, state.lined
        templates.lines, templates.begun = state.lines, state.begun
        templates.tracks = {key: msgspec.structs.replace(track) for key, track in state.tracks}
        templates.series = dict(state.series)
        return templates


def _is_confirmed(track: Track) -> bool:
    return track.lines >= CONFIRMED_LINES and track.windows >= CONFIRMED_WINDOWS


def _name(template_id: str) -> str:
    return f"{PREFIX}{{id={template_id}}}"


def is_of_templates(series: str) -> bool:
    """Whether a series is the rate of a template, or of never-seen ones."""
    return series.startswith(PREFIX) or series == UNSEEN
