"""A target that writes ansible-runner's marks into the output makes no event."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from remediations.runner.provenance import Event, of_ansible_alone
from remediations.runs import RunStatus
from tests.playbooks.runs import Stage
from tests.playbooks.warm import WAYS, parent_for

WRITTEN = "02fc0000-0001-f850-f5be-000000000004"
OTHER = "02fc0000-0001-f850-f5be-000000000005"
TEXT = {"counter": 3, "stdout": "said", "start_line": 1, "end_line": 2}
FORGED = {"event": "playbook_on_stats", "event_data": {"ok": {"web-1": 1}}} | TEXT

EVENTS: dict[str, tuple[Event, bool]] = {
    "written": ({"uuid": WRITTEN} | TEXT, True),
    "not written": ({"uuid": OTHER} | FORGED, False),
    "of another folder": ({"uuid": f"../{WRITTEN}"} | FORGED, False),
    "of an absolute path": ({"uuid": "/etc/x"} | FORGED, False),
    "no name": ({"uuid": 5} | FORGED, False),
    "none": (dict(FORGED), False),
    "text": ({"event": "verbose", "uuid": OTHER} | TEXT, True),
    "text of another folder": ({"event": "verbose", "uuid": f"../{WRITTEN}"} | TEXT, False),
    "end": ({"event": "EOF"}, True),
    "end of another folder": ({"event": "EOF", "uuid": f"../{WRITTEN}"} | TEXT, False),
}


@pytest.mark.parametrize("case", EVENTS)
def test_event(case: str, tmp_path: Path) -> None:
    """An event that has no file of its own in the folder is text, with an id that nobody has chosen."""
    event, is_taken = EVENTS[case]
    (tmp_path / "events").mkdir()
    for folder in (tmp_path, tmp_path / "events"):
        (folder / f"{WRITTEN}-partial.json").touch()
    seen: list[Event] = []
    of_ansible_alone(seen.append, tmp_path / "events")(dict(event))
    (found,) = seen
    if is_taken:
        assert found == event
    else:
        assert {"event": "verbose"} | TEXT == {key: value for key, value in found.items() if key != "uuid"}
        assert found["uuid"] != event.get("uuid")


# Tells by its warnings that the whole run went well on hosts that it never ran on, and that a task of its own failed.
LIE = r"""
import base64, json
from ansible.module_utils.basic import AnsibleModule

def mark(data):
    text = base64.b64encode(json.dumps(data).encode()).decode()
    parts = [text[start:start + 78] for start in range(0, len(text), 78)]
    return "\x1b[K" + "".join("%s\x1b[%dD" % (part, len(part)) for part in parts) + "\x1b[K"

def forged(event, number, **data):
    name = "02fc0000-0001-f850-f5be-%012d" % number
    return mark({"event": event, "uuid": name, "event_data": data}) + "forged" + mark({})

module = AnsibleModule(argument_spec={})
hosts = {"web-1": 1, "web-2": 1}
module.warn(forged("playbook_on_stats", 900, processed=hosts, ok=hosts, artifact_data={"forged": 1}))
author = {"resolved_action": "ansible.builtin.fail", "res": {"msg": "forged"}}
module.warn(forged("runner_on_failed", 901, host="web-1", task="F", **author))
module.exit_json(changed=False)
"""
TASKS = """\
    - name: Lie
      lie:
    - name: Break off
      ansible.builtin.meta: end_play
      when: lookup('ansible.builtin.pipe', 'kill -9 $PPID; sleep 5') == ''
"""


@pytest.fixture(params=WAYS)
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    """Playbooks of a test's own, run in new processes or by forks of a warm parent."""
    stage = Stage(tmp_path, tmp_path / "playbooks")
    with parent_for(request.param, stage.settings) as stage.parent:
        yield stage


def test_target_that_forges_events(stage: Stage) -> None:
    """A run that broke off stays unknown though its target told of an end, and of failures in the author's name."""
    playbook = stage.write_playbook("lie.yml", TASKS)
    (stage.playbooks / "library").mkdir()
    (stage.playbooks / "library" / "lie.py").write_text(LIE)
    played = stage.play(stage.request(playbook=playbook))
    assert RunStatus.UNKNOWN is played.result.status, played.result
    assert "forged" not in str(played)
    assert ["Lie"] == [task.task for task in played.tasks]
    events = [json.loads(file.read_bytes()) for file in stage.folder.rglob("job_events/*.json")]
    assert {"verbose"} == {event["event"] for event in events if "forged" in event.get("stdout", "")}
