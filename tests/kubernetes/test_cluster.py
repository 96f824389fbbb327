"""The emulated cluster does what Kubernetes documents: only then is a playbook that works here worth something."""

import pytest

from tests.kubernetes.cluster import REVISION, Cluster, is_ready
from tests.kubernetes.patches import ApiError
from tests.playbooks.kubernetes.stage import NAMESPACE, add_deployment, add_node, set_image

WEB = ("Deployment", NAMESPACE, "web")
MERGE = "application/merge-patch+json"


@pytest.fixture
def cluster() -> Cluster:
    """Two nodes, and a deployment of two pods that are ready."""
    cluster = Cluster()
    add_node(cluster, "node-1")
    add_node(cluster, "node-2")
    add_deployment(cluster, "web", "shop:1")
    cluster.settle()
    return cluster


def ready(cluster: Cluster) -> int:
    """How many pods serve."""
    return sum(is_ready(pod) for pod in cluster.select("Pod", NAMESPACE))


def condition(cluster: Cluster) -> tuple[str, str]:
    """Status and reason of the deployment's condition Progressing."""
    (found,) = cluster.get(*WEB)["status"]["conditions"]
    return found["status"], found["reason"]


def test_generation_is_observed_later(cluster: Cluster) -> None:
    """A change of the spec raises the generation at once; its controller has seen it after the next step."""
    cluster.patch(WEB, {"spec": {"replicas": 3}}, MERGE)
    assert cluster.get(*WEB)["metadata"]["generation"] == 2
    assert cluster.get(*WEB)["status"]["observedGeneration"] == 1
    cluster.tick()
    assert cluster.get(*WEB)["status"]["observedGeneration"] == 2
    assert cluster.get(*WEB)["status"]["availableReplicas"] == 2
    cluster.settle()
    assert cluster.get(*WEB)["status"]["availableReplicas"] == 3


def test_rollout_keeps_serving(cluster: Cluster) -> None:
    """A rollout never has fewer pods that serve than wanted, nor more than one in excess; the revision goes up."""
    set_image(cluster, "shop:2")
    seen = set()
    for _ in range(40):
        cluster.tick()
        seen.add((ready(cluster) >= 2, len(cluster.select("Pod", NAMESPACE)) <= 4))
    assert seen == {(True, True)}
    assert cluster.get(*WEB)["metadata"]["annotations"][REVISION] == "2"
    images = {pod["spec"]["containers"][0]["image"] for pod in cluster.select("Pod", NAMESPACE)}
    assert images == {"shop:2"}


def test_image_that_can_not_be_pulled(cluster: Cluster) -> None:
    """Its pod never gets ready, those from before stay, and after the deadline the rollout is given up."""
    cluster.unpullable = {"shop:2"}
    cluster.patch(WEB, {"spec": {"progressDeadlineSeconds": 1}}, MERGE)
    set_image(cluster, "shop:2")
    cluster.settle()
    assert condition(cluster) == ("True", "ReplicaSetUpdated")
    for _ in range(30):
        cluster.tick()
    assert condition(cluster) == ("False", "ProgressDeadlineExceeded")
    status = cluster.get(*WEB)["status"]
    assert (status["updatedReplicas"], status["availableReplicas"], status["replicas"]) == (1, 2, 3)


def test_template_that_comes_back(cluster: Cluster) -> None:
    """It keeps its ReplicaSet, which takes the next revision."""
    set_image(cluster, "shop:2")
    cluster.settle()
    set_image(cluster, "shop:1")
    cluster.settle()
    revisions = {each["metadata"]["annotations"][REVISION] for each in cluster.select("ReplicaSet", NAMESPACE)}
    assert revisions == {"2", "3"}
    assert cluster.get(*WEB)["metadata"]["annotations"][REVISION] == "3"


BUDGETS = {
    "one may go": ({"minAvailable": 1}, 1),
    "none may go": ({"minAvailable": 2}, 0),
    "one may be missing": ({"maxUnavailable": 1}, 1),
    "none may be missing": ({"maxUnavailable": 0}, 0),
}


@pytest.mark.parametrize("case", BUDGETS)
def test_eviction(case: str, cluster: Cluster) -> None:
    """Evictions are refused with 429 as soon as one more would leave fewer healthy pods than the budget wants."""
    rule, allowed = BUDGETS[case]
    selector = {"matchLabels": {"app": "web"}}
    cluster.add("PodDisruptionBudget", "web", NAMESPACE, spec={"selector": selector} | rule)
    refused = []
    for pod in cluster.select("Pod", NAMESPACE):
        try:
            cluster.evict(NAMESPACE, pod["metadata"]["name"])
        except ApiError as error:
            refused.append(error.status)
    assert refused == [429] * (2 - allowed)
    assert ready(cluster) == 2 - allowed
    cluster.settle()
    assert ready(cluster) == 2


def test_cordoned_node(cluster: Cluster) -> None:
    """Pods that are deleted come anew elsewhere; with no node left they wait, and say why."""
    cluster.patch(("Node", None, "node-1"), {"spec": {"unschedulable": True}}, MERGE)
    for pod in cluster.select("Pod", NAMESPACE, fields="spec.nodeName=node-1"):
        cluster.delete_pod(NAMESPACE, pod["metadata"]["name"])
    cluster.settle()
    assert cluster.select("Pod", NAMESPACE, fields="spec.nodeName=node-1") == []
    assert ready(cluster) == 2
    cluster.patch(("Node", None, "node-2"), {"spec": {"unschedulable": True}}, MERGE)
    cluster.patch(WEB, {"spec": {"replicas": 3}}, MERGE)
    cluster.settle()
    (waiting,) = [pod for pod in cluster.select("Pod", NAMESPACE) if not is_ready(pod)]
    assert waiting["status"]["conditions"][0]["reason"] == "Unschedulable"


REFUSED = {
    "another version": (MERGE, {"metadata": {"resourceVersion": "1"}}, 409),
    "a template that the selector does not select": (
        MERGE,
        {"spec": {"template": {"metadata": {"labels": {"app": "bank"}}}}},
        422,
    ),
    "a test that fails": (
        "application/json-patch+json",
        [{"op": "test", "path": "/spec/replicas", "value": 9}, {"op": "replace", "path": "/spec/replicas", "value": 1}],
        422,
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_patch(case: str, cluster: Cluster) -> None:
    """A patch that does not fit is refused and changes nothing."""
    content_type, body, status = REFUSED[case]
    before = cluster.get(*WEB)
    with pytest.raises(ApiError) as refused:
        cluster.patch(WEB, body, content_type)
    assert refused.value.status == status
    assert cluster.get(*WEB) == before


def test_dry_run(cluster: Cluster) -> None:
    """A dry run answers what would be, and changes nothing."""
    before = cluster.get(*WEB)
    assert cluster.patch(WEB, {"spec": {"replicas": 5}}, MERGE, dry_run=True)["spec"]["replicas"] == 5
    assert cluster.get(*WEB) == before
