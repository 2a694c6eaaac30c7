"""Follows a page in an empty folder: one shell, one server at a time."""

import os
import re
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from support.guide.blocks import STOPPED, Block

SECONDS: Final = 600
# Addresses and databases in the pages, which a test replaces by its own.
ADDRESS: Final = "http://127.0.0.1:8000"
DATABASE: Final = "postgresql://USER:PASSWORD@HOST/NAME"
_SERVES_ON: Final = re.compile(r"Diglot serves on (http://\S+)")


@dataclass
class Reader:
    """Runs blocks in `folder`; variables that a block sets are visible to the next ones."""

    folder: Path
    programs: tuple[Path, ...]
    database: str
    address: str = ADDRESS
    _server: subprocess.Popen[str] | None = None
    _environment: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        path = ":".join([*map(str, self.programs), os.environ["PATH"]])
        home = str(self.folder)
        self._environment = {"PATH": path, "HOME": home, "DIGLOT_PORT": "0", "LC_ALL": "C.UTF-8"}

    def run(self, block: Block) -> str:
        """Run a block and return its output, for a server until it answers; fail if a command fails."""
        if block.mark == STOPPED:
            self.stop()
        text = block.text.replace(ADDRESS, self.address).replace(DATABASE, self.database)
        if block.language == "python":
            text = f"{sys.executable} - <<'BLOCK'\n{text}BLOCK\n"
        printed = self._serve(text) if block.serves else self._finish(text)
        return printed.replace(self.address, ADDRESS)

    def stop(self) -> None:
        """Stop the server, if one runs, as Ctrl+C does."""
        if self._server is not None:
            os.killpg(self._server.pid, signal.SIGTERM)
            self._server.communicate(timeout=SECONDS)
            self._server = None

    def _finish(self, text: str) -> str:
        done = subprocess.run(
            ["sh", "-c", self._resumed(f"{text}\nexport -p > '{self._kept}'")],
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"{text}\nexited with code {done.returncode}:\n{done.stdout}"
        return done.stdout

    def _serve(self, text: str) -> str:
        """Start a server after stopping the previous one, and return its output until it answers."""
        self.stop()
        self._server = subprocess.Popen(
            ["sh", "-c", self._resumed(text)],
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self._server.stdout is not None
        late = threading.Timer(SECONDS, os.killpg, (self._server.pid, signal.SIGKILL))
        late.start()
        printed = ""
        for line in self._server.stdout:
            printed += line
            if (match := _SERVES_ON.search(line)) is not None:
                late.cancel()
                self.address = match[1]
                return printed
        late.cancel()
        raise AssertionError(f"no server started:\n{text}\n{printed}")

    @property
    def _kept(self) -> Path:
        return self.folder.parent / "shell"

    def _resumed(self, text: str) -> str:
        """Return a script that continues in the shell of the previous blocks."""
        return f"set -ea\n[ ! -e '{self._kept}' ] || . '{self._kept}'\n{text}"
