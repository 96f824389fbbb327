"""Runs of the shipped playbooks on an emulated cluster, and what is asked of the cluster before and after."""

from pathlib import Path
from typing import Any

import msgspec

from tests.kubernetes.api import Api
from tests.kubernetes.cluster import REVISION, Cluster, is_ready, matches
from tests.playbooks.collections import collections_folder
from tests.playbooks.runs import Played, Stage

NAMESPACE = "shop"
MERGE = "application/merge-patch+json"
type Inputs = dict[str, str | int | float | bool]


def add_node(cluster: Cluster, name: str) -> None:
    """Add a node that is ready."""
    cluster.add("Node", name, None, spec={}, status={"conditions": [{"type": "Ready", "status": "True"}]})


def add_deployment(cluster: Cluster, name: str, image: str, replicas: int = 2) -> None:
    """Add a deployment of pods with the label app=<name>."""
    labels = {"app": name}
    container = {"name": "server", "image": image, "args": ["--greeting={{ 7 * 6 }}"]}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    about = {"annotations": {"example.com/owner": "shop team"}}
    cluster.add("Deployment", name, NAMESPACE, metadata=about, spec=spec)


def set_image(cluster: Cluster, image: str, name: str = "web") -> None:
    """Deploy another release, as a deploy tool does it."""
    container = {"name": "server", "image": image}
    body = {"spec": {"template": {"spec": {"containers": [container]}}}}
    cluster.patch(("Deployment", NAMESPACE, name), body, "application/strategic-merge-patch+json")


class KubernetesStage(Stage):
    """The shipped playbooks on targets that stand for deployments and nodes."""

    def __init__(self, folder: Path, api: Api) -> None:
        super().__init__(folder)
        self.api = api
        self.cluster = api.cluster
        self.settings = msgspec.structs.replace(self.settings, collections=collections_folder())
        self.variables = {"kubernetes_config": str(api.kubeconfig), "kubernetes_namespace": NAMESPACE}

    def run(self, playbook: str, inputs: Inputs, *, action: int = 1, check: bool = False) -> Played:
        """Run a playbook to its end."""
        request = self.request(action, f"{playbook}.yml", inputs=inputs)
        return self.play(msgspec.structs.replace(request, check=check))

    def deployment(self, name: str = "web") -> dict[str, Any]:
        """The deployment as it is now."""
        return self.cluster.get("Deployment", NAMESPACE, name)

    def revision(self, name: str = "web") -> str:
        """The revision of the deployment's template."""
        found: str = self.deployment(name)["metadata"]["annotations"][REVISION]
        return found

    def template(self, name: str = "web") -> dict[str, Any]:
        """The deployment's template."""
        found: dict[str, Any] = self.deployment(name)["spec"]["template"]
        return found

    def pods(self, name: str = "web") -> dict[str, str]:
        """Names of the pods of a deployment that serve → their image."""
        selector = {"matchLabels": {"app": name}}
        pods = self.cluster.select("Pod", NAMESPACE)
        return {
            pod["metadata"]["name"]: pod["spec"]["containers"][0]["image"]
            for pod in pods
            if matches(selector, pod) and is_ready(pod)
        }

    def pods_on(self, node: str) -> set[str]:
        """Names of the pods on a node, whatever state they are in."""
        return {pod["metadata"]["name"] for pod in self.cluster.select("Pod", None, fields=f"spec.nodeName={node}")}

    def is_cordoned(self, node: str) -> bool:
        """Whether no new pods come to a node."""
        return bool(self.cluster.get("Node", None, node)["spec"].get("unschedulable"))

    def protect(self, name: str, **rule: int) -> None:
        """Add a disruption budget for the pods of a deployment: minAvailable or maxUnavailable."""
        spec = {"selector": {"matchLabels": {"app": name}}} | rule
        self.cluster.add("PodDisruptionBudget", name, NAMESPACE, spec=spec)

    def add_pod(self, name: str, node: str, owner: str = "", **metadata: object) -> None:
        """Add a pod that runs on a node, controlled by something of the kind `owner`."""
        reference = {"apiVersion": "apps/v1", "kind": owner, "name": "own", "uid": "own", "controller": True}
        about = {"ownerReferences": [reference] if owner else []} | metadata
        spec = {"nodeName": node, "containers": [{"name": "agent", "image": "agent:1"}]}
        self.cluster.add("Pod", name, NAMESPACE, metadata=about, spec=spec, status={"phase": "Running"})

    def scale_by_hand(self, name: str, number: int) -> None:
        """Give a deployment another number of pods."""
        self.cluster.patch(("Deployment", NAMESPACE, name), {"spec": {"replicas": number}}, MERGE)
        self.cluster.settle()

    def restart_by_hand(self, name: str = "web") -> None:
        """Restart a deployment as kubectl does it."""
        annotations = {"kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z"}
        body = {"spec": {"template": {"metadata": {"annotations": annotations}}}}
        self.cluster.patch(("Deployment", NAMESPACE, name), body, MERGE)
        self.cluster.settle()

    def cordon_by_hand(self, node: str) -> None:
        """Let no new pods come to a node."""
        self.cluster.patch(("Node", None, node), {"spec": {"unschedulable": True}}, MERGE)
