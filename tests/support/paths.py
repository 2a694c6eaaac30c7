"""Paths of the repository and its tests, and the folder for their databases."""

import os
import shutil
from functools import cache
from pathlib import Path
from typing import Final

TESTS: Final = Path(__file__).parent.parent
ROOT: Final = TESTS.parent
SPEC: Final = TESTS / "spec"
_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - every name in it is random
_ENOUGH_BYTES: Final = 4 << 30


@cache
def memory_folder() -> str | None:
    """Return a folder in memory for databases that need not outlive the tests; None where it is small.

    There a commit waits for no disk, and creating and deleting files costs half the CPU.
    """
    usable = _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK)
    return str(_MEMORY) if usable and shutil.disk_usage(_MEMORY).free >= _ENOUGH_BYTES else None
