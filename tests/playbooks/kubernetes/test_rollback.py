"""The shipped rollback playbook, on a deployment of an emulated cluster."""

from remediations.runs import RunStatus
from tests.playbooks.kubernetes.stage import KubernetesStage, set_image

MANAGER = {"rollback_service_manager": "kubernetes", "rollback_service_name": "web", "rollback_wait_seconds": 6}


def test_rollback(stage: KubernetesStage) -> None:
    """A stuck deploy is undone: the release before serves on every pod again. Once more does not walk further back."""
    set_image(stage.cluster, "shop:2")
    stage.cluster.settle()
    stage.cluster.unpullable = {"shop:3"}
    set_image(stage.cluster, "shop:3")
    set_image(stage.cluster, "other:2", "other")  # a revision of the same number, with a label of the same name
    stage.cluster.settle()
    played = stage.run("rollback", **MANAGER)
    assert played.result.status is RunStatus.SUCCESSFUL, played.result
    assert list(stage.pods().values()) == ["shop:2", "shop:2"]
    assert stage.deployment()["metadata"]["annotations"]["example.com/owner"] == "shop team"
    assert played.result.result["rollback"] == {
        "web-1": {
            "service": "web",
            "before": {"release": "3", "images": ["shop:3"], "available": 2},
            "goal": "2",
            "after": {"release": "4", "images": ["shop:2"], "available": 2},
        }
    }
    again = stage.run("rollback", **MANAGER, action=2)
    assert again.result.status is RunStatus.FAILED
    assert "Revision 3 was undone already" in again.result.reason
    assert stage.revision() == "4"
