"""A small emulated cluster with a deployment and two nodes, and the shipped playbooks on them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kubernetes.api import Api
from tests.kubernetes.cluster import Cluster
from tests.playbooks.kubernetes.stage import KubernetesStage, add_deployment, add_node


@pytest.fixture
def cluster() -> Cluster:
    """Deployments `web` of release 1 and `other`, on two nodes."""
    cluster = Cluster()
    for name in ("node-1", "node-2"):
        add_node(cluster, name)
    add_deployment(cluster, "web", "shop:1")
    add_deployment(cluster, "other", "other:1")
    cluster.settle()
    return cluster


@pytest.fixture
def api(cluster: Cluster, tmp_path: Path) -> Iterator[Api]:
    """The cluster's API, while its controllers work."""
    with Api(cluster, tmp_path) as api:
        yield api


@pytest.fixture
def stage(api: Api, tmp_path: Path) -> KubernetesStage:
    """Runs for the deployment `web` and the nodes."""
    return KubernetesStage(tmp_path, api)
