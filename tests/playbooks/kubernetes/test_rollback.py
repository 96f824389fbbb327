"""The shipped rollback playbook, on a deployment of an emulated cluster."""

from remediations.runs import RunStatus
from tests.playbooks.kubernetes.stage import Inputs, KubernetesStage, set_image

MANAGER: Inputs = {
    "rollback_service_manager": "kubernetes",
    "rollback_service_name": "web",
    "rollback_wait_seconds": 6,
}


def deploy(stage: KubernetesStage, image: str, name: str = "web") -> None:
    """Roll out an image, or get stuck with it."""
    set_image(stage.cluster, image, name)
    stage.cluster.settle()


def test_rollback(stage: KubernetesStage) -> None:
    """A stuck deploy is undone: the release before serves on every pod again. Once more does not walk further back."""
    stage.cluster.unpullable = {"shop:3"}
    deploy(stage, "shop:2")
    deploy(stage, "shop:3")
    deploy(stage, "other:2", "other")  # a revision of the same number, with a label of the same name
    played = stage.run("rollback", MANAGER)
    assert played.result.status is RunStatus.SUCCESSFUL, played.result
    assert list(stage.pods().values()) == ["shop:2", "shop:2"]
    assert stage.template()["spec"]["containers"][0]["args"] == ["--greeting={{ 7 * 6 }}"]
    assert stage.deployment()["metadata"]["annotations"]["example.com/owner"] == "shop team"
    assert played.result.result["rollback"] == {
        "web-1": {
            "service": "web",
            "before": {"release": "3", "images": ["shop:3"], "available": 2},
            "goal": "2",
            "after": {"release": "4", "images": ["shop:2"], "available": 2},
        }
    }
    again = stage.run("rollback", MANAGER, action=2)
    assert again.result.status is RunStatus.FAILED
    assert "Revision 3 was undone already" in again.result.reason
    assert stage.revision() == "4"


def test_release_before_does_not_come_up(stage: KubernetesStage) -> None:
    """If the release before does not run either, the one that was there is put back."""
    deploy(stage, "shop:2")
    before, template = stage.pods(), stage.template()
    stage.cluster.unpullable = {"shop:1"}
    played = stage.run("rollback", MANAGER | {"rollback_wait_seconds": 3})
    assert played.result.status is RunStatus.FAILED
    assert "pods wait for ErrImagePull. It was put back as it was." in played.result.reason
    assert stage.template() == template
    assert stage.pods() == before


def test_nothing_to_go_back_to(stage: KubernetesStage) -> None:
    """A first release has none before it; a restart of it makes a revision, but no other release."""
    stage.restart_by_hand()
    played = stage.run("rollback", MANAGER)
    assert played.result.status is RunStatus.FAILED
    assert "There is no revision before 2 of web to go back to: there are 1, 2" in played.result.reason
    assert stage.api.changes == []


def test_check_mode(stage: KubernetesStage) -> None:
    """A check tells what a rollback would meet and changes nothing."""
    deploy(stage, "shop:2")
    played = stage.run("rollback", MANAGER | {"rollback_deploy": "2"}, check=True)
    assert played.result.status is RunStatus.SUCCESSFUL, played.result
    before = {"release": "2", "images": ["shop:2"], "available": 2}
    assert played.result.result["rollback"] == {"web-1": {"service": "web", "before": before, "goal": "1"}}
    assert stage.api.changes == []
