"""The examples in the docstrings of drift detection run."""

import doctest
import importlib
import pkgutil

import pytest

from detectors import drift


@pytest.mark.parametrize("name", [module.name for module in pkgutil.iter_modules(drift.__path__)])
def test_examples_run(name: str) -> None:
    """Each module's examples give what they say."""
    assert doctest.testmod(importlib.import_module(f"detectors.drift.{name}")).failed == 0
