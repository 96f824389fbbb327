"""The playbook folder → the playbooks that rules may name: each with its sidecar, its declared inputs and its digest.

A playbook is offered when `<name>.meta.yml` lies beside it. Its inputs are the options that its roles declare in
`meta/argument_specs.yml`, less those that the play gives to the role itself and those that the runner gives.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from remediations import expressions
from remediations.documents import decode, read_yaml
from remediations.errors import PlaybookError
from remediations.inputs import misfit
from remediations.playbooks import FromConstant, FromExpression, FromIncident, InputSpec, Playbook, Sidecar
from remediations.policies import NAME_PATTERN
from remediations.runner.requests import INPUT, RESERVED_INPUTS

SIDECAR_SUFFIX = ".meta.yml"
SUFFIXES = (".yml", ".yaml")
MARKER_FILES = (
    "marker_inspect.yml",
    "marker_close.yml",
    *(f"roles/marker/tasks/{entry}.yml" for entry in ("main", "done", "inspect", "close")),
)
TARGETS_GROUP = "targets"
TEXT_TYPES = frozenset({"str", "path", "raw"})
GIVEN_BY_RUNNER = "tidegate_"
LEFT_OUT = frozenset({"__pycache__", "examples"})  # with hidden files: nothing of them reaches a run

_ROLE_TASKS = ("import_role", "include_role")
_TASK_LISTS = ("pre_tasks", "tasks", "post_tasks", "handlers", "block", "rescue", "always")


class RoleUse(msgspec.Struct, frozen=True):
    """One place where a play uses a role: which of its entry points, and the variables that the play gives there."""

    role: str
    entry: str
    given: frozenset[str]


def read_playbooks(folder: Path) -> dict[str, Playbook]:
    """Read every playbook that has a sidecar. Raises PlaybookError for the first that is not as it must be."""
    root = folder.absolute()
    if not root.is_dir():
        raise PlaybookError(folder, "", "is no folder, wanted the folder of playbooks")
    sidecars = {file.name.removesuffix(SIDECAR_SUFFIX): file for file in sorted(root.glob(f"*{SIDECAR_SUFFIX}"))}
    files = {name: _playbook_file(root, name, sidecar) for name, sidecar in sidecars.items()}
    shared = _digests(root, {*files.values(), *sidecars.values()})
    playbooks = {name: _playbook(root, name, file, sidecars[name], shared) for name, file in files.items()}
    for name, playbook in playbooks.items():
        undo = playbook.sidecar.undo
        if undo is not None and undo not in playbooks:
            raise PlaybookError(sidecars[name], "undo", f"is {undo}, wanted one of {', '.join(playbooks)}")
    return playbooks


def check_markers(folder: Path) -> None:
    """Raise PlaybookError if a folder lacks what the engine itself needs to find out what became of a run."""
    for name in MARKER_FILES:
        if not (folder / name).is_file():
            problem = "is not there: copy it from the playbooks that come with Tidegate, runs are recovered by it"
            raise PlaybookError(folder / name, "", problem)


def _playbook_file(root: Path, name: str, sidecar: Path) -> Path:
    if re.fullmatch(NAME_PATTERN, name) is None:
        raise PlaybookError(sidecar, "", f"is the sidecar of {name}, wanted a name like {NAME_PATTERN}")
    found = [root / f"{name}{suffix}" for suffix in SUFFIXES if (root / f"{name}{suffix}").is_file()]
    if len(found) != 1:
        wanted = " or ".join(f"{name}{suffix}" for suffix in SUFFIXES)
        raise PlaybookError(sidecar, "", f"has {len(found)} playbooks beside it, wanted one: {wanted}")
    return found[0]


def _playbook(root: Path, name: str, file: Path, sidecar_file: Path, shared: Mapping[str, bytes]) -> Playbook:
    sidecar = decode(read_yaml(sidecar_file, PlaybookError), Sidecar, sidecar_file, PlaybookError)
    specs = _declared(root, file)
    for given, source in sidecar.inputs.items():
        problem = check_input_name(given, specs)
        if not problem and isinstance(source, FromConstant):
            problem = misfit(specs[given], source.value)
        if not problem and isinstance(source, FromIncident) and specs[given].type not in TEXT_TYPES:
            problem = f"takes text from the incident, wanted {specs[given].type}"
        if not problem and isinstance(source, FromExpression):
            problem = expressions.check(source.expression)
        if problem:
            raise PlaybookError(sidecar_file, f"inputs.{given}", problem)
    if sidecar.targets.delegates:
        _only_on_targets(file)
    own = {each.name: _content(root, each) for each in (file, sidecar_file)}
    return Playbook(name=name, path=str(file), digest=_combined({**shared, **own}), sidecar=sidecar, inputs=specs)


def _only_on_targets(file: Path) -> None:
    """Refuse a play that would run on the hosts that it is to act through."""
    plays = read_yaml(file, PlaybookError, aliases=True)
    for number, play in enumerate(plays if isinstance(plays, list) else ()):
        hosts = _field(play, "hosts")
        if hosts != TARGETS_GROUP:
            problem = f"is {hosts!r}, wanted {TARGETS_GROUP}: the sidecar names delegates, which are in `all` too"
            raise PlaybookError(file, f"[{number}].hosts", problem)


def check_input_name(name: str, specs: Mapping[str, InputSpec]) -> str:
    """Say in words why a value can not be given to an input, empty if it can."""
    if name not in specs:
        return f"is declared by no role of the playbook, wanted one of {', '.join(specs) or 'none: it declares none'}"
    if INPUT.fullmatch(name) is None or name in RESERVED_INPUTS or name.startswith("ansible_"):
        return f"is no name of an input, wanted {INPUT.pattern} and none of Ansible's own names"
    if specs[name].secret:
        return "is declared no_log: inputs are written to the audit log, let the role read its secret itself"
    return ""


# What the roles declare


def _declared(root: Path, file: Path) -> dict[str, InputSpec]:
    specs: dict[str, InputSpec] = {}
    for use in _role_uses(file, read_yaml(file, PlaybookError, aliases=True)):
        for name, spec in _options(root, file, use).items():
            if name.startswith(GIVEN_BY_RUNNER) or name in use.given:
                continue
            known = specs.get(name, spec)
            if known.type != spec.type:
                raise PlaybookError(file, "", f"its roles declare {name} as {known.type} and as {spec.type}")
            specs[name] = msgspec.structs.replace(known, required=known.required or spec.required)
    return specs


def _options(root: Path, file: Path, use: RoleUse) -> dict[str, InputSpec]:
    """Give the options of one entry point; a role of a collection, or one without specs, declares nothing here."""
    if "." in use.role:
        return {}
    folder = root / "roles" / use.role
    if not folder.is_dir():
        raise PlaybookError(file, "", f"uses the role {use.role}, wanted a folder {folder}")
    for suffix in SUFFIXES:
        specs_file = folder / "meta" / f"argument_specs{suffix}"
        if specs_file.is_file():
            return _read_specs(specs_file, use.entry)
    return {}


def _read_specs(file: Path, entry: str) -> dict[str, InputSpec]:
    data = read_yaml(file, PlaybookError, aliases=True)
    points = _field(_field(data, "argument_specs"), entry)
    options = decode(_field(points, "options") or {}, dict[str, _Option], file, PlaybookError)
    return {
        name: InputSpec(
            type=option.type,
            required=option.required and option.default is None,
            choices=option.choices,
            secret=option.no_log,
            default=None if option.no_log else option.default,
            description=option.description if isinstance(option.description, str) else " ".join(option.description),
        )
        for name, option in options.items()
    }


class _Option(msgspec.Struct, frozen=True):
    """The part of Ansible's own form of an option that matters here."""

    type: str = "str"
    required: bool = False
    default: object = None
    choices: tuple[object, ...] | None = None
    no_log: bool = False
    description: str | list[str] = ""


