"""Why a sample scored what it did, complete enough to be drawn without the model."""

import msgspec


class ViewEvidence(msgspec.Struct, frozen=True):
    """One view: what it saw, the nearest number it remembered, and -log10 of the tail probability of their distance.

    `seen` and `nearest` of views that look at the value or a mean are relative to the first value of the series.
    """

    view: str
    seen: float
    nearest: float
    p: float


class SampleEvidence(msgspec.Struct, frozen=True):
    """One sample in the unit of its series.

    `expected` is the nearest remembered value, `low` and `high` bound the middle nine tenths of what is remembered;
    `views` is ordered, most surprised first.
    """

    observed: float
    expected: float
    low: float
    high: float
    views: tuple[ViewEvidence, ...]

    def votes(self) -> dict[str, float]:
        """Each view's -log10 p."""
        return {view.view: view.p for view in self.views}
