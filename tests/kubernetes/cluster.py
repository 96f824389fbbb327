"""A small Kubernetes cluster in memory, as far as restart, scale, rollback and drain of it can be seen through its API.

It does what the documentation of Kubernetes says of these objects, step by step; a step is a `tick`:

* A change of a deployment's spec raises `generation`; its controller observes that with the next tick, never at once.
* Each pod template has a ReplicaSet with a revision; a template that comes back takes a new revision along.
* A rollout adds one new pod before it removes an old one (maxSurge 1, maxUnavailable 0). Without progress for
  `progressDeadlineSeconds` the condition Progressing becomes False.
* A pod goes to the schedulable node with the fewest pods and gets ready some ticks later; one with an image that can
  not be pulled never does. A pod that is deleted is gone some ticks later, one with a finalizer never.
* An eviction that a PodDisruptionBudget does not allow is refused with 429.

Not there: probes, taints, DaemonSet controllers, quotas, proportional scaling, the garbage collector.
"""

import copy
import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from typing import Any

from tests.kubernetes.patches import ApiError, Object, check_selector, check_version, patched

type Key = tuple[str, str | None, str]

TICK_SECONDS = 0.05
READY_TICKS = 3
GONE_TICKS = 2
REVISION = "deployment.kubernetes.io/revision"
HASH = "pod-template-hash"
API_VERSIONS = {
    "Deployment": "apps/v1",
    "ReplicaSet": "apps/v1",
    "PodDisruptionBudget": "policy/v1",
    "HorizontalPodAutoscaler": "autoscaling/v2",
}


