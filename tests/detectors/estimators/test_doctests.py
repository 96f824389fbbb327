"""The examples in the docstrings of River's detectors behind our contract run."""

import doctest
import importlib
import pkgutil

import pytest

from detectors import estimators


@pytest.mark.parametrize("name", [module.name for module in pkgutil.iter_modules(estimators.__path__)])
def test_examples_run(name: str) -> None:
    """Each module's examples give what they say."""
    assert doctest.testmod(importlib.import_module(f"detectors.estimators.{name}")).failed == 0
