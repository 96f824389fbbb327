"""What choosing flatters, on halves of made-up files."""

import numpy as np
import pytest

from benchmarks.quality import nab
from benchmarks.quality.splits import RECIPES, SHIPPED, score, split, splits

OTHER = next(place for place, recipe in enumerate(RECIPES) if recipe != SHIPPED)
OURS = RECIPES.index(SHIPPED)


def file(*good: int) -> list[nab.Curve]:
    """A file with one incident, caught at its first row by these recipes and missed by all others."""
    caught = [np.array([float(place in good)]) for place in range(len(RECIPES))]
    return [nab.Curve(one, one, np.zeros(1), 1, 1) for one in caught]


def test_the_shipped_recipe_is_one_of_those_compared() -> None:
    """Else it could not be looked at on the same halves."""
    assert SHIPPED in RECIPES


def test_score_is_that_of_all_files_together() -> None:
    """Half of the incidents caught at their first row are 50 points."""
    found = score([file(OURS, OTHER), file(OURS)])
    assert (found[OURS], found[OTHER]) == (100.0, 50.0)


@pytest.mark.parametrize(
    ("files", "there", "elsewhere", "shipped"),
    [
        pytest.param([file(OTHER), file(OURS)], 100.0, 0.0, 100.0, id="good on the one half only"),
        pytest.param([file(OTHER), file(OTHER)], 100.0, 100.0, 0.0, id="good on both"),
    ],
)
def test_chosen_on_one_half_and_looked_at_on_the_other(
    files: list[list[nab.Curve]], there: float, elsewhere: float, shipped: float
) -> None:
    """The second half has no say in the choice."""
    found = split(files, [0, 1])
    assert (found.best, found.there, found.elsewhere, found.shipped) == (RECIPES[OTHER], there, elsewhere, shipped)


def test_halves_are_drawn_anew_each_time() -> None:
    """Of two files that different recipes catch, each is at times the one that is chosen on."""
    best = {one.best for one in splits([file(OURS), file(OTHER)], 20)}
    assert best == {SHIPPED, RECIPES[OTHER]}
