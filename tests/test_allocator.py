"""What the allocator is told, and what it does then; in processes of their own, since it cannot be untold."""

import os
import platform
import subprocess
import sys

import pytest

_CHILD = """
import resource, sys
import numpy as np
from synthgen.allocator import keep_freed_memory

told = keep_freed_memory() if sys.argv[1] == "told" else False
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    np.ones(2_000_000)  # 16 MB
print(told, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def _faults(how: str, **environment: str) -> tuple[bool, int]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    # numpy would else ask for huge pages, a fault each
    clean["NUMPY_MADVISE_HUGEPAGE"] = "0"
    command = [sys.executable, "-c", _CHILD, how]
    done = subprocess.run(command, env={**clean, **environment}, capture_output=True, text=True, check=True)
    told, faults = done.stdout.split()
    return told == "True", int(faults)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's allocator is told anything")
def test_freed_memory_is_used_again_without_new_pages() -> None:
    # glibc's own threshold, which it would else raise at the first free
    told, kept = _faults("told")
    _, mapped = _faults("untold", MALLOC_MMAP_THRESHOLD_="131072")
    assert told
    assert kept < mapped / 5


def test_settings_of_the_user_win() -> None:
    told, _ = _faults("told", MALLOC_TRIM_THRESHOLD_="131072")
    assert not told
