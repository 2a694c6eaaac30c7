"""The scripts and styles of the console. `tests/tools/vendored.py` compares htmx with npm's package."""

from pathlib import Path
from typing import Final

from diglot.server.console.static_files import FileSet

_FOLDER: Final = Path(__file__).with_name("static")
FILES: Final = FileSet(
    "/console/assets",
    {
        "console.css": _FOLDER / "console.css",
        "console.js": _FOLDER / "console.js",
        "imports.css": _FOLDER / "imports.css",
        "imports.js": _FOLDER / "imports.js",
        "htmx.min.js": _FOLDER / "htmx/htmx.min.js.gz",
    },
)
