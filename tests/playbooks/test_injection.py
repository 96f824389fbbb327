"""Text from outside reaches tasks as it is: nothing in it is ever executed, on the controller or on the target."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from remediations.runs import RunStatus
from tests.playbooks.runs import Stage
from tests.playbooks.warm import WAYS, parent_for

# Uses each value the ways a playbook may: in a task's name, through facts, conditions, loops, filters, argv and files.
TASKS = """\
    - name: "Name {{ text }}"
      ansible.builtin.set_fact:
        copied: "{{ text }} {{ labels.note }} {{ labels.zones[0] }}"
        joined: "{{ texts | join('|') }}"

    - name: Decide
      ansible.builtin.debug:
        msg: "{{ text }} {{ copied }} {{ hostvars[inventory_hostname].text }}"
      when: text == copied.split(' ')[0] or text | length > 0
      loop: "{{ texts }}"

    - name: Pass it on
      ansible.builtin.command:
        argv: ["printf", "%s\\n", "{{ text }}", "{{ labels.note }}", "{{ copied }}"]
      register: printed

    - name: Write it down
      ansible.builtin.copy:
        content: "{{ joined }}"
        dest: "{{ folder }}/written"
        mode: "0600"

    - name: Give it back
      ansible.builtin.set_stats:
        data:
          text: "{{ text }}"
          texts: "{{ texts }}"
          printed: "{{ printed.stdout_lines }}"
"""


# Text that would touch the canary, or come out changed, if anything took it for more than text.
TEXTS = {
    "lookup": "{{ lookup('pipe', 'touch CANARY') }}",
    "lookup by its full name": "{{ lookup('ansible.builtin.pipe', 'touch CANARY') }} trailing",
    "query": "{{ query('pipe', 'touch CANARY') }}",
    "q": "{{ q('pipe', 'touch CANARY') }}",
    "lines": "{{ lookup('lines', 'touch CANARY') }}",
    "statement": "{% set x = lookup('pipe', 'touch CANARY') %}",
    "condition": "{% if lookup('pipe', 'touch CANARY') %}x{% endif %}",
    "loop": "{% for x in [lookup('pipe', 'touch CANARY')] %}x{% endfor %}",
    "comment and a file": "{{ lookup('file', '/etc/passwd') }}{# touch CANARY #}",
    "without spaces": "{{lookup('pipe', 'touch CANARY')}}",
    "trimmed": "{{- lookup('pipe', 'touch CANARY') -}}",
    "nested": "{{ '{{ ' ~ lookup('pipe', 'touch CANARY') ~ ' }}' }}",
    "of braces apart": "{ { lookup('pipe', 'touch CANARY') } }",
    "raw": "{% raw %}{{ lookup('pipe', 'touch CANARY') }}{% endraw %}{{ lookup('pipe', 'touch CANARY') }}",
    "classes": "{{ ''.__class__.__mro__[1].__subclasses__() }}; touch CANARY",
    "cycler": "{{ cycler.__init__.__globals__.os.popen('touch CANARY').read() }}",
    "only begun": "{{ touch CANARY",
    "only ended": "touch CANARY }}",
    "bare condition": "lookup('pipe', 'touch CANARY')",
    "yaml tag": "!unsafe touch CANARY",
    "yaml python": "!!python/object/apply:os.system ['touch CANARY']",
    "yaml mapping": "x: {y: touch CANARY}",
    "yaml anchor": "*touch CANARY",
    "yaml document": "--- touch CANARY",
    "vault": "$ANSIBLE_VAULT;1.1;AES256 touch CANARY",
    "json": '", "x": "touch CANARY',
    "json unsafe": "{\"__ansible_unsafe\": \"{{ lookup('pipe', 'touch CANARY') }}\"}",
    "json vault": '{"__ansible_vault": "touch CANARY"}',
    "file of variables": "@CANARY",
    "option": "--extra-vars=@CANARY",
    "ssh option": "-oProxyCommand=touch CANARY",
    "ssh option apart": "-o ProxyCommand=touch${IFS}CANARY",
    "substitution": "$(touch CANARY)",
    "backticks": "`touch CANARY`",
    "command": "; touch CANARY #",
    "pipe": "| touch CANARY",
    "and": "&& touch CANARY",
    "background": "& touch CANARY &",
    "redirect": "> CANARY",
    "single quotes": "' ; touch CANARY ; '",
    "double quotes": '" && touch CANARY && "',
    "variable": "${IFS}touch${IFS}CANARY",
    "backslash": "\\\\'; touch CANARY; \\\\",
    "path": "../../../../../..CANARY",
    "home": "~root/$HOME/%h/%d CANARY",
    "pattern": "web*:!web-1:&db[1:3] ~.* CANARY",
    "html": "<script>touch('CANARY')</script><img src=x onerror=alert(1)>",
    "ansi as text": "\\x1b[2J\\x1b]0;touch CANARY\\x07",
    "omit": "__omit_place_holder__touch CANARY",
    "key and value": "free_form=touch CANARY creates=/nothing",
    "right to left": "touch \u202eCANARY",
    "full-width braces": "\uff5b\uff5b lookup('pipe', 'touch CANARY') \uff5d\uff5d",
    "full-width option": "\uff0doProxyCommand=touch CANARY",
    "full-width semicolon": "\uff1b touch CANARY",
    "cyrillic": "{{ l\u043e\u043ekup('pipe', 'touch CANARY') }}",
    "zero width": "{\u200b{ lookup('pipe', 'touch CANARY') }\u200b}",
    "combining": "touch CANARY\u0338",
    "percent": "%(touch CANARY)s {0} %s",
}


@pytest.fixture(params=WAYS)
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    """Playbooks of a test's own, run in new processes or by forks of a warm parent."""
    stage = Stage(tmp_path, tmp_path / "playbooks")
    with parent_for(request.param, stage.settings) as stage.parent:
        yield stage


