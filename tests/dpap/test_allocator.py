import subprocess
import sys

import pytest

from dpap.runtime.allocator import keep_freed_memory

PAGES_OF_A_ROUND = 3 * (16 << 20) // 4096
SCRIPT = """
import resource
from dpap.runtime.allocator import keep_freed_memory

{before}
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def some_work():
    blocks = [b"x" * (16 << 20) for _ in range(3)]
    del blocks

some_work()
start = faults()
for _ in range(10):
    some_work()
print(faults() - start)
"""


def faults(before: str) -> int:
    """Pages that ten rounds of three blocks of 16 MB had to be given, after a first round."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(before=before)], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.skipif(
    not sys.platform.startswith("linux") or "musl" in sys.version, reason="the C library is not glibc"
)
def test_memory_that_is_freed_is_used_again():
    assert faults("assert keep_freed_memory()") < PAGES_OF_A_ROUND < faults("")


def test_other_c_libraries_have_no_choice(monkeypatch):
    monkeypatch.setattr("ctypes.CDLL", lambda name: object())
    assert keep_freed_memory() is False
