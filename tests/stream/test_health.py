"""The health endpoints tell the truth about a role."""

import aiohttp
import pytest

from stream.health import HealthServer
from stream.metrics import DetectMetrics, new_registry

READINESS = [
    pytest.param({"broker": True, "state": True}, 200, True, id="all checks pass"),
    pytest.param({"broker": True, "state": False}, 503, False, id="one check fails"),
    pytest.param({}, 200, True, id="nothing to check"),
]


@pytest.mark.parametrize(("checks", "status", "ready"), READINESS)
async def test_readiness_is_all_checks(checks: dict[str, bool], status: int, ready: bool) -> None:  # noqa: FBT001 - a table column
    """`/readyz` answers 200 only if every check passes, and names each; `/healthz` needs none of them."""
    answers = {name: (lambda value=value: value) for name, value in checks.items()}
    server = HealthServer("127.0.0.1", 0, new_registry("detect"), answers)
    await server.start()
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as client:
            readiness = await client.get("/readyz")
            health = await client.get("/healthz")

            assert readiness.status == status
            assert await readiness.json() == {"ready": ready, "checks": checks}
            assert health.status == 200
    finally:
        await server.stop()


async def test_readiness_tells_causes() -> None:
    """Of a check that does not pass the cause is told, if there is one to tell; of others nothing."""
    checks = {"broker": lambda: True, "runner": lambda: False, "state": lambda: False}
    causes = {"broker": lambda: "never told", "runner": lambda: "no Python"}
    server = HealthServer("127.0.0.1", 0, new_registry("engine"), checks, causes)
    await server.start()
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as client:
            answer = await (await client.get("/readyz")).json()
    finally:
        await server.stop()
    assert answer["causes"] == {"runner": "no Python"}


async def test_metrics_are_served_in_prometheus_form() -> None:
    """`/metrics` carries the role's own table and the process figures."""
    registry = new_registry("detect")
    metrics = DetectMetrics(registry)
    metrics.rejected.labels(reason="no_host").inc()
    server = HealthServer("127.0.0.1", 0, registry, {})
    await server.start()
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as client:
            text = await (await client.get("/metrics")).text()
    finally:
        await server.stop()

    assert 'tidegate_detect_records_rejected_total{reason="no_host"} 1.0' in text
    assert "process_resident_memory_bytes" in text
    assert 'tidegate_build_info{python="' in text
