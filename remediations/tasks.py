"""A playbook's plays and tasks as they are written, with file and line: what the rules of its contract look at."""

from collections.abc import Hashable, Iterable, Iterator, Mapping
from pathlib import Path

import msgspec
import yaml

from remediations.errors import PlaybookError

SUFFIXES = (".yml", ".yaml")
LISTS = ("pre_tasks", "tasks", "post_tasks")
PARTS = ("block", "rescue", "always")
ROLE_CALLS = ("import_role", "include_role")
FILE_CALLS = ("import_tasks", "include_tasks")
LINE, RESCUE = "__line__", "__rescue__"
_BUILTIN = ("ansible.builtin.", "ansible.legacy.")
_KEYWORDS = frozenset(
    {
        *("any_errors_fatal", "args", "async", "become", "become_exe", "become_flags", "become_method", "become_user"),
        *("changed_when", "check_mode", "collections", "connection", "debugger", "delay", "delegate_facts"),
        *("delegate_to", "diff", "environment", "failed_when", "ignore_errors", "ignore_unreachable", "listen", "loop"),
        *("loop_control", "module_defaults", "name", "no_log", "notify", "poll", "port", "register", "remote_user"),
        *("retries", "run_once", "tags", "throttle", "timeout", "until", "vars", "when", LINE, RESCUE),
    }
)


class Task(msgspec.Struct, frozen=True):
    """One task. `module` is its short name if it is Ansible's own, `block` for a block; `file` is in the folder.

    `is_hidden`: it, or what is around it, says no_log. `is_tagged`: so with the tag `preflight`; `is_always`: so with
    `always`. `is_rescue`: it only runs after a failure. A role that a play lists is a task with `import_role`.
    """

    file: str
    line: int
    module: str
    arguments: object
    keywords: Mapping[str, object]
    is_hidden: bool = False
    is_tagged: bool = False
    is_always: bool = False
    is_rescue: bool = False


class Play(msgspec.Struct, frozen=True):
    """One play with its own tasks, in the order of the file."""

    file: str
    line: int
    keywords: Mapping[str, object]
    tasks: tuple[Task, ...]
    handlers: tuple[Task, ...] = ()


class Tree(msgspec.Struct, frozen=True):
    """All that a playbook consists of: its plays, and the tasks in all files of every role that it uses.

    `role_variables` is the text of a role's defaults and vars; `secrets` are the options that roles declare no_log.
    """

    root: Path
    plays: tuple[Play, ...]
    role_tasks: Mapping[str, tuple[Task, ...]]
    role_variables: Mapping[str, str]
    secrets: frozenset[str]

    @property
    def tasks(self) -> Iterator[Task]:
        """Give every task, those of the plays first."""
        for play in self.plays:
            yield from (*play.tasks, *play.handlers)
        for tasks in self.role_tasks.values():
            yield from tasks


def read_tree(root: Path, playbook: Path) -> Tree:
    """Read a playbook that the catalogue has accepted. Raises PlaybookError for a file that is no list of tasks."""
    plays = tuple(_plays(root, playbook))
    roles: dict[str, tuple[Task, ...]] = {}
    waiting = [name for play in plays for name in called_roles((*play.tasks, *play.handlers))]
    while waiting:
        name = waiting.pop(0)
        if name in roles or not (root / "roles" / name).is_dir():
            continue  # a role of a collection is its own author's
        roles[name] = tuple(_role_tasks(root, name))
        waiting.extend((*_needed_roles(root, name), *called_roles(roles[name])))
    return Tree(
        root=root,
        plays=plays,
        role_tasks=roles,
        role_variables={role: _variables(root, role) for role in roles},
        secrets=frozenset(_secrets(root, roles)),
    )


def planned(tree: Tree) -> Iterator[str]:
    """Give the names of the tasks that a run comes past when nothing fails, as far as the files tell it."""
    for play in tree.plays:
        yield from _steps(tree, play.tasks, "")


