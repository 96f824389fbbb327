"""The contract of a playbook: what must hold of its tasks before it may answer at night, and where it does not.

`RULES` is the whole contract. Each rule is one small function of the tree of tasks and gives findings with file and
line; ansible-lint and Ansible's own syntax check come on top (`tidegate playbooks check`).
"""

import re
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatch

import msgspec

from remediations.tasks import FILE_CALLS, ROLE_CALLS, Play, Task, Tree, called_file, field, is_true

IGNORING = ("ignore_errors", "ignore_unreachable", "failed_when")
HOSTS = ("all", "targets")
HANDED = ("args", "vars", "environment", "loop")
HERE = ("localhost", "127.0.0.1", "::1")
LINES_OF_SHELLS = frozenset({"shell", "raw", "script", "expect", "win_shell"})
NOT_OF_THE_LINE = frozenset({"chdir", "creates", "removes"})
INTERPRETERS = re.compile(r"(?:.*/)?(?:(?:ba|da|z|k|a|fi)?sh|python[0-9.]*|perl|ruby|node)")
_GIVES_SCRIPT = re.compile(r"-[A-Za-z]*[ce]")
_PIPE = re.compile(r"""(?:lookup|query|q)\(\s*['"](?:ansible\.builtin\.)?(?:pipe|lines)['"]""")
READING = frozenset(
    {
        *("assert", "debug", "fail", "find", "gather_facts", "getent", "import_tasks", "include_tasks", "meta"),
        *("package_facts", "ping", "service_facts", "set_fact", "set_stats", "setup", "slurp", "stat", "uri"),
        *("validate_argument_spec", "wait_for", "wait_for_connection", "block", "import_role", "include_role"),
    }
)
READING_SUFFIXES = ("_info", "_facts")
_SECRET = re.compile(
    r"(?i)(?<![a-z])(?:passwords?|passwd|passphrase|secrets?|api_?key|private_key|credentials?|(?:access|auth|api)_token)(?![a-z])"
)
_EXPRESSION = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)


class Finding(msgspec.Struct, frozen=True):
    """Something that the contract does not allow; `file` is relative to the playbook folder."""

    file: str
    line: int
    rule: str
    words: str


type Rule = Callable[[Tree], Iterator[Finding]]


def exact_hosts(tree: Tree) -> Iterator[Finding]:
    """A play runs on the hosts that were resolved for it: the inventory of a run holds no others."""
    for play in tree.plays:
        hosts = play.keywords.get("hosts")
        if hosts not in HOSTS:
            yield _in_play(play, "exact_hosts", f"hosts is {hosts!r}, wanted {' or '.join(HOSTS)}")
    for task in tree.tasks:
        delegate = task.keywords.get("delegate_to")
        if task.module in {"add_host", "group_by"}:
            yield _in_task(task, "exact_hosts", f"{task.module} changes the hosts of a run, wanted those decided on")
        if isinstance(delegate, str) and "{{" not in delegate and delegate not in HERE:
            words = f"delegate_to is {delegate!r}, wanted localhost or a variable named in targets.delegates"
            yield _in_task(task, "exact_hosts", words)


def bounded_failure(tree: Tree) -> Iterator[Finding]:
    """A play that fails on one host goes no further."""
    for play in tree.plays:
        keywords = play.keywords
        if "serial" not in keywords:
            yield _in_play(play, "bounded_failure", "serial is not set, wanted serial: 1 or another bound")
        if not is_true(keywords.get("any_errors_fatal")):
            yield _in_play(play, "bounded_failure", "any_errors_fatal is not set, wanted any_errors_fatal: true")
        if keywords.get("max_fail_percentage") != 0:
            yield _in_play(play, "bounded_failure", "max_fail_percentage is not 0, wanted max_fail_percentage: 0")


def marker_first(tree: Tree) -> Iterator[Finding]:
    """The first task takes the marker, so that no action has its effect twice."""
    wanted = "wanted import_role of marker, without conditions, before everything else"
    for play in tree.plays[:1]:
        if is_true(play.keywords.get("gather_facts", True)):
            yield _in_play(play, "marker_first", f"facts are gathered before the first task, {wanted}")
        first = play.tasks[0] if play.tasks else None
        if first is None or not _is_marker(first, "main") or "when" in first.keywords:
            yield _at(first, play, "marker_first", f"the first task does not take the marker, {wanted}")
    for play in tree.plays[1:]:
        yield _in_play(play, "marker_first", "a second play acts after the marker was closed, wanted one play")


