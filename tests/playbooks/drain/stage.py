"""Runs of the drain playbooks on web-1, through the balancer's host lb-1."""

import shutil
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import msgspec

from remediations.runs import RunRequest, Target
from tests.playbooks.collections import collections_folder
from tests.playbooks.runs import LOCAL, Played, Stage


class DrainStage(Stage):
    """The shipped drain and undrain on web-1; lb-1 is this machine as well."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        # Without a namespace of its own: the run is local, so it would not see the balancer's processes from inside.
        self.settings = msgspec.structs.replace(self.settings, collections=collections_folder(), pid_namespace=False)
        self.balancer: dict[str, object] = {}
        self._action = 0

    def reset(self, server: str, variables: dict[str, object]) -> None:
        """Begin a test: nothing is noted on the target; the balancer knows it by this name."""
        shutil.rmtree(self.markers, ignore_errors=True)
        self.variables = {"drain_backend": "shop", "drain_wait_seconds": 40, **variables}
        self.inputs = {"drain_server": server, "drain_balancer_host": "lb-1"}
        self.balancer = LOCAL

    def ask(self, playbook: str, **variables: object) -> RunRequest:
        """A request for a new action, with the balancer's host among the delegates."""
        self._action += 1
        request = self.request(action=self._action, playbook=f"{playbook}.yml", variables=variables)
        return msgspec.structs.replace(request, delegates=(Target("lb-1", self.balancer),))

    def run(self, playbook: str, **variables: object) -> Played:
        """Run drain or undrain as a new action, with variables of the host."""
        return self.play(self.ask(playbook, **variables))

    @contextmanager
    def running(self, playbook: str) -> Iterator["Future[Played]"]:
        """A run that goes on meanwhile."""
        with ThreadPoolExecutor(1) as pool:
            yield pool.submit(self.run, playbook)

    def notes(self) -> list[str]:
        """What the target notes as drained by us."""
        return sorted(path.name for path in self.markers.glob("drained@*"))
