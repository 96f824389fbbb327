"""Ansible imported once, and ansible-playbook run in a fork of that instead of in a new interpreter.

Nothing here has run a playbook: what a fork inherits are modules, the documentation of their options and the tables of
built-in plugins, all read from the installation. What a process reads of its surroundings when it imports Ansible
(configuration, environment, standard streams, signals) is read again in the fork. If the configuration then differs in
more than the folder for temporary files, the fork is not used: it becomes an ordinary ansible-playbook.
"""

import importlib
import os
import signal
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import pexpect  # type: ignore[import-untyped] # it has no types
from ansible import constants
from ansible.cli import playbook
from ansible.config.manager import find_ini_config_file
from ansible.plugins import loader

from remediations.runner.errors import RunnerError

PROGRAM = "ansible-playbook"
MODULES = (
    "ansible.executor.interpreter_discovery",
    "ansible.executor.module_common",
    "ansible.executor.playbook_executor",
    "ansible.executor.process.worker",
    "ansible.executor.task_executor",
    "ansible.executor.task_queue_manager",
    "ansible.module_utils.basic",
    "ansible.plugins.callback",
    "ansible_collections.ansible.builtin",  # its table of moved plugins takes longest of all
)
# Loader, and names of plugins that almost every run uses. A folder of plugins that a playbook brings along clears what
# its loader has found so far. Not here: what makes instances (vars) or locks (ansible-runner's callback) at import.
PLUGINS = (
    ("action_loader", ("assert", "command", "copy", "debug", "fail", "normal", "set_fact", "set_stats", "template")),
    ("action_loader", ("uri", "validate_argument_spec")),
    ("cache_loader", ("memory",)),
    ("callback_loader", ("default", "junit", "minimal", "oneline", "tree")),
    ("inventory_loader", ("yaml",)),
    ("strategy_loader", ("linear",)),
)
# Of these Ansible itself loads all there are.
WHOLE = ("become_loader", "connection_loader", "filter_loader", "shell_loader", "test_loader")
# The settings that are paths of one process; others are made from them.
PATHS = ("DEFAULT_LOCAL_TMP", "ANSIBLE_HOME", "CONFIG_FILE")
# Paths of one run's secrets, which nothing reads before a run does.
OWN = frozenset({"DEFAULT_VAULT_PASSWORD_FILE", "DEFAULT_PRIVATE_KEY_FILE"})
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)
DESCRIPTORS_MAXIMUM = 65_536


def warm_up() -> None:
    """Import what runs use. Raises RunnerError if a thread is left over: a fork would not be safe."""
    loader.init_plugin_loader()
    for name in MODULES:
        importlib.import_module(name)
    for kind, names in PLUGINS:
        for name in names:
            getattr(loader, kind).get(name, class_only=True)
    for kind in WHOLE:
        list(getattr(loader, kind).all(class_only=True))
    if threading.active_count() > 1:
        raise RunnerError(f"imports left {threading.active_count()} threads; wanted 1")


class ForkedPlaybook(pexpect.spawn):  # type: ignore[misc] # pexpect has no types
    """pexpect's process on a terminal of its own, but for ansible-playbook a fork that does not start Python anew."""

    def _spawnpty(self, args: list[bytes], preexec_fn: Callable[[], None] = lambda: None, **options: object) -> object:
        words = [os.fsdecode(word) for word in args]
        if Path(words[0]).name != PROGRAM:
            return super()._spawnpty(args, preexec_fn=preexec_fn, **options)
        environment = dict(self.env)

        def play() -> None:
            """Runs in the fork, on its terminal; when it returns, the program is executed as usual."""
            preexec_fn()
            become(words, environment)

        return super()._spawnpty(args, preexec_fn=play, **options)


def become(words: list[str], environment: dict[str, str]) -> None:
    """Be an ansible-playbook with these words and this environment; returns if that can not be done faithfully."""
    for number in SIGNALS:
        signal.signal(number, signal.default_int_handler if number is signal.SIGINT else signal.SIG_DFL)
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None
    if refresh():
        return
    os.closerange(3, DESCRIPTORS_MAXIMUM)
    open_streams()
    play(words)


def refresh() -> set[str]:
    """Read the configuration of this process; names of settings that differ from those Ansible was imported with."""
    config, before = constants.config, vars(constants).copy()
    config._config_file = find_ini_config_file(config.WARNINGS)  # noqa: SLF001 - there is no other way to read it again
    config._parsers.clear()  # noqa: SLF001 - as above
    config._get_ini_config_value.cache_clear()  # noqa: SLF001 - as above
    if config._config_file:  # noqa: SLF001 - as above
        config._parse_config_file()  # noqa: SLF001 - as above
    for setting in config.get_configuration_definitions():
        constants.set_constant(setting, config.get_config_value(setting, variables=vars(constants)))
    return {
        name
        for name in set(config.get_configuration_definitions()) - OWN
        if differs(before[name], before, vars(constants)[name], vars(constants))
    }


def differs(old: object, before: dict[str, object], new: object, after: dict[str, object]) -> bool:
    """Whether a setting differs in more than the folders in its paths."""
    text = str(old)
    for name in PATHS:
        text = text.replace(str(before[name]), str(after[name]))
    return text != str(new)


def open_streams() -> None:
    """Streams for the terminal; those that were inherited belong to another process."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        old = getattr(sys, name)
        buffering = 1 if mode == "w" else -1
        new = open(number, mode, buffering, encoding=old.encoding, errors=old.errors, closefd=False)  # noqa: SIM115 - a descriptor, open to the end
        setattr(sys, name, new)
        setattr(sys, f"__{name}__", new)


def play(words: list[str]) -> NoReturn:
    """Ansible's own main; nothing that the parent registered for its exit is run at this one."""
    sys.argv = words
    warnings.filterwarnings("ignore", message="AnsibleCollectionFinder has already been configured")
    code: object = 1
    try:
        playbook.main(words)
    except SystemExit as left:
        code = left.code
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError):
                stream.flush()
        os._exit(code if isinstance(code, int) else int(code is not None))
