"""What the shipped playbooks refuse on a cluster: names of nothing, an API that is away or forbids the change."""

import pytest

from remediations.runs import RunStatus
from tests.playbooks.kubernetes.stage import Inputs, KubernetesStage, set_image

INPUTS: dict[str, Inputs] = {
    "restart": {"restart_service_manager": "kubernetes", "restart_service_name": "web", "restart_wait_seconds": 3},
    "scale": {
        "scale_service_manager": "kubernetes",
        "scale_service_name": "web",
        "scale_maximum": 6,
        "scale_to": 3,
        "scale_wait_seconds": 3,
    },
    "rollback": {"rollback_service_manager": "kubernetes", "rollback_service_name": "web"},
    "drain": {"drain_balancer": "kubernetes", "drain_server": "node-1"},
    "undrain": {"drain_balancer": "kubernetes", "drain_server": "node-1"},
}


@pytest.mark.parametrize("name", INPUTS)
def test_api_is_away(name: str, stage: KubernetesStage) -> None:
    """An API that does not answer is a failed run that says so, with the client's words."""
    stage.api.stop()
    result = stage.run(name, INPUTS[name]).result
    assert result.status is RunStatus.FAILED
    assert "The Kubernetes API does not tell of" in result.reason
    assert "Connection refused" in result.reason


WRONG: dict[str, tuple[str, Inputs, str]] = {
    "scale: no such deployment": ("scale", {"scale_service_name": "nothing"}, "shop has no deployment nothing."),
    "scale: a pattern": ("scale", {"scale_service_name": "we*"}, "exactly one deployment: 'we*'"),
    "scale: over the maximum": ("scale", {"scale_to": 7}, "web would run 7 times, wanted 1 to 6"),
    "rollback: no such deployment": ("rollback", {"rollback_service_name": "nothing"}, "no deployment nothing."),
    "rollback: no number": ("rollback", {"rollback_release": "r9"}, "Wanted revisions"),
    "rollback: no such revision": ("rollback", {"rollback_release": "7"}, "There is no revision 7 of web"),
    "rollback: another one runs": ("rollback", {"rollback_deploy": "7"}, "revision 1 runs, rollback_deploy says 7"),
    "drain: no such node": ("drain", {"drain_server": "node-9"}, "The cluster has no node node-9."),
    "drain: two nodes": ("drain", {"drain_server": "node-1,node-2"}, "does not name exactly one node"),
    "undrain: no such node": ("undrain", {"drain_server": "node-9"}, "The cluster has no node node-9."),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input(case: str, stage: KubernetesStage) -> None:
    """What does not name one thing of the cluster is refused before any change, with the reason."""
    name, inputs, reason = WRONG[case]
    result = stage.run(name, INPUTS[name] | inputs).result
    assert (result.status, reason in result.reason) == (RunStatus.FAILED, True), result.reason
    assert stage.api.changes == []


FORBIDDEN = {
    "restart": ("deployments", "tidegate may not PATCH deployments"),
    "scale": ("deployments", "tidegate may not PATCH deployments"),
    "rollback": ("deployments", "tidegate may not PATCH deployments"),
    "drain": ("nodes", "Forbidden"),
}


@pytest.mark.parametrize("name", FORBIDDEN)
def test_no_right_to_change(name: str, stage: KubernetesStage) -> None:
    """A change that the API forbids fails with the API's words, and all is as it was."""
    resource, words = FORBIDDEN[name]
    set_image(stage.cluster, "shop:2")  # so that there is something to go back to
    stage.cluster.settle()
    stage.api.forbid("PATCH", resource)
    before, node = stage.deployment(), stage.is_cordoned("node-1")
    result = stage.run(name, INPUTS[name]).result
    assert (result.status, words in result.reason) == (RunStatus.FAILED, True), result.reason
    assert (stage.deployment(), stage.is_cordoned("node-1")) == (before, node)
    assert result.reason.endswith("It was put back as it was."), result.reason
