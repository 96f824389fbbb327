"""The modules that roles bring along, as Python modules for tests."""

import importlib.util
from types import ModuleType

from tests.playbooks.runs import PLAYBOOKS


def library(role: str, name: str) -> ModuleType:
    """A module of a role's own library."""
    return _module(role, "library", name)


def shared(role: str, name: str) -> ModuleType:
    """What the modules of a role share."""
    return _module(role, "module_utils", name)


def _module(role: str, folder: str, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, PLAYBOOKS / "roles" / role / folder / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
