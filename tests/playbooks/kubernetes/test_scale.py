"""The shipped scale playbook, on a deployment of an emulated cluster."""

from remediations.runs import RunStatus
from tests.playbooks.kubernetes.stage import NAMESPACE, Inputs, KubernetesStage

MANAGER: Inputs = {
    "scale_service_manager": "kubernetes",
    "scale_service_name": "web",
    "scale_maximum": 6,
    "scale_wait_seconds": 6,
}
PATCH = "PATCH /apis/apps/v1/namespaces/shop/deployments/web/scale"


def test_scale(stage: KubernetesStage) -> None:
    """Up by two: four pods are ready, those from before are among them. The same again is refused by the guard."""
    before = stage.pods()
    by_two: Inputs = {"scale_by": 2, "scale_expected": 2}
    played = stage.run("scale", MANAGER | by_two)
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
    again = stage.run("scale", MANAGER | by_two, action=2)
    assert again.result.status is RunStatus.FAILED
    assert "runs 4 times, scale_expected says 2" in again.result.reason
    assert stage.api.changes == [PATCH]


def test_scale_down(stage: KubernetesStage) -> None:
    """Down to one: one of the pods from before stays, the other is gone."""
    before = stage.pods()
    played = stage.run("scale", MANAGER | {"scale_to": 1})
    assert played.result.status is RunStatus.SUCCESSFUL, played.result
    assert len(stage.pods()) == 1
    assert stage.pods().keys() < before.keys()


def test_new_pods_do_not_come_up(stage: KubernetesStage) -> None:
    """If the new pods never get ready, the number from before is put back; those from before were never touched."""
    before = stage.pods()
    stage.cluster.unpullable = {"shop:1"}
    played = stage.run("scale", MANAGER | {"scale_to": 3, "scale_wait_seconds": 3})
    assert played.result.status is RunStatus.FAILED
    assert "2 are available; pods wait for ErrImagePull. It was put back as it was." in played.result.reason
    assert stage.deployment()["spec"]["replicas"] == 2
    assert stage.pods() == before
    assert stage.api.changes == [PATCH, PATCH]


def test_check_mode(stage: KubernetesStage) -> None:
    """A check tells what scaling would meet and changes nothing."""
    played = stage.run("scale", MANAGER | {"scale_to": 3}, check=True)
    assert played.result.status is RunStatus.SUCCESSFUL, played.result
    told = {"service": "web", "before": {"number": 2, "available": 2}, "goal": 3}
    assert played.result.result["scale"] == {"web-1": told}
    assert stage.api.changes == []


def test_somebody_else_scales(stage: KubernetesStage) -> None:
    """A deployment with an autoscaler is left alone: it would undo what is done here."""
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    stage.cluster.add("HorizontalPodAutoscaler", "web", NAMESPACE, spec={"scaleTargetRef": target, "maxReplicas": 9})
    played = stage.run("scale", MANAGER | {"scale_to": 3})
    assert played.result.status is RunStatus.FAILED
    assert "A HorizontalPodAutoscaler scales web" in played.result.reason
    assert stage.api.changes == []
