"""The shipped drain and undrain playbooks, on a node of an emulated cluster."""

from remediations.runs import RunStatus
from tests.playbooks.kubernetes.stage import MERGE, Inputs, KubernetesStage

NODE: Inputs = {
    "drain_balancer": "kubernetes",
    "drain_server": "node-1",
    "drain_wait_seconds": 9,
    "drain_kubernetes_retry_seconds": 1,
}
CORDON = "PATCH /api/v1/nodes/node-1"


def test_drain_and_undrain(stage: KubernetesStage) -> None:
    """Pods leave as fast as the budget lets them, a DaemonSet's stays; undrain makes the node schedulable again.

    What is drained already stays as it is.
    """
    stage.scale_by_hand("web", 4)
    stage.protect("web", minAvailable=3)  # two of four are on this node: the second has to wait
    stage.add_pod("agent", "node-1", "DaemonSet")
    played = stage.run("drain", NODE)
    assert played.result.status is RunStatus.SUCCESSFUL, played.result
    assert stage.is_cordoned("node-1")
    assert stage.pods_on("node-1") == {"agent"}
    assert (len(stage.pods()), len(stage.pods("other"))) == (4, 2)
    assert played.result.result["drain"] == {"web-1": {"server": "node-1", "changed": True, "others": 1, "pods": 3}}
    evictions = [change for change in stage.api.changes if change.endswith("/eviction")]
    assert len(evictions) > 3
    before = stage.api.changes
    again = stage.run("drain", NODE, action=2)
    assert again.result.result["drain"] == {"web-1": {"server": "node-1", "changed": False, "others": 1, "pods": 0}}
    assert stage.api.changes == before
    back = stage.run("undrain", NODE, action=3)
    assert back.result.status is RunStatus.SUCCESSFUL, back.result
    assert not stage.is_cordoned("node-1")


def test_budget_is_respected(stage: KubernetesStage) -> None:
    """Pods that a disruption budget keeps stay, with the reason; the node takes pods again."""
    stage.protect("web", maxUnavailable=0)
    kept = set(stage.pods()) & stage.pods_on("node-1")
    played = stage.run("drain", NODE | {"drain_wait_seconds": 1})
    assert played.result.status is RunStatus.FAILED
    assert "would violate the pod's disruption budget" in played.result.reason
    assert "It was put back as it was." in played.result.reason
    assert not stage.is_cordoned("node-1")
    assert kept <= set(stage.pods())


def test_pod_that_does_not_end(stage: KubernetesStage) -> None:
    """A pod that is still there when the time is up is named, and the node takes pods again."""
    stage.add_pod("stuck", "node-1", "ReplicaSet", finalizers=["example.com/backup"])
    played = stage.run("drain", NODE | {"drain_wait_seconds": 3})
    assert played.result.status is RunStatus.FAILED
    assert "after 3 s there still run shop/stuck. It was put back as it was." in played.result.reason
    assert not stage.is_cordoned("node-1")


def test_pod_that_nothing_brings_back(stage: KubernetesStage) -> None:
    """A pod without a controller is not evicted, and neither is any other."""
    stage.add_pod("by-hand", "node-1")
    before = stage.pods_on("node-1")
    played = stage.run("drain", NODE)
    assert played.result.status is RunStatus.FAILED
    assert "cannot delete Pods not managed" in played.result.reason
    assert stage.pods_on("node-1") == before
    assert not stage.is_cordoned("node-1")


def test_cut_off_drain(stage: KubernetesStage) -> None:
    """A node that somebody cordoned and that still has pods is not called drained."""
    stage.cordon_by_hand("node-1")
    played = stage.run("drain", NODE)
    assert played.result.status is RunStatus.FAILED
    assert "node-1 is taken out already, but 2 still run on it" in played.result.reason
    assert stage.api.changes == []


def test_last_node(stage: KubernetesStage) -> None:
    """A node is not drained when too few others take pods; what somebody else cordoned stays so."""
    stage.cordon_by_hand("node-2")
    played = stage.run("drain", NODE)
    assert played.result.status is RunStatus.FAILED
    assert "0 other(s) of kubernetes would serve, wanted at least 1" in played.result.reason
    undrained = stage.run("undrain", NODE | {"drain_server": "node-2"}, action=2)
    assert undrained.result.status is RunStatus.FAILED
    assert "node-2 was drained by somebody else" in undrained.result.reason
    assert (stage.is_cordoned("node-1"), stage.is_cordoned("node-2")) == (False, True)
    assert stage.api.changes == []


def test_check_mode(stage: KubernetesStage) -> None:
    """A check tells how many pods would go and changes nothing."""
    played = stage.run("drain", NODE, check=True)
    assert played.result.status is RunStatus.SUCCESSFUL, played.result
    assert played.result.result["drain"] == {"web-1": {"server": "node-1", "changed": True, "others": 1, "pods": 2}}
    assert stage.api.changes == []


def test_node_that_is_not_ready(stage: KubernetesStage) -> None:
    """A node that does not get ready is cordoned again, and the reason says what was waited for."""
    assert stage.run("drain", NODE).result.status is RunStatus.SUCCESSFUL
    status = {"conditions": [{"type": "Ready", "status": "False"}]}
    stage.cluster.patch(("Node", None, "node-1"), {"status": status}, MERGE)
    played = stage.run("undrain", NODE | {"drain_wait_seconds": 2}, action=2)
    assert played.result.status is RunStatus.FAILED
    assert "Wait until the node is ready for pods" in played.result.reason
    assert "It was put back as it was." in played.result.reason
    assert stage.is_cordoned("node-1")
