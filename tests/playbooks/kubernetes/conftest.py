"""A small emulated cluster with a deployment and two nodes, and the shipped playbooks on them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from remediations.runner import RunnerSettings, WarmParent
from tests.kubernetes.api import Api
from tests.kubernetes.cluster import Cluster
from tests.playbooks.collections import collections_folder
from tests.playbooks.kubernetes.stage import KubernetesStage, add_deployment, add_node
from tests.playbooks.runs import PLAYBOOKS
from tests.playbooks.warm import parent_for


@pytest.fixture(scope="session")
def parent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmParent | None]:
    """One warm parent for all runs: it saves each of them a second."""
    folder = str(tmp_path_factory.mktemp("parent"))
    settings = RunnerSettings(folder=folder, playbooks=str(PLAYBOOKS), home=folder, collections=collections_folder())
    with parent_for("warm", settings) as parent:
        yield parent


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
def stage(api: Api, tmp_path: Path, parent: WarmParent) -> KubernetesStage:
    """Runs for the deployment `web` and the nodes."""
    stage = KubernetesStage(tmp_path, api)
    stage.parent = parent
    return stage
