"""Lets the processes of a test run write bytecode, as those of an installation do, whatever the shell says.

A run starts some hundreds of processes, and without bytecode each compiles the package anew.
"""

import os
import sys
from typing import Final

_FORBIDS: Final = "PYTHONDONTWRITEBYTECODE"


def allow() -> None:
    """Allow this process and those that it starts to write bytecode, which Git ignores."""
    os.environ.pop(_FORBIDS, None)
    sys.dont_write_bytecode = False
