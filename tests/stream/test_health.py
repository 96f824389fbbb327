"""The health endpoints tell the truth about a role."""

import aiohttp
import pytest

from stream.health import HealthServer
from stream.metrics import DetectMetrics, new_registry
from stream.owner import Owner

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


async def test_a_check_that_knows_why_says_it() -> None:
    """Text in place of a yes is the cause: the role is not ready, and `causes` says it under the check's name."""
    server = HealthServer("127.0.0.1", 0, new_registry("detect"), {"feed": lambda: "no topic", "state": lambda: True})
    await server.start()
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as client:
            readiness = await client.get("/readyz")
            told = await readiness.json()
    finally:
        await server.stop()
    assert readiness.status == 503
    assert told == {"ready": False, "checks": {"feed": False, "state": True}, "causes": {"feed": "no topic"}}


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


async def test_a_trouble_of_the_owner_makes_a_role_not_ready() -> None:
    """What the owner tells is a failed check with its words, and a metric, until it tells that all is well."""
    owner, registry = Owner(), new_registry("engine")
    server = HealthServer("127.0.0.1", 0, registry, {"audit_log": lambda: True}, owner)
    await server.start()
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as client:
            owner.hear(b'{"troubles":{"kafka":"killed by SIG')  # the pipe may cut a line anywhere
            owner.hear(b'KILL"},"state_free_bytes":9000}\nno tidings\n')
            troubled = await client.get("/readyz")
            text = await (await client.get("/metrics")).text()
            owner.hear(b"{}\n")
            well = await client.get("/readyz")

            checks = {"audit_log": True, "kafka": False}
            told = {"ready": False, "checks": checks, "causes": {"kafka": "killed by SIGKILL"}}
            assert (troubled.status, await troubled.json()) == (503, told)
            assert 'tidegate_up_trouble{kind="kafka"} 1.0' in text
            assert 'tidegate_up_trouble{kind="free_space"} 0.0' in text
            assert "tidegate_up_state_folder_free_bytes 9000.0" in text
            assert (well.status, await well.json()) == (200, {"ready": True, "checks": {"audit_log": True}})
    finally:
        await server.stop()
