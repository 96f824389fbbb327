"""The health endpoints of a role: `/metrics`, `/healthz` (the event loop turns) and `/readyz` (its checks, by name)."""

from collections.abc import Callable, Mapping

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.aiohttp import make_aiohttp_handler

from stream.metrics import OwnerMetrics
from stream.owner import OWNER, Owner

type Check = Callable[[], bool | str]
"""Answers at once whether one thing that readiness needs is there; text is the cause why it is not."""

type Note = Callable[[], str]
"""Answers at once with what an operator should know; empty if there is nothing."""


class HealthServer:
    """Serves the endpoints of one role; `port` 0 takes any free port, told by `port` after `start`.

    A role is not ready while its owner tells of a trouble; the words are given below `causes`.

    Attributes:
        port: The port that is really bound.
    """

    def __init__(
        self,
        address: str,
        port: int,
        registry: CollectorRegistry,
        checks: Mapping[str, Check],
        owner: Owner = OWNER,
    ) -> None:
        self.port = port
        self._address = address
        self._checks = checks
        self._owner = owner
        OwnerMetrics(registry).follow(owner)
        self._notes: dict[str, Note] = {}
        application = web.Application()
        application.router.add_get("/metrics", make_aiohttp_handler(registry))
        application.router.add_get("/healthz", self._healthz)
        application.router.add_get("/readyz", self._readyz)
        self._runner = web.AppRunner(application, access_log=None, handle_signals=False)

    def add_note(self, name: str, note: Note) -> None:
        """Tell something beside the checks, which does not make the role unready: while there is something to tell."""
        self._notes[name] = note

    async def start(self) -> None:
        """Bind and serve; raises OSError naming the address when it is taken."""
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._address, self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Close the port."""
        await self._runner.cleanup()

    async def _healthz(self, _request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def _readyz(self, _request: web.Request) -> web.Response:
        answers = {name: check() for name, check in self._checks.items()} | dict(self._owner.tidings.troubles)
        checks = {name: answer is True for name, answer in answers.items()}
        causes = {name: answer for name, answer in answers.items() if isinstance(answer, str)}
        notes = {name: words for name, note in self._notes.items() if (words := note())}
        ready = all(checks.values())
        told = {"ready": ready, "checks": checks}
        told |= {"causes": causes} if causes else {}
        told |= {"notes": notes} if notes else {}
        return web.json_response(told, status=200 if ready else 503)
