"""The health endpoints of a role: `/metrics`, `/healthz` (the event loop turns) and `/readyz` (its checks, by name)."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.aiohttp import make_aiohttp_handler

type Check = Callable[[], bool]
"""Answers at once whether one thing that readiness needs is there."""

type Cause = Callable[[], str]
"""Says why a check does not pass, empty if there is nothing to say."""


class HealthServer:
    """Serves the endpoints of one role; `port` 0 takes any free port, told by `port` after `start`.

    `causes` say, by the names of checks, why these do not pass.

    Attributes:
        port: The port that is really bound.
    """

    def __init__(
        self,
        address: str,
        port: int,
        registry: CollectorRegistry,
        checks: Mapping[str, Check],
        causes: Mapping[str, Cause] = MappingProxyType({}),
    ) -> None:
        self.port = port
        self._address = address
        self._checks = checks
        self._causes = causes
        application = web.Application()
        application.router.add_get("/metrics", make_aiohttp_handler(registry))
        application.router.add_get("/healthz", self._healthz)
        application.router.add_get("/readyz", self._readyz)
        self._runner = web.AppRunner(application, access_log=None, handle_signals=False)

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
        answers = {name: check() for name, check in self._checks.items()}
        ready = all(answers.values())
        told = {name: why for name, cause in self._causes.items() if not answers.get(name) and (why := cause())}
        answer = {"ready": ready, "checks": answers} | ({"causes": told} if told else {})
        return web.json_response(answer, status=200 if ready else 503)
