"""Kernels are compiled once, and all of them by one command."""

import json
import os
import subprocess
import sys
from pathlib import Path

from detectors.compiled import SOURCES

COUNT = """
import json
from detectors.compiled import warm
from detectors.memory import kernel as memory
from detectors.vitals import kernel as vitals
warm()
kernels = memory.apply, vitals.apply
print(json.dumps([[len(one.signatures), sum(one.stats.cache_misses.values())] for one in kernels]))
"""


def test_warm_compiles_every_kernel_once_and_a_later_start_loads_them(tmp_path: Path) -> None:
    """One specialisation a kernel: compiled in the first process, loaded in the second."""
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    told = []
    for program in (["-m", "detectors"], ["-c", COUNT]):
        done = subprocess.run([sys.executable, *program], env=environment, capture_output=True, text=True, check=True)
        told.append(done.stdout)
    assert told[0] == ""
    assert json.loads(told[1]) == [[1, 0], [1, 0]]
    check_names(tmp_path)


def check_names(cache: Path) -> None:
    """Files of machine code are named by the version of the sources: numba writes an index before the code it names,
    and no other version's code may stand there meanwhile.
    """
    files = sorted(file.name for file in cache.rglob("*.nb?"))
    assert len(files) == 4
    assert [name for name in files if f"_{SOURCES:08x}-" not in name] == []