def marker_done(tree: Tree) -> Iterator[Finding]:
    """The end is written into the marker, whichever it is, and nothing comes after it: a crash would hide that."""
    for play in tree.plays[:1]:
        said = [_outcome(task) if _is_marker(task, "done") else None for task in play.tasks]
        for outcome in ("successful", "failed"):
            if outcome not in said:
                words = f"no task writes the outcome {outcome}, wanted import_role of marker with tasks_from: done"
                yield _in_play(play, "marker_done", words)
        late = play.tasks[said.index("successful") + 1 :] if "successful" in said else ()
        for task in late:
            if not task.is_rescue:
                yield _in_task(task, "marker_done", "comes after the outcome is written, wanted it before")
    flushes = any(task.module == "meta" and task.arguments == "flush_handlers" for task in tree.tasks)
    for task in tree.tasks:
        if "notify" in task.keywords and not flushes:
            words = "its handler runs after the outcome is written, wanted meta: flush_handlers at the end of the role"
            yield _in_task(task, "marker_done", words)


def no_shell_with_variables(tree: Tree) -> Iterator[Finding]:
    """A value is never part of a command line that a shell reads."""
    for task in tree.tasks:
        if task.module.rpartition(".")[2] in LINES_OF_SHELLS and _EXPRESSION.search(_command_line(task)):
            words = f"{task.module} with a variable, wanted command with argv"
            yield _in_task(task, "no_shell_with_variables", words)
        if _EXPRESSION.search(_script(task)):
            words = "a variable in the script of an interpreter, wanted it as an argument after the script"
            yield _in_task(task, "no_shell_with_variables", words)


def no_piped_lookups(tree: Tree) -> Iterator[Finding]:
    """A template gives values: it runs no shell on the engine's machine, in a dry run too."""
    for task in tree.tasks:
        if _PIPE.search(_text([task.arguments, task.keywords])) or {"with_pipe", "with_lines"} & task.keywords.keys():
            words = "a lookup runs a command on the engine's machine, wanted a task with command and argv"
            yield _in_task(task, "no_piped_lookups", words)


def command_by_argv(tree: Tree) -> Iterator[Finding]:
    """A command is a list of words: nothing is split at spaces or quotes."""
    for task in tree.tasks:
        is_given = field(task.arguments, "argv") or field(task.keywords.get("args"), "argv")
        if task.module == "command" and not is_given:
            yield _in_task(task, "command_by_argv", "command without argv, wanted argv: [program, word, …]")


def no_ignored_errors(tree: Tree) -> Iterator[Finding]:
    """What fails is handled in a rescue or by a task that looks at it, or ends the run."""
    for keyword in IGNORING:
        for play in tree.plays:
            if _is_set(play.keywords, keyword):
                yield _in_play(play, "no_ignored_errors", f"{keyword} hides a failure, wanted it at no play")
    parts = [((*play.tasks, *play.handlers), "") for play in tree.plays]
    parts += [(tasks, tree.role_variables[role]) for role, tasks in tree.role_tasks.items()]
    for tasks, variables in parts:
        for task in tasks:
            ignored = next((keyword for keyword in IGNORING if _is_set(task.keywords, keyword)), "")
            if ignored and not _is_looked_at(task, tasks, variables):
                words = f"{ignored} hides a failure, wanted block and rescue, or register and a task that looks at it"
                yield _in_task(task, "no_ignored_errors", words)


def no_questions(tree: Tree) -> Iterator[Finding]:
    """Nobody sits at the keyboard."""
    for play in tree.plays:
        if "vars_prompt" in play.keywords:
            yield _in_play(play, "no_questions", "vars_prompt asks a human, wanted an input of the role")
    for task in tree.tasks:
        if _asks(task):
            yield _in_task(task, "no_questions", f"{task.module} waits for a human, wanted wait_for or until")


def secrets_hidden(tree: Tree) -> Iterator[Finding]:
    """A task that handles a secret says no_log: its arguments would stand in artifacts."""
    for task in tree.tasks:
        name = "" if task.is_hidden else _secret_in(task, tree.secrets)
        if name:
            yield _in_task(task, "secrets_hidden", f"handles {name} without no_log, wanted no_log: true")


def preflight_reads(tree: Tree) -> Iterator[Finding]:
    """Preflight only looks: a dry run really runs it."""
    for task in _preflight_tasks(tree):
        problem = _change(task)
        if problem:
            words = f"{problem} in preflight, wanted what only reads, or said to: changed_when: false, check_mode: true"
            yield _in_task(task, "preflight_reads", words)


