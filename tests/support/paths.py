"""Paths of the repository and its tests."""

from pathlib import Path
from typing import Final

TESTS: Final = Path(__file__).parent.parent
ROOT: Final = TESTS.parent
SPEC: Final = TESTS / "spec"
