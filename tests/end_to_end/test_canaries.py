"""Secrets of every kind go through a real engine, a real Kafka and a real failing run, and are found nowhere."""

import asyncio
import subprocess
import sys
import uuid
from pathlib import Path

import msgspec

from remediations.acceptance import accept
from remediations.loading import load_rulebook
from remediations.records import RunFinished
from remediations.runs import RunStatus
from stream.engine.flow import accepted_file, rule_files
from stream.kafka import open_consumer
from tests.engines import Fleet, fleet
from tests.kafka import Kafka
from tests.playbooks.watching import MEET, ProcessTable

CANARY = f"canary-{uuid.uuid4().hex}"
PASSWORD = f"{CANARY}-vault-password"
VARIABLES = {
    "ansible_become_password": f"{CANARY}-become",
    "ansible_ssh_private_key_passphrase": f"{CANARY}-passphrase",
    "ansible_ssh_pass": f"{CANARY}-login",
}
PLAYBOOK = """\
- name: Append
  hosts: all
  gather_facts: false
  any_errors_fatal: true
  vars_files:
    - vaulted.yml
  vars:
    hidden: {canary}-no-log
    all_secrets: >-
      {{{{ secret_of_vault }}}} {{{{ hidden }}}} {{{{ ansible_become_password }}}}
      {{{{ ansible_ssh_private_key_passphrase }}}} {{{{ ansible_ssh_pass }}}}
  tasks:
    - name: Take the marker
      ansible.builtin.import_role:
        name: marker
    - name: Use all secrets
      ansible.builtin.command:
        argv: [sh, -c, 'cat >> "$1"; {meet}', append, "{{{{ effects_file }}}}"]
        stdin: "{{{{ all_secrets }}}}"
      no_log: true
    - name: Fail with all secrets
      ansible.builtin.command:
        argv: [sh, -c, "cat; cat >&2; exit 3"]
        stdin: "{{{{ all_secrets }}}}"
      no_log: true
      failed_when: true
"""
CLI = "from console.cli import main; main()"
SHOWN = (("runs", "tail", "h1"), ("runs", "tail", "h1", "--json"), ("audit", "tail"), ("audit", "tail", "--json"))


def plant(one: Fleet, met: Path) -> None:
    """Write the secrets where operators have them: inventory, vault, playbook; its task waits until it was seen."""
    playbooks = one.folder / "playbooks"
    (playbooks / "append.yml").write_text(PLAYBOOK.format(canary=CANARY, meet=MEET.format(met=met)))
    (playbooks / "ansible.cfg").write_text(f"[defaults]\nvault_password_file = {one.folder}/password\n")
    (one.folder / "password").write_text(PASSWORD)
    (playbooks / "vaulted.yml").write_text(f"secret_of_vault: {CANARY}-vaulted\n")
    program = str(Path(sys.executable).parent / "ansible-vault")
    words = [program, "encrypt", "--vault-password-file", f"{one.folder}/password", f"{playbooks}/vaulted.yml"]
    subprocess.run(words, check=True, capture_output=True)
    file = one.folder / "inventory.yml"
    inventory = msgspec.yaml.decode(file.read_bytes())
    inventory["all"]["children"]["web"]["hosts"]["h1"] |= VARIABLES
    file.write_bytes(msgspec.yaml.encode(inventory))
    accept(accepted_file(one.settings), load_rulebook(*map(Path, rule_files(one.settings))).playbook_digests)


def shown(one: Fleet, *words: str) -> bytes:
    """What the command line says."""
    argv = [sys.executable, "-c", CLI, *words, "--config", str(one.settings_file)]
    return subprocess.run(argv, check=True, capture_output=True).stdout


async def topic(one: Fleet, name: str) -> bytes:
    """All records of a topic, as they are on the wire."""
    consumer = await open_consumer(one.settings.kafka, name)
    try:
        found = await consumer.getmany(timeout_ms=5000)
        return b"\n".join(
            part or b"" for records in found.values() for record in records for part in (record.key, record.value)
        )
    finally:
        await consumer.stop()


async def test_canaries(kafka: Kafka, tmp_path: Path) -> None:
    """A failing run that used them all: none in the process table, artifacts, topics, the engine's log, the console."""
    async with fleet(kafka, tmp_path) as one:
        plant(one, tmp_path / "met")
        with ProcessTable(tmp_path / "met") as table:
            async with one.engine_process():
                await one.fail()
                records = await one.wait_for("run.finished", seconds=120)
        (end,) = (record for record in records if isinstance(record, RunFinished))
        assert (RunStatus.FAILED, "task 'Fail with all secrets' failed on h1") == (end.status, end.reason)
        used = one.effects_file.read_text()
        assert used.count(CANARY) == 5, used
        places = {name: await topic(one, name) for name in (one.settings.topics.audit, one.settings.topics.signals)}
        for words in SHOWN:
            places[" ".join(words)] = await asyncio.to_thread(shown, one, *words)
    places |= {str(file): file.read_bytes() for file in (tmp_path / "state").rglob("*") if file.is_file()}
    places["engine.log"] = (tmp_path / "engine.log").read_bytes()
    places["process table"] = "\n".join([*table.arguments, *table.environments]).encode()
    assert [] == [name for name, text in places.items() if CANARY.encode() in text]
    for name, word in (
        (one.settings.topics.audit, b"Fail with all secrets"),
        (one.settings.topics.signals, b"h1-raised-1"),
        ("runs tail h1", b"Use all secrets"),
        ("runs tail h1 --json", b"Fail with all secrets"),
        ("engine.log", b"run.ended"),
        ("process table", b"append"),
    ):
        assert word in places[name], name
    assert {"stdout", "result.json", "runner.log"} <= {Path(name).name for name in places}
