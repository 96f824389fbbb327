"""The API of an emulated Kubernetes cluster on a port of this machine, with a kubeconfig file that leads to it.

kmock's KubernetesEmulator serves HTTP, discovery and the parsing of paths. Its store merges every patch alike, and
knows no selectors, evictions, controllers; objects therefore come from `tests.kubernetes.cluster`.
"""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp.web
import kmock
import yaml

from tests.kubernetes.cluster import TICK_SECONDS, Cluster
from tests.kubernetes.patches import ApiError

TOKEN = "token-of-the-emulated-cluster"  # noqa: S105 - guards nothing; tests look that it is never written down
STRATEGIC = "application/strategic-merge-patch+json"
DISCOVERED = (
    ("v1/nodes", "Node", False, ()),
    ("v1/pods", "Pod", True, ("eviction",)),
    ("apps/v1/deployments", "Deployment", True, ("scale",)),
    ("apps/v1/replicasets", "ReplicaSet", True, ("scale",)),
    ("policy/v1/poddisruptionbudgets", "PodDisruptionBudget", True, ()),
    ("autoscaling/v2/horizontalpodautoscalers", "HorizontalPodAutoscaler", True, ()),
)
VERBS = ("create", "delete", "get", "list", "patch", "update", "watch")


class Emulator(kmock.KubernetesEmulator):
    """Answers requests for objects out of a cluster, all others as kmock does."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__()
        self.cluster = cluster
        self.changes: list[str] = []
        self.then: Callable[[], None] | None = None
        self.is_down = False
        self.forbidden: tuple[str, str] | None = None
        self.kinds = {}
        for name, kind, namespaced, subresources in DISCOVERED:
            self.resources[name] = kmock.ResourceInfo(
                kind=kind, singular=kind.lower(), namespaced=namespaced, subresources=subresources, verbs=VERBS
            )
            self.kinds[name.rpartition("/")[2]] = kind

    async def _handle(self, request: kmock.Request) -> aiohttp.web.StreamResponse:
        try:
            self._check_health()
            check_token(request.headers.get("Authorization", request.headers.get("authorization", "")))
            if request.resource is None or request.resource.plural not in self.kinds:
                return await super()._handle(request)
            self._check_rights(request.method.value, request.resource.plural)
            answer = self._answer(request, self.kinds[request.resource.plural])
            then, self.then = (self.then, None) if self.changes else (None, self.then)
            if then is not None:
                then()
            return aiohttp.web.json_response(answer)
        except ApiError as error:
            status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": error.status}
            return aiohttp.web.json_response(
                status | {"reason": error.reason, "message": error.message}, status=error.status
            )

    def _check_health(self) -> None:
        if self.is_down:
            raise ApiError(503, "ServiceUnavailable", "etcdserver: no leader")

    def _check_rights(self, method: str, resource: str) -> None:
        if self.forbidden == (method, resource):
            raise ApiError(403, "Forbidden", f"tidegate may not {method} {resource}")

    def _answer(self, request: kmock.Request, kind: str) -> dict[str, Any]:
        if request.method.value != "GET" and request.params.get("dryRun") != "All":
            self.changes.append(f"{request.method.value} {request.url.path}")
        namespace, name = request.namespace, request.name
        match request.method.value, request.subresource:
            case "GET", None if name is None:
                selectors = request.params.get("labelSelector", ""), request.params.get("fieldSelector", "")
                items = [public(each) for each in self.cluster.select(kind, namespace, *selectors)]
                version = items[0]["apiVersion"] if items else "v1"
                return {"kind": f"{kind}List", "apiVersion": version, "metadata": {}, "items": items}
            case "GET", None:
                return public(self.cluster.get(kind, namespace, str(name)))
            case "PATCH", None | "scale":
                body = request.data
                if request.subresource == "scale":
                    body = {"spec": {"replicas": body["spec"]["replicas"]}}
                content_type = request.headers.get("Content-Type", STRATEGIC)
                dry = request.params.get("dryRun") == "All"
                return public(self.cluster.patch((kind, namespace, str(name)), body, content_type, dry_run=dry))
            case "POST", "eviction":
                self.cluster.evict(str(namespace), str(name))
                return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
        raise ApiError(405, "MethodNotAllowed", f"{request.method} is not emulated for {kind}")


def check_token(header: str) -> None:
    """Only who has the kubeconfig file may ask."""
    if header != f"Bearer {TOKEN}":
        raise ApiError(401, "Unauthorized", "Unauthorized")


def public(each: dict[str, Any]) -> dict[str, Any]:
    """An object without what only the emulation knows."""
    return {key: value for key, value in each.items() if key != "seen"}


class Api:
    """Serves a cluster and lets its controllers work, in a thread, while the context lasts."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.cluster = cluster
        self.kubeconfig = folder / "kubeconfig"
        self._emulator = Emulator(cluster)
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="kubernetes-api")

    def __enter__(self) -> Self:
        """Start."""
        self._thread.start()
        if not self._ready.wait(10):
            raise AssertionError("the API does not get ready")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()

    @property
    def changes(self) -> list[str]:
        """Method and path of every request that was to change something."""
        return list(self._emulator.changes)

    @property
    def then(self) -> Callable[[], None] | None:
        """What somebody else does once, right after the first change."""
        return self._emulator.then

    @then.setter
    def then(self, does: Callable[[], None]) -> None:
        self._emulator.then = does

    def fail(self) -> None:
        """Answer 503 from here on."""
        self._emulator.is_down = True

    def forbid(self, method: str, resource: str) -> None:
        """Answer 403 to this from here on."""
        self._emulator.forbidden = method, resource

    def stop(self) -> None:
        """Answer no more."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        async with kmock.Server(self._emulator) as server:
            self._write_kubeconfig(str(server.url).rstrip("/"))
            self._ready.set()
            while not self._stopping.is_set():
                self.cluster.tick()
                await asyncio.sleep(TICK_SECONDS)

    def _write_kubeconfig(self, url: str) -> None:
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [{"name": "test", "cluster": {"server": url}}],
            "users": [{"name": "test", "user": {"token": TOKEN}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        }
        self.kubeconfig.touch(mode=0o600)
        self.kubeconfig.write_text(yaml.safe_dump(content))