class Cluster:
    """Objects by kind, namespace and name, and the controllers that work on them. Usable from several threads."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.unpullable: set[str] = set()
        self.objects: dict[Key, Object] = {}
        self._version = 0
        self._ticks = 0
        self._pods = 0
        self._progress: dict[str, tuple[object, int]] = {}

    # Objects

    def add(self, kind: str, name: str, namespace: str | None = "default", **parts: object) -> Object:
        """Put an object in, as if it had just been created."""
        with self.lock:
            self._version += 1
            metadata = {"name": name, "uid": f"uid-{self._version}", "generation": 1, "labels": {}, "annotations": {}}
            if namespace is not None:
                metadata["namespace"] = namespace
            metadata |= {"resourceVersion": str(self._version), "creationTimestamp": "2026-01-01T00:00:00Z"}
            made: Object = {"apiVersion": API_VERSIONS.get(kind, "v1"), "kind": kind, "metadata": metadata}
            given = json.loads(json.dumps(parts))  # nothing is shared, within it neither
            metadata.update(given.pop("metadata", {}))
            self.objects[kind, namespace, name] = made | given
            return self.objects[kind, namespace, name]

    def get(self, kind: str, namespace: str | None, name: str) -> Object:
        """A copy of one object."""
        with self.lock:
            found = self.objects.get((kind, namespace, name))
            if found is None:
                raise ApiError(404, "NotFound", f"{kind.lower()} {name!r} not found")
            return copy.deepcopy(found)

    def select(self, kind: str, namespace: str | None, labels: str = "", fields: str = "") -> list[Object]:
        """Copies of all objects of a kind that the selectors select."""
        with self.lock:
            return [copy.deepcopy(each) for each in self._all(kind, namespace) if is_selected(each, labels, fields)]

    def patch(self, key: Key, body: Any, content_type: str, *, dry_run: bool = False) -> Object:  # noqa: ANN401 - JSON
        """Change an object as one of the three kinds of patches says; the new one."""
        with self.lock:
            before = self.get(*key)
            after = patched(before, body, content_type)
            check_version(before, after)
            check_selector(after)
            if after == before:
                return before
            if after.get("spec") != before.get("spec"):
                after["metadata"]["generation"] += 1
            after["metadata"]["resourceVersion"] = str(self._version + 1)
            if not dry_run:
                self._version += 1
                self.objects[key] = after
            return copy.deepcopy(after)

    def delete_pod(self, namespace: str, name: str) -> Object:
        """Let a pod end."""
        with self.lock:
            self.get("Pod", namespace, name)
            pod = self.objects["Pod", namespace, name]
            pod["metadata"].setdefault("deletionTimestamp", "2026-01-01T00:00:00Z")
            pod["seen"] = {"since": self._ticks} if "ending" not in pod.get("seen", {}) else pod["seen"]
            pod["seen"]["ending"] = True
            return copy.deepcopy(pod)

    def evict(self, namespace: str, name: str) -> None:
        """Let a pod end if every disruption budget over it allows that."""
        with self.lock:
            pod = self.get("Pod", namespace, name)
            goes = "deletionTimestamp" in pod["metadata"] or pod["status"]["phase"] == "Pending"
            for budget in () if goes else self._all("PodDisruptionBudget", namespace):
                wanted, healthy = self._budget(budget)
                if matches(budget["spec"]["selector"], pod) and healthy < wanted + is_ready(pod):
                    said = f"The disruption budget {budget['metadata']['name']} needs {wanted} healthy pods"
                    said = f"{said} and has {healthy} currently"
                    message = f"Cannot evict pod as it would violate the pod's disruption budget. {said}"
                    raise ApiError(429, "TooManyRequests", message)
            self.delete_pod(namespace, name)

    def _all(self, kind: str, namespace: str | None = None) -> Iterator[Object]:
        for key in list(self.objects):
            if key[0] == kind and namespace in (None, key[1]) and key in self.objects:
                yield self.objects[key]

    def _owned(self, kind: str, owner: Object) -> list[Object]:
        return [each for each in self._all(kind) if owner["metadata"]["uid"] in owners(each)]

    def _budget(self, budget: Object) -> tuple[int, int]:
        """How many healthy pods a disruption budget needs, and how many it has."""
        spec = budget["spec"]
        pods = [each for each in self._all("Pod", budget["metadata"]["namespace"]) if matches(spec["selector"], each)]
        expected = sum(
            each["spec"]["replicas"]
            for each in self._all("Deployment")
            if matches(spec["selector"], each["spec"]["template"])
        )
        wanted = spec["minAvailable"] if "minAvailable" in spec else expected - spec["maxUnavailable"]
        return wanted, sum(is_ready(pod) for pod in pods)

    # Controllers

    def tick(self) -> None:
        """One step of every controller."""
        with self.lock:
            self._ticks += 1
            for deployment in self._all("Deployment"):
                self._roll(deployment)
            for each in self._all("ReplicaSet"):
                self._replicate(each)
            for pod in self._all("Pod"):
                self._live(pod)
            for deployment in self._all("Deployment"):
                self._observe(deployment)

    def settle(self) -> None:
        """Tick until nothing changes any more."""
        same = 0
        with self.lock:
            while same < READY_TICKS + GONE_TICKS + 2:
                before = copy.deepcopy(self.objects)
                self.tick()
                same = same + 1 if visible(before) == visible(self.objects) else 0

    def _roll(self, deployment: Object) -> None:
        if deployment["spec"].get("paused"):
            return
        new = self._replica_set(deployment)
        old = [each for each in self._owned("ReplicaSet", deployment) if each is not new and each["spec"]["replicas"]]
        wanted = deployment["spec"]["replicas"]
        if not old:
            new["spec"]["replicas"] = wanted
            return
        pods = {each["metadata"]["uid"]: self._owned("Pod", each) for each in (new, *old)}
        for each in old:  # those that do not serve can go first
            each["spec"]["replicas"] = min(
                each["spec"]["replicas"], sum(is_ready(pod) for pod in pods[each["metadata"]["uid"]])
            )
        spare = sum(is_ready(pod) for every in pods.values() for pod in every) - wanted
        if spare > 0 and old[0]["spec"]["replicas"]:
            old[0]["spec"]["replicas"] -= 1
        total = new["spec"]["replicas"] + sum(each["spec"]["replicas"] for each in old)
        new["spec"]["replicas"] = min(wanted, new["spec"]["replicas"] + (total <= wanted))

    def _replica_set(self, deployment: Object) -> Object:
        """The ReplicaSet of the deployment's template; made, or given a new revision, if it is not the newest."""
        template = copy.deepcopy(deployment["spec"]["template"])
        digest = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:10]
        metadata = deployment["metadata"]
        known = self._owned("ReplicaSet", deployment)
        revisions = {each["metadata"]["name"]: int(each["metadata"]["annotations"][REVISION]) for each in known}
        name = f"{metadata['name']}-{digest}"
        if name not in revisions:
            template["metadata"].setdefault("labels", {})[HASH] = digest
            labels = template["metadata"]["labels"]
            spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
            about = {"ownerReferences": [owner(deployment)], "labels": labels}
            self.add("ReplicaSet", name, metadata["namespace"], metadata=about, spec=spec)
        found = self.objects["ReplicaSet", metadata["namespace"], name]
        newest = max(revisions.values(), default=0)
        if revisions.get(name, 0) < newest or not revisions:
            found["metadata"]["annotations"][REVISION] = str(newest + 1)
        metadata.setdefault("annotations", {})[REVISION] = found["metadata"]["annotations"][REVISION]
        return found

    def _replicate(self, replica_set: Object) -> None:
        pods = sorted(
            (pod for pod in self._owned("Pod", replica_set) if "deletionTimestamp" not in pod["metadata"]), key=is_ready
        )
        surplus = len(pods) - replica_set["spec"]["replicas"]
        metadata = replica_set["metadata"]
        for pod in pods[: max(0, surplus)]:
            self.delete_pod(metadata["namespace"], pod["metadata"]["name"])
        for _ in range(-surplus):
            self._pods += 1
            template = replica_set["spec"]["template"]
            about = copy.deepcopy(template["metadata"]) | {"ownerReferences": [owner(replica_set)]}
            name = f"{metadata['name']}-{self._pods:05d}"
            self.add(
                "Pod", name, metadata["namespace"], metadata=about, spec=template["spec"], status={"phase": "Pending"}
            )

    def _live(self, pod: Object) -> None:
        seen = pod.setdefault("seen", {"since": self._ticks})
        age = self._ticks - seen["since"]
        metadata = pod["metadata"]
        if "deletionTimestamp" in metadata:
            pod["status"] |= {"conditions": [{"type": "Ready", "status": "False"}]}
            if age >= GONE_TICKS and not metadata.get("finalizers"):
                del self.objects["Pod", metadata["namespace"], metadata["name"]]
        elif "nodeName" not in pod["spec"]:
            self._schedule(pod)
        elif is_ready(pod) or age < READY_TICKS:
            return
        elif {each["image"] for each in pod["spec"]["containers"]} & self.unpullable:
            pod["status"] |= {"containerStatuses": containers(pod, {"waiting": {"reason": "ErrImagePull"}})}
        else:
            running = {"phase": "Running", "containerStatuses": containers(pod, {"running": {}})}
            pod["status"] |= running | {"conditions": [{"type": "Ready", "status": "True"}]}

    def _schedule(self, pod: Object) -> None:
        nodes = [each["metadata"]["name"] for each in self._all("Node") if not each["spec"].get("unschedulable")]
        if not nodes:
            reason = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
            pod["status"] |= {"conditions": [reason]}
        else:
            busy = [each["spec"].get("nodeName") for each in self._all("Pod")]
            pod["spec"]["nodeName"] = min(nodes, key=busy.count)
            pod["status"] |= {"conditions": []}
            pod["seen"] = {"since": self._ticks}

    def _observe(self, deployment: Object) -> None:
        """Write the status of a deployment; numbers that are 0 are left out, as the API leaves them out."""
        if deployment["spec"].get("paused"):
            return
        sets = self._owned("ReplicaSet", deployment)
        pods = [pod for each in sets for pod in self._owned("Pod", each) if "deletionTimestamp" not in pod["metadata"]]
        revision = deployment["metadata"]["annotations"][REVISION]
        newest = next(each for each in sets if each["metadata"]["annotations"][REVISION] == revision)
        updated = [pod for pod in pods if newest["metadata"]["uid"] in owners(pod)]
        ready = sum(is_ready(pod) for pod in pods)
        numbers = {
            "replicas": len(pods),
            "updatedReplicas": len(updated),
            "readyReplicas": ready,
            "availableReplicas": ready,
            "unavailableReplicas": len(pods) - ready,
        }
        complete = len(pods) == len(updated) == ready == deployment["spec"]["replicas"]
        deployment["status"] = {key: number for key, number in numbers.items() if number} | {
            "observedGeneration": deployment["metadata"]["generation"],
            "conditions": [self._progressing(deployment, newest["metadata"]["uid"], numbers, complete=complete)],
        }

    def _progressing(self, deployment: Object, template: str, numbers: Mapping[str, int], *, complete: bool) -> Object:
        uid = deployment["metadata"]["uid"]
        seen = (template, tuple(numbers.values()))
        known, since = self._progress.get(uid, (None, 0))
        if complete or known == (template, "complete"):
            self._progress[uid] = ((template, "complete"), self._ticks)
            return {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}
        if known != seen:
            self._progress[uid] = (seen, self._ticks)
        elif (self._ticks - since) * TICK_SECONDS > deployment["spec"].get("progressDeadlineSeconds", 600):
            return {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
        return {"type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated"}


# What is said of objects


def owner(of: Object) -> Object:
    """The reference to an object that those it controls carry."""
    return {"apiVersion": of["apiVersion"], "kind": of["kind"], "controller": True} | {
        key: of["metadata"][key] for key in ("name", "uid")
    }


def owners(each: Object) -> list[str]:
    """Ids of the objects that control this one."""
    return [reference["uid"] for reference in each["metadata"].get("ownerReferences", ())]


def is_ready(pod: Object) -> bool:
    """Whether a pod takes requests."""
    conditions = pod.get("status", {}).get("conditions", ())
    return "deletionTimestamp" not in pod["metadata"] and {"type": "Ready", "status": "True"} in conditions


def containers(pod: Object, state: Object) -> list[Object]:
    """The status of each container of a pod, all in this state."""
    return [
        {"name": each["name"], "image": each["image"], "imageID": each["image"], "restartCount": 0}
        | {"ready": "running" in state, "state": state}
        for each in pod["spec"]["containers"]
    ]


def matches(selector: Object, labelled: Object) -> bool:
    """Whether an object has all labels of a selector."""
    wanted: dict[str, str] = selector["matchLabels"]
    return wanted.items() <= labelled["metadata"].get("labels", {}).items()


def is_selected(each: Object, labels: str, fields: str) -> bool:
    """Whether the selectors of a list select an object: `name=value`, or `name` for a label that is there."""
    own = each["metadata"].get("labels", {})
    for wanted in filter(None, labels.split(",")):
        name, equal, value = wanted.partition("=")
        if name not in own or (equal and own[name] != value.removeprefix("=")):
            return False
    for wanted in filter(None, fields.split(",")):
        path, _, value = wanted.partition("=")
        found: Any = each
        for part in path.split("."):
            found = found.get(part, {})
        if found != value.removeprefix("="):
            return False
    return True


def visible(objects: Mapping[Key, Object]) -> dict[Key, Object]:
    """Objects without what only the emulation knows."""
    return {key: {name: part for name, part in each.items() if name != "seen"} for key, each in objects.items()}