def _role_uses(file: Path, data: object) -> Iterator[RoleUse]:
    if not isinstance(data, list):
        raise PlaybookError(file, "", "is no list of plays")
    for number, play in enumerate(data):
        if not isinstance(play, dict) or "hosts" not in play:
            raise PlaybookError(file, f"[{number}]", "is no play with hosts; import_playbook is not followed here")
        given = _names(play.get("vars"))
        roles = play.get("roles") or []
        if not isinstance(roles, list):
            raise PlaybookError(file, f"[{number}].roles", f"is {roles!r}, wanted a list of roles")
        for role in roles:
            yield _listed_role(file, role, given)
        yield from _used_in_tasks(file, play, given)


def _listed_role(file: Path, role: object, given: frozenset[str]) -> RoleUse:
    if isinstance(role, str):
        return RoleUse(role=_plain(file, role), entry="main", given=given)
    name = _field(role, "role") or _field(role, "name")
    return RoleUse(role=_plain(file, name), entry="main", given=given | _names(role) | _names(_field(role, "vars")))


def _used_in_tasks(file: Path, holder: Mapping[str, object], given: frozenset[str]) -> Iterator[RoleUse]:
    for part in _TASK_LISTS:
        tasks = holder.get(part)
        for task in tasks if isinstance(tasks, list) else ():
            if not isinstance(task, dict):
                raise PlaybookError(file, part, f"holds {task!r}, wanted a task")
            here = given | _names(task.get("vars"))
            for key in _ROLE_TASKS:
                body = task.get(key) or task.get(f"ansible.builtin.{key}")
                if body is not None:
                    entry = _field(body, "tasks_from") or "main"
                    yield RoleUse(role=_plain(file, _field(body, "name")), entry=Path(str(entry)).stem, given=here)
            yield from _used_in_tasks(file, task, here)


def _plain(file: Path, role: object) -> str:
    if not isinstance(role, str) or "{{" in role or "/" in role:
        raise PlaybookError(file, "", f"uses the role {role!r}, wanted the plain name of a role")
    return role


def _field(data: object, key: str) -> object:
    return data.get(key) if isinstance(data, dict) else None


def _names(data: object) -> frozenset[str]:
    return frozenset(data) if isinstance(data, dict) else frozenset()


# What a run may read


def _digests(root: Path, own: set[Path]) -> dict[str, bytes]:
    """Give a digest of every file of the folder that all playbooks share."""
    shared: dict[str, bytes] = {}
    for path in sorted(root.rglob("*")):
        relative = path.relative_to(root)
        left_out = any(part in LEFT_OUT or part.startswith(".") for part in relative.parts)
        if left_out or path in own or (path.is_dir() and not path.is_symlink()):
            continue
        shared[relative.as_posix()] = _content(root, path)
    return shared


def _content(root: Path, path: Path) -> bytes:
    if path.is_symlink() and not path.resolve().is_relative_to(root.resolve()):
        raise PlaybookError(path, "", "is a link that leaves the playbook folder: what it leads to would not be pinned")
    if path.is_dir():
        return hashlib.sha256(str(path.readlink()).encode()).digest()
    try:
        return hashlib.sha256(path.read_bytes()).digest()
    except OSError as cause:
        raise PlaybookError(path, "", f"cannot be read: {cause.strerror}") from cause


def _combined(contents: Mapping[str, bytes]) -> str:
    whole = hashlib.sha256()
    for name in sorted(contents):
        encoded = name.encode()
        whole.update(len(encoded).to_bytes(4) + encoded + contents[name])
    return whole.hexdigest()
