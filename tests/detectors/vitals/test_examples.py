"""The examples in the docstrings of the package run."""

import doctest
import importlib
import pkgutil

import pytest

import detectors.vitals


@pytest.mark.parametrize("name", [module.name for module in pkgutil.iter_modules(detectors.vitals.__path__)])
def test_examples_run(name: str) -> None:
    """Each module's examples give what they say."""
    assert doctest.testmod(importlib.import_module(f"detectors.vitals.{name}")).failed == 0
