"""The three kinds of patches that the API of Kubernetes takes, and what it refuses."""

import copy
from typing import Any

import jsonpatch

type Object = dict[str, Any]

MERGED_BY_NAME = frozenset({"containers", "env", "volumes"})


class ApiError(Exception):
    """What the API answers instead of an object: a status with its reason."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status, self.reason, self.message = status, reason, message


def patched(before: Object, body: Any, content_type: str) -> Object:  # noqa: ANN401 - JSON
    """The object after a patch of one of the three kinds."""
    if content_type == "application/json-patch+json":
        try:
            after: Object = jsonpatch.apply_patch(before, body)
        except jsonpatch.JsonPatchException as error:
            raise ApiError(
                422, "Invalid", f"the server rejected our request due to an error in our request: {error}"
            ) from error
        return after
    return merged(copy.deepcopy(before), body, by_name=content_type == "application/strategic-merge-patch+json")


def merged(base: Object, change: Object, *, by_name: bool) -> Object:
    """A merge patch; a strategic one takes lists of named things apart."""
    for key, value in change.items():
        if value is None:
            base.pop(key, None)
        elif isinstance(value, dict):
            base[key] = merged(base.get(key) or {}, value, by_name=by_name)
        elif by_name and key in MERGED_BY_NAME:
            items = {item["name"]: item for item in base.get(key, ())}
            for item in value:
                items[item["name"]] = merged(items.get(item["name"], {}), item, by_name=True)
            base[key] = list(items.values())
        else:
            base[key] = value
    return base


def check_version(before: Object, after: Object) -> None:
    """A patch that names another version of the object is refused."""
    if after["metadata"].get("resourceVersion") != before["metadata"]["resourceVersion"]:
        name = before["metadata"]["name"]
        raise ApiError(409, "Conflict", f"Operation cannot be fulfilled on {name}: the object has been modified")


def check_selector(after: Object) -> None:
    """A deployment's template has the labels that its selector selects."""
    if after["kind"] != "Deployment":
        return
    wanted, labels = after["spec"]["selector"]["matchLabels"], after["spec"]["template"]["metadata"]["labels"]
    if not wanted.items() <= labels.items():
        raise ApiError(422, "Invalid", "`selector` does not match template `labels`")
