"""The scripts and styles of the console. `tests/tools/vendored.py` compares htmx with npm's package."""

from pathlib import Path
from typing import Final

from diglot.server.console.static_files import COPY_SCRIPT, FileSet

_FOLDER: Final = Path(__file__).with_name("static")
FILES: Final = FileSet(
    "/console/assets",
    {
        "console.css": _FOLDER / "console.css",
        "console.js": _FOLDER / "console.js",
        "builder.css": _FOLDER / "builder.css",
        "builder.js": _FOLDER / "builder.js",
        "people.css": _FOLDER / "people.css",
        "ops.css": _FOLDER / "ops.css",
        "operator.js": _FOLDER / "operator.js",
        "copy.js": COPY_SCRIPT,
        "imports.css": _FOLDER / "imports.css",
        "imports.js": _FOLDER / "imports.js",
        "htmx.min.js": _FOLDER / "htmx/htmx.min.js.gz",
    },
)
