"""The shipped restart playbook, on a deployment of an emulated cluster."""

from remediations.runs import RunStatus
from tests.playbooks.kubernetes.stage import KubernetesStage

MANAGER = {"restart_service_manager": "kubernetes", "restart_service_name": "web", "restart_wait_seconds": 6}
RESTARTED = "kubectl.kubernetes.io/restartedAt"


def test_restart(stage: KubernetesStage) -> None:
    """Every pod is replaced by one that is ready, the template carries the time; no other deployment is touched."""
    before, others = stage.pods(), stage.pods("other")
    played = stage.run("restart", **MANAGER)
    assert played.result.status is RunStatus.SUCCESSFUL, played.result
    after = stage.deployment()
    assert len(stage.pods()) == 2
    assert not stage.pods().keys() & before.keys()
    assert after["status"]["observedGeneration"] == after["metadata"]["generation"] == 2
    assert after["metadata"]["annotations"]["example.com/owner"] == "shop team"
    assert stage.pods("other") == others
    told = stage.template()["metadata"]["annotations"][RESTARTED]
    assert played.result.result["restart"] == {
        "web-1": {
            "service": "web",
            "before": {"state": "running", "replicas": 2, "available": 2, "revision": "1"},
            "after": {"state": "running", "replicas": 2, "available": 2, "revision": "2", "restarted_at": told},
        }
    }
    assert stage.api.changes == ["PATCH /apis/apps/v1/namespaces/shop/deployments/web"]
