"""The shipped scale playbook, on a deployment of an emulated cluster."""

from remediations.runs import RunStatus
from tests.playbooks.kubernetes.stage import KubernetesStage

MANAGER = {
    "scale_service_manager": "kubernetes",
    "scale_service_name": "web",
    "scale_maximum": 6,
    "scale_wait_seconds": 6,
}


def test_scale(stage: KubernetesStage) -> None:
    """Up by two: four pods are ready, those from before are among them. The same again is refused by the guard."""
    before = stage.pods()
    played = stage.run("scale", **MANAGER, scale_by=2, scale_expected=2)
    assert played.result.status is RunStatus.SUCCESSFUL, played.result
    assert len(stage.pods()) == 4
    assert before.keys() < stage.pods().keys()
    assert played.result.result["scale"] == {
        "web-1": {
            "service": "web",
            "before": {"number": 2, "available": 2},
            "goal": 4,
            "after": {"number": 4, "available": 4},
        }
    }
    again = stage.run("scale", **MANAGER, action=2, scale_by=2, scale_expected=2)
    assert again.result.status is RunStatus.FAILED
    assert "runs 4 times, scale_expected says 2" in again.result.reason
    assert stage.api.changes == ["PATCH /apis/apps/v1/namespaces/shop/deployments/web/scale"]
