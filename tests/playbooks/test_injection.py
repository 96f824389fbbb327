"""Text from outside reaches tasks as it is: nothing in it is ever executed, on the controller or on the target."""

from pathlib import Path

from remediations.runs import RunStatus
from tests.playbooks.runs import Stage

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


def hostile(canary: Path) -> list[str]:
    """Text that would touch the canary if anything executed it."""
    return [
        f"{{{{ lookup('pipe', 'touch {canary}') }}}}",
        f"{{{{ lookup('ansible.builtin.pipe', 'touch {canary}') }}}} trailing",
        f"{{% set x = lookup('pipe', 'touch {canary}') %}}",
        f"{{{{ query('pipe', 'touch {canary}') }}}}",
        f"{{{{ lookup('file', '/etc/passwd') }}}}{{# touch {canary} #}}",
        f"{{{{ ''.__class__.__mro__[1].__subclasses__() }}}}; touch {canary}",
        f"!unsafe touch {canary}",
        f"$(touch {canary})",
        f"`touch {canary}`",
        f"; touch {canary} #",
        f"| touch {canary}",
        f"' ; touch {canary} ; '",
        f'" && touch {canary} && "',
        f"-oProxyCommand=touch {canary}",
        f"{{\"__ansible_unsafe\": \"{{{{ lookup('pipe', 'touch {canary}') }}}}\"}}",
        f"\", \"x\": \"{{{{ lookup('pipe', 'touch {canary}') }}}}",
        f"@{canary}",
    ]


def test_nothing_is_executed(tmp_path: Path) -> None:
    """Hostile text in an input and in variables, nested too, comes out letter for letter and touches nothing."""
    canary = tmp_path / "canary"
    texts = hostile(canary)
    stage = Stage(tmp_path, tmp_path / "playbooks")
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


def test_each_input_is_text(tmp_path: Path) -> None:
    """Each hostile string as an input of its own, which Ansible trusts most of all, stays text."""
    canary = tmp_path / "canary"
    texts = hostile(canary)
    names = [f"value_{number}" for number in range(len(texts))]
    tasks = "".join(
        f'    - name: Use {name}\n      ansible.builtin.debug:\n        msg: "{{{{ {name} }}}}"\n' for name in names
    )
    back = "".join(f'          {name}: "{{{{ {name} }}}}"\n' for name in names)
    tasks += f"    - name: Give them back\n      ansible.builtin.set_stats:\n        data:\n{back}"
    stage = Stage(tmp_path, tmp_path / "playbooks")
    inputs: dict[str, str | int | float | bool] = dict(zip(names, texts, strict=True))
    played = stage.play(stage.request(playbook=stage.write_playbook("use.yml", tasks), inputs=inputs))
    assert played.result.status is RunStatus.SUCCESSFUL, played.result
    assert not canary.exists()
    assert played.result.result == inputs
