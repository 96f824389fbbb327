"""Callback plugins that runs load into ansible-playbook, by path."""

from pathlib import Path

FOLDER = str(Path(__file__).parent)