def _steps(tree: Tree, tasks: Iterable[Task], role: str) -> Iterator[str]:
    for task in tasks:
        if task.is_rescue or task.module == "block":
            continue
        name = field(task.arguments, "name") if task.module in ROLE_CALLS else None
        if isinstance(name, str):
            yield from _steps(tree, _of_file(tree, name, str(field(task.arguments, "tasks_from") or "main")), name)
        elif task.module in FILE_CALLS and _of_file(tree, role, called_file(task)):
            yield from _steps(tree, _of_file(tree, role, called_file(task)), role)
        else:
            yield f"{role} : {task.keywords.get('name', task.module)}" if role else str(task.keywords.get("name", ""))


def _of_file(tree: Tree, role: str, name: str) -> list[Task]:
    file = f"roles/{role}/tasks/{name.removesuffix('.yml')}.yml"
    return [task for task in tree.role_tasks.get(role, ()) if task.file == file]


def called_roles(tasks: tuple[Task, ...]) -> Iterator[str]:
    """Give the roles that tasks import or include by a plain name."""
    for task in tasks:
        name = field(task.arguments, "name") if task.module in ROLE_CALLS else None
        if isinstance(name, str):
            yield name


def called_file(task: Task) -> str:
    """Give the name of the file that a task imports or includes, as it is written."""
    return str(task.arguments if isinstance(task.arguments, str) else field(task.arguments, "file"))


def field(data: object, key: str) -> object:
    """Give a field of a mapping, None if it is none."""
    return data.get(key) if isinstance(data, Mapping) else None


def is_true(value: object) -> bool:
    """Tell whether a keyword is switched on, in any of the ways that Ansible takes for it."""
    return value is True or str(value).lower() in {"true", "yes", "on", "1"}


def _plays(root: Path, file: Path) -> Iterator[Play]:
    for play in _read(root, file):
        tasks: list[Task] = []
        for part in LISTS:
            if part == "tasks":
                tasks.extend(_listed_roles(root, file, play))
            for task in _tasks(root, file, play.get(part), play):
                tasks.extend((task, *_included(root, file, task, frozenset({file}))))
        handlers = tuple(_tasks(root, file, play.get("handlers"), play))
        yield Play(_shown(root, file), _line(play), play, tuple(tasks), handlers)


def _included(root: Path, file: Path, task: Task, seen: frozenset[Path]) -> Iterator[Task]:
    """Give the tasks of a file that a play includes by a plain name, and of those that it includes itself."""
    if task.module not in FILE_CALLS:
        return
    included = file.parent / called_file(task)
    if included.is_file() and included not in seen:
        for inner in _tasks(root, included, _read(root, included), task.keywords):
            yield inner
            yield from _included(root, included, inner, seen | {included})


def _listed_roles(root: Path, file: Path, play: Mapping[str, object]) -> Iterator[Task]:
    """Give the roles that a play lists, as the tasks that would do the same."""
    roles = play.get("roles")
    for role in roles if isinstance(roles, list) else ():
        keywords = role if isinstance(role, dict) else {LINE: _line(play)}
        name = role if isinstance(role, str) else keywords.get("role") or keywords.get("name")
        call = {key: value for key, value in keywords.items() if key in _KEYWORDS} | {"import_role": {"name": name}}
        yield from _tasks(root, file, [call], play)


def _needed_roles(root: Path, role: str) -> Iterator[str]:
    """Give the roles that a role names as its dependencies."""
    for suffix in SUFFIXES:
        file = root / "roles" / role / "meta" / f"main{suffix}"
        needed = field(_load(file), "dependencies") if file.is_file() else None
        for each in needed if isinstance(needed, list) else ():
            name = each if isinstance(each, str) else field(each, "role") or field(each, "name")
            if isinstance(name, str):
                yield name


