"""What may be learned."""

import pytest

from detectors.contract import Band
from detectors.guard import MISFITS_MAXIMUM, Guard

BAND = Band(10.0, 2.0)


@pytest.mark.parametrize(("value", "learned"), [(10.0, 10.0), (17.9, 17.9), (1e100, 18.0), (-1e100, 2.0)])
def test_outliers_are_drawn_in(value: float, learned: float) -> None:
    """A value beyond four scales is learned as if it were there."""
    assert learned == Guard(readings=100).admit(value, BAND)


def test_many_misfits_in_a_row_start_again() -> None:
    """The last of them says so; one ordinary value in between begins the count anew."""
    guard = Guard(readings=1000)
    values = [90.0] * (MISFITS_MAXIMUM - 1) + [10.0] + [90.0] * MISFITS_MAXIMUM
    admitted = [guard.admit(value, BAND) for value in values]
    assert [len(values) - 1] == [place for place, value in enumerate(admitted) if value is None]


def test_a_bad_first_value_is_soon_forgotten() -> None:
    """A series whose first value is 1e100 starts again within ten ordinary ones."""
    guard = Guard()
    admitted = [guard.admit(value, Band(1e100, 1e98)) for value in [1e100] + [5.0] * 10]
    assert None in admitted


def test_a_series_of_zeros_needs_two_outliers_to_get_a_scale() -> None:
    """The first is not learned, the second only to the size of the first."""
    guard = Guard(readings=100)
    assert [0.0, 1.0, 3.0] == [guard.admit(value, Band(0.0, 0.0)) for value in (1.0, 1e100, 3.0)]