def check_mode_kept(tree: Tree) -> Iterator[Finding]:
    """A task that changes something leaves it alone in check mode: a dry run runs every task so."""
    for task in tree.tasks:
        problem = _change(task) if task.keywords.get("check_mode") is False else ""
        if problem:
            yield _in_task(task, "check_mode_kept", f"{problem} with check_mode: false, wanted it only where it reads")


def preflight_tagged(tree: Tree) -> Iterator[Finding]:
    """Each role has a preflight, and it carries its tag: a dry run runs nothing else."""
    for role, tasks in tree.role_tasks.items():
        for task in filter(_calls_preflight, tasks):
            if not _tags_preflight(task):
                yield _in_task(task, "preflight_tagged", "preflight without its tag, wanted tags: [preflight]")
        main = next((task for task in tasks if task.file == f"roles/{role}/tasks/main.yml"), None)
        looks = any(_calls_preflight(task) or task.is_tagged for task in tasks)
        if main is not None and role != MARKER and not looks:
            yield _in_task(main, "preflight_tagged", f"{role} has no preflight, wanted tasks that look before they act")


def plain_modules(tree: Tree) -> Iterator[Finding]:
    """Each task names its module: what it does can be read off."""
    for task in tree.tasks:
        if task.module in {"action", "local_action", ""} or "{{" in task.module:
            words = f"module is {task.module or 'missing'!r}, wanted the name of a module"
            yield _in_task(task, "plain_modules", words)


def plain_parts(tree: Tree) -> Iterator[Finding]:
    """What a playbook consists of lies in its folder and is known before it runs: nothing else was judged."""
    for task in tree.tasks:
        if task.module in ROLE_CALLS:
            name = str(field(task.arguments, "name"))
            if "{{" in name or "/" in name:
                yield _in_task(task, "plain_parts", f"uses the role {name!r}, wanted the plain name of a role")
        if task.module in FILE_CALLS:
            name, in_role = called_file(task), task.file.startswith("roles/")
            if name.startswith("/") or ".." in name.split("/") or ("{{" in name and not in_role):
                yield _in_task(task, "plain_parts", f"includes {name!r}, wanted the plain name of a file beside it")


RULES: tuple[Rule, ...] = (
    exact_hosts,
    bounded_failure,
    marker_first,
    marker_done,
    no_shell_with_variables,
    no_piped_lookups,
    command_by_argv,
    no_ignored_errors,
    no_questions,
    secrets_hidden,
    preflight_reads,
    check_mode_kept,
    preflight_tagged,
    plain_modules,
    plain_parts,
)
MARKER = "marker"


def judge(tree: Tree) -> tuple[Finding, ...]:
    """Give all findings in order of file and line."""
    found = {finding for rule in RULES for finding in rule(tree)}
    return tuple(sorted(found, key=lambda each: (each.file, each.line, each.rule, each.words)))


# What the rules look for


def _is_marker(task: Task, entry: str) -> bool:
    said = field(task.arguments, "tasks_from") or "main"
    return (
        task.module == "import_role"
        and field(task.arguments, "name") == MARKER
        and str(said).removesuffix(".yml") == entry
    )


def _outcome(task: Task) -> object:
    return field(task.keywords.get("vars"), "marker_outcome")


def _argv(task: Task) -> list[str]:
    argv = field(task.arguments, "argv") or field(task.keywords.get("args"), "argv")
    return [str(word) for word in argv] if isinstance(argv, list) and task.module == "command" else []


def _command_line(task: Task) -> str:
    """Give all that a shell reads of a task: not the folder it runs in, nor the files that it depends on."""
    parts = [task.arguments, task.keywords.get("args")]
    kept = [
        {key: value for key, value in part.items() if key not in NOT_OF_THE_LINE} if isinstance(part, Mapping) else part
        for part in parts
    ]
    return _text(kept)


def _script(task: Task) -> str:
    """Give the script of `sh -c script …` wherever it stands in the words, empty if they call no interpreter."""
    argv = _argv(task)
    start = next((number for number, word in enumerate(argv) if INTERPRETERS.fullmatch(word)), len(argv))
    for option, before, after in zip(argv[start + 1 :], argv[start:], argv[start + 2 :], strict=False):
        if _GIVES_SCRIPT.fullmatch(option):
            return after
        if not option.startswith(("-", "+")) and not before.endswith("o"):  # `-o errexit` is an option of two words
            return ""
    return ""