def _role_tasks(root: Path, role: str) -> Iterator[Task]:
    for part in ("tasks", "handlers"):
        for file in sorted((root / "roles" / role / part).rglob("*")):
            if file.suffix in SUFFIXES and file.is_file():
                yield from _tasks(root, file, _read(root, file), {})


def _variables(root: Path, role: str) -> str:
    files = [file for part in ("defaults", "vars") for file in (root / "roles" / role / part).rglob("*.y*ml")]
    return "\n".join(file.read_text(encoding="utf-8", errors="replace") for file in sorted(files))


def _tasks(root: Path, file: Path, data: object, around: Mapping[str, object]) -> Iterator[Task]:
    for each in data if isinstance(data, list) else ():
        if not isinstance(each, dict):
            raise PlaybookError(file, "", f"holds {each!r}, wanted a task")
        keywords = dict(each)
        for inherited in ("no_log", RESCUE):
            if inherited in around and inherited not in keywords:
                keywords[inherited] = around[inherited]
        tags = keywords["tags"] = [*_tags(around), *_tags(each)]
        names = [key for key in each if key not in _KEYWORDS and not key.startswith("with_") and key not in PARTS]
        module = "block" if "block" in each else _short(names[0]) if names else ""
        yield Task(
            file=_shown(root, file),
            line=_line(each),
            module=module,
            arguments=each.get(names[0]) if names else None,
            keywords=keywords,
            is_hidden=is_true(keywords.get("no_log")),
            is_tagged="preflight" in tags,
            is_always="always" in tags,
            is_rescue=RESCUE in keywords,
        )
        for part in PARTS:
            inside = keywords | {RESCUE: True} if part == "rescue" else keywords
            yield from _tasks(root, file, each.get(part), inside)


def _tags(keywords: Mapping[str, object]) -> list[str]:
    tags = keywords.get("tags") or []
    return [str(tag).strip() for tag in (tags if isinstance(tags, list) else str(tags).split(","))]


def _secrets(root: Path, roles: Mapping[str, object]) -> Iterator[str]:
    for role in roles:
        for suffix in SUFFIXES:
            file = root / "roles" / role / "meta" / f"argument_specs{suffix}"
            entries = field(_load(file), "argument_specs") if file.is_file() else None
            for entry in entries.values() if isinstance(entries, dict) else ():
                options = field(entry, "options")
                for name, option in options.items() if isinstance(options, dict) else ():
                    if is_true(field(option, "no_log")):
                        yield name


def _short(module: str) -> str:
    for prefix in _BUILTIN:
        module = module.removeprefix(prefix)
    return module


def _shown(root: Path, file: Path) -> str:
    return file.relative_to(root).as_posix()


def _line(mapping: Mapping[str, object]) -> int:
    line = mapping.get(LINE)
    return line if isinstance(line, int) else 0


def _read(root: Path, file: Path) -> list[dict[str, object]]:
    data = _load(file)
    if data is None:
        return []
    if not isinstance(data, list):
        raise PlaybookError(root / _shown(root, file), "", "is no list of plays or tasks")
    return [each for each in data if isinstance(each, dict)]


class _Loader(yaml.SafeLoader):
    """Reads a mapping with the line on which it begins; tags such as !vault and !unsafe are read as their text."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, object]:  # noqa: FBT001, FBT002 - PyYAML's signature
        return super().construct_mapping(node, deep=deep) | {LINE: node.start_mark.line + 1}

    def construct_text(self, _suffix: str, node: yaml.Node) -> str:
        """Read whatever Ansible's own tags mark as text."""
        return str(node.value)


_Loader.add_multi_constructor("!", _Loader.construct_text)


def _load(file: Path) -> object:
    try:
        data: object = yaml.load(file.read_bytes(), Loader=_Loader)  # noqa: S506 - it is a safe loader
    except yaml.YAMLError as cause:
        raise PlaybookError(file, "", f"is not YAML: {cause}") from cause
    except OSError as cause:
        raise PlaybookError(file, "", f"cannot be read: {cause.strerror}") from cause
    return data
