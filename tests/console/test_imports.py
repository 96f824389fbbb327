"""An operator who asks a question does not wait for what only a detect worker needs."""

import subprocess
import sys

HEAVY = {"numba", "river", "scipy", "faust"}


def test_command_line_leaves_the_models_alone() -> None:
    """Importing the command line loads no library of the detect role; they take seconds."""
    program = "import sys, console.cli; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert "console.cli" in loaded
    assert HEAVY.intersection(loaded) == set()
