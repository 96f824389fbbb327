"""The shipped restart playbook, on a deployment of an emulated cluster."""

import pytest

from remediations.runs import RunStatus
from tests.kubernetes.api import TOKEN
from tests.playbooks.kubernetes.stage import Inputs, KubernetesStage, set_image
from tests.playbooks.runs import action_id

MANAGER: Inputs = {
    "restart_service_manager": "kubernetes",
    "restart_service_name": "web",
    "restart_wait_seconds": 6,
}
RESTARTED = "kubectl.kubernetes.io/restartedAt"
PATCH = "PATCH /apis/apps/v1/namespaces/shop/deployments/web"


def test_restart(stage: KubernetesStage) -> None:
    """Every pod is replaced by one that is ready, the template carries the time; no other deployment is touched.

    The same action again is refused. The credentials stay in the kubeconfig file.
    """
    before, others = stage.pods(), stage.pods("other")
    played = stage.run("restart", MANAGER)
    assert played.result.status is RunStatus.SUCCESSFUL, played.result
    after = stage.deployment()
    assert len(stage.pods()) == 2
    assert not stage.pods().keys() & before.keys()
    assert after["status"]["observedGeneration"] == after["metadata"]["generation"] == 2
    assert stage.pods("other") == others
    told = stage.template()["metadata"]["annotations"][RESTARTED]
    assert played.result.result["restart"] == {
        "web-1": {
            "service": "web",
            "before": {"state": "running", "replicas": 2, "available": 2, "revision": "1"},
            "after": {"state": "running", "replicas": 2, "available": 2, "revision": "2", "restarted_at": told},
        }
    }
    assert stage.run("restart", MANAGER).result.status is RunStatus.REFUSED
    assert stage.api.changes == [PATCH]
    written = [path for path in (stage.folder / "runs").rglob("*") if path.is_file()]
    assert len(written) > 10
    assert [path for path in written if TOKEN.encode() in path.read_bytes()] == []


def test_new_pods_do_not_come_up(stage: KubernetesStage) -> None:
    """A restart whose new pods never get ready says why and is undone: the pods from before go on serving."""
    before, template = stage.pods(), stage.template()
    stage.cluster.unpullable = {"shop:1"}  # its nodes have it, but it is no longer where images come from
    played = stage.run("restart", MANAGER | {"restart_wait_seconds": 3})
    assert played.result.status is RunStatus.FAILED
    assert "1 of 2 pods have the newest template" in played.result.reason
    assert "pods wait for ErrImagePull. It was put back as it was." in played.result.reason
    assert stage.pods() == before
    assert stage.template() == template
    assert stage.api.changes == [PATCH, PATCH]


def test_somebody_deploys_meanwhile(stage: KubernetesStage) -> None:
    """What somebody else rolled out since the restart is not undone, and the reason says so."""
    stage.cluster.unpullable = {"shop:1", "shop:2"}
    stage.api.then = lambda: set_image(stage.cluster, "shop:2")
    played = stage.run("restart", MANAGER | {"restart_wait_seconds": 3})
    assert played.result.status is RunStatus.FAILED
    assert "IT WAS NOT PUT BACK: Failed to patch existing object" in played.result.reason
    assert stage.template()["spec"]["containers"][0]["image"] == "shop:2"


def test_api_fails_in_the_middle(stage: KubernetesStage) -> None:
    """When the API goes down after the restart, the run fails and says that nothing could be put back."""
    stage.api.then = stage.api.fail
    played = stage.run("restart", MANAGER | {"restart_wait_seconds": 3})
    assert played.result.status is RunStatus.FAILED
    assert "shop/web: the Kubernetes API does not tell" in played.result.reason
    assert "IT WAS NOT PUT BACK" in played.result.reason
    assert (stage.markers / action_id(1) / "done").read_text() == "failed"


def test_check_mode(stage: KubernetesStage) -> None:
    """A check tells what a restart would meet and changes nothing."""
    before = stage.deployment()
    played = stage.run("restart", MANAGER, check=True)
    assert played.result.status is RunStatus.SUCCESSFUL, played.result
    told = {"state": "running", "replicas": 2, "available": 2, "revision": "1"}
    assert played.result.result["restart"] == {"web-1": {"service": "web", "before": told}}
    assert stage.deployment() == before
    assert stage.api.changes == []


WRONG: dict[str, tuple[Inputs, str]] = {
    "no such deployment": ({"restart_service_name": "nothing"}, "namespace shop has no deployment nothing."),
    "a pattern": ({"restart_service_name": "we*"}, "exactly one deployment: 'we*'"),
    "no kubeconfig file": ({"restart_kubernetes_config": "/nonexistent/kubeconfig"}, "/nonexistent/kubeconfig"),
    "another service manager": ({"restart_service_manager": "nomad"}, "must be one of"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input(case: str, stage: KubernetesStage) -> None:
    """What does not name one deployment of a cluster that answers is refused before any change, with the reason."""
    inputs, reason = WRONG[case]
    played = stage.run("restart", MANAGER | inputs)
    assert played.result.status is RunStatus.FAILED
    assert reason in played.result.reason
    assert stage.api.changes == []


def test_deploy_under_way(stage: KubernetesStage) -> None:
    """A deployment in the middle of a rollout is left alone: undoing a restart would undo the deploy."""
    stage.cluster.unpullable = {"shop:2"}
    set_image(stage.cluster, "shop:2")
    stage.cluster.settle()
    played = stage.run("restart", MANAGER)
    assert played.result.status is RunStatus.FAILED
    assert "its rollout is under way, 1 of 2 pods have its newest template" in played.result.reason
    assert stage.api.changes == []