def hostile(canary: Path) -> list[str]:
    """The texts, all aimed at this canary."""
    return [text.replace("CANARY", str(canary)) for text in TEXTS.values()]


def test_nothing_is_executed(stage: Stage, tmp_path: Path) -> None:
    """Hostile text in an input and in variables, nested too, comes out letter for letter and touches nothing."""
    canary = tmp_path / "canary"
    texts = hostile(canary)
    request = stage.request(
        playbook=stage.write_playbook("use.yml", TASKS),
        inputs={"text": texts[0]},
        variables={
            "texts": texts,
            "labels": {"note": texts[0], "zones": [texts[2]]},
            "folder": str(tmp_path),
        },
    )
    played = stage.play(request)
    assert played.result.status is RunStatus.SUCCESSFUL, played.result
    assert not canary.exists()
    assert played.result.result["text"] == texts[0]
    assert played.result.result["texts"] == texts
    assert played.result.result["printed"] == [texts[0], texts[0], f"{texts[0]} {texts[0]} {texts[2]}"]
    assert (tmp_path / "written").read_text() == "|".join(texts)


def test_each_input_is_text(stage: Stage, tmp_path: Path) -> None:
    """Each hostile string as an input of its own, which Ansible trusts most of all, stays text."""
    canary = tmp_path / "canary"
    texts = hostile(canary)
    names = [f"value_{number}" for number in range(len(texts))]
    tasks = "".join(
        f'    - name: Use {name}\n      ansible.builtin.debug:\n        msg: "{{{{ {name} }}}}"\n' for name in names
    )
    back = "".join(f'          {name}: "{{{{ {name} }}}}"\n' for name in names)
    tasks += f"    - name: Give them back\n      ansible.builtin.set_stats:\n        data:\n{back}"
    inputs: dict[str, str | int | float | bool] = dict(zip(names, texts, strict=True))
    played = stage.play(stage.request(playbook=stage.write_playbook("use.yml", tasks), inputs=inputs))
    assert played.result.status is RunStatus.SUCCESSFUL, played.result
    assert not canary.exists()
    assert played.result.result == inputs
