"""The shipped drain and undrain playbooks, on a node of an emulated cluster."""

from remediations.runs import RunStatus
from tests.playbooks.kubernetes.stage import KubernetesStage

NODE = {
    "drain_balancer": "kubernetes",
    "drain_server": "node-1",
    "drain_wait_seconds": 6,
    "drain_kubernetes_retry_seconds": 1,
}


def test_drain_and_undrain(stage: KubernetesStage) -> None:
    """Pods leave one by one as the budget lets them, a DaemonSet's stays; undrain makes the node schedulable again."""
    stage.protect("web", minAvailable=1)
    stage.add_daemon_pod("node-1")
    played = stage.run("drain", **NODE)
    assert played.result.status is RunStatus.SUCCESSFUL, played.result
    assert stage.is_cordoned("node-1")
    assert stage.pods_on("node-1") == {"agent-node-1"}
    assert (len(stage.pods()), len(stage.pods("other"))) == (2, 2)
    assert played.result.result["drain"] == {
        "web-1": {"server": "node-1", "changed": True, "others": 1, "pods": 2},
    }
    back = stage.run("undrain", **NODE, action=2)
    assert back.result.status is RunStatus.SUCCESSFUL, back.result
    assert not stage.is_cordoned("node-1")
