"""A generated SDK: its folder, and the commands that run in it."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sdks.generators import HERE, ROOT, Sdk, filled

_SECONDS: Final = 900
_COLOUR: Final = re.compile(r"\x1b\[\d*m")
# Programs next to this interpreter first, whether its environment is active or not.
_PATH: Final = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"


@dataclass(frozen=True)
class GeneratedSdk:
    """The SDK of a dialect in a folder of its own, and the output of its generator."""

    sdk: Sdk
    dialect: str
    folder: Path
    output: str = ""

    def run(self, command: str, settings: Mapping[str, str] | None = None) -> str:
        """Run a command in the folder, and return its output; an exit code other than 0 is an error."""
        words = shlex.split(filled(command, self.dialect))
        if shutil.which(words[0], path=_PATH) is None:
            where = (
                f"Debian has it in {', '.join(self.sdk.packages)}" if self.sdk.packages else "see README.md"
            )
            raise FileNotFoundError(f"{words[0]} is missing: {where}")
        own = {name: filled(value, self.dialect) for name, value in self.sdk.environment.items()}
        done = subprocess.run(
            words,
            cwd=self.folder,
            env=os.environ | {"PATH": _PATH} | own | dict(settings or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"{shlex.join(words)} exited with code {done.returncode}:\n{done.stdout}"
        return _COLOUR.sub("", done.stdout)


def generate(sdk: Sdk, dialect: str, folder: Path) -> GeneratedSdk:
    """Generate a dialect's SDK in a folder, with its example programs and the libraries that it needs."""
    shutil.copytree(HERE / sdk.name, folder, dirs_exist_ok=True)
    (folder / "openapi").symlink_to(ROOT / "openapi")
    bare = GeneratedSdk(sdk, dialect, folder)
    created = GeneratedSdk(sdk, dialect, folder, bare.run(sdk.generate))
    for command in sdk.prepare:
        created.run(command)
    return created