def _secret_in(task: Task, declared: frozenset[str]) -> str:
    """Give the name of a secret that a task handles: an argument of that name, or a variable in an expression."""
    given = task.arguments if isinstance(task.arguments, Mapping) else {}
    for name, value in given.items():
        if _SECRET.search(name) and isinstance(value, str) and value:
            return str(name)
    handed = [value for key, value in task.keywords.items() if key in HANDED or key.startswith("with_")]
    parts = (task.arguments, *handed)
    text = " ".join(found for part in parts for found in _EXPRESSION.findall(_text(part)))
    own: str = next((name for name in sorted(declared) if re.search(rf"\b{re.escape(name)}\b", text)), "")
    said = _SECRET.search(text)
    return own or ("" if said is None else said.group())


def _change(task: Task) -> str:
    """Say what of a task may change something, empty if it only reads."""
    if task.keywords.get("check_mode") is True or task.keywords.get("changed_when") is False:
        return ""
    if task.module == "uri":
        method = str(field(task.arguments, "method") or "GET")
        return "" if method.upper() in {"GET", "HEAD"} else f"uri with {method}"
    known = task.module in READING or task.module.endswith(READING_SUFFIXES)
    return "" if known else task.module


def _asks(task: Task) -> bool:
    """Tell whether a task waits for a human; a pause of so many seconds does not."""
    is_timed = field(task.arguments, "seconds") or field(task.arguments, "minutes")
    has_prompt = field(task.arguments, "prompt") is not None
    return "debugger" in task.keywords or (task.module == "pause" and (has_prompt or not is_timed))


def _is_set(keywords: Mapping[str, object], keyword: str) -> bool:
    value = keywords.get(keyword)
    if keyword == "failed_when":
        return value is False or str(value).lower() in {"false", "no"}
    return value is not None and value is not False


def _is_looked_at(task: Task, tasks: tuple[Task, ...], variables: str) -> bool:
    """Tell whether another task, or a variable of the role, names what this one registers."""
    name = task.keywords.get("register")
    if not isinstance(name, str):
        return False
    others = [_text([each.arguments, each.keywords]) for each in tasks if each is not task]
    return any(re.search(rf"\b{re.escape(name)}\b", text) for text in (*others, variables))


def _preflight_tasks(tree: Tree) -> Iterator[Task]:
    """Give the tasks that a dry run really runs: tagged for it or `always`, in a preflight, or called by such a one."""
    waiting = [task for task in tree.tasks if task.is_tagged or task.is_always or _is_preflight(task.file)]
    seen: set[tuple[str, int]] = set()
    while waiting:
        task = waiting.pop()
        if (task.file, task.line) not in seen:
            seen.add((task.file, task.line))
            yield task
            waiting.extend(_called(tree, task))


def _called(tree: Tree, task: Task) -> Iterator[Task]:
    """Give the tasks of the files that a task calls; each part of a name that is a variable stands for any."""
    _, _, role = task.file.partition("roles/")
    name = called_file(task)
    if task.module in ROLE_CALLS:
        role, name = str(field(task.arguments, "name")), str(field(task.arguments, "tasks_from") or "main")
    elif task.module not in FILE_CALLS:
        return
    role, name = role.partition("/")[0], _EXPRESSION.sub("*", name.removesuffix(".yml"))
    folder = task.file.rpartition("/")[0]
    files = (f"roles/{role}/tasks/{name}.yml", f"{folder}/{name}.yml")
    yield from (each for each in tree.role_tasks.get(role, ()) if any(fnmatch(each.file, file) for file in files))


def _is_preflight(file: str) -> bool:
    return file.rpartition("/")[2] == "preflight.yml"


def _calls_preflight(task: Task) -> bool:
    return task.module in FILE_CALLS and _is_preflight(called_file(task))


def _tags_preflight(task: Task) -> bool:
    """Tell whether the tasks of an included file get the tag: an import hands its own on, an include by `apply`."""
    if task.module == "import_tasks":
        return task.is_tagged
    return "preflight" in _text(field(field(task.arguments, "apply"), "tags")) and (
        task.is_tagged or _is_preflight(task.file)
    )


def _text(value: object) -> str:
    if isinstance(value, Mapping):
        return " ".join(_text(part) for part in value.values())
    if isinstance(value, list):
        return " ".join(_text(part) for part in value)
    return "" if value is None else str(value)


def _in_play(play: Play, rule: str, words: str) -> Finding:
    return Finding(play.file, play.line, rule, words)


def _in_task(task: Task, rule: str, words: str) -> Finding:
    return Finding(task.file, task.line, rule, words)


def _at(task: Task | None, play: Play, rule: str, words: str) -> Finding:
    return _in_play(play, rule, words) if task is None else _in_task(task, rule, words)
