"""What the pages of the docs need beside their text. Each address has the digest of what it leads to.

The files are read when they are asked for: a server that nobody asks keeps none of them in memory.
"""

import gzip
import hashlib
from functools import cache
from pathlib import Path
from typing import Final

from diglot.server.console.compressed_files import Packed

PATH: Final = "/docs/assets"
_FOLDER: Final = Path(__file__).with_name("static")
# Swagger UI is as `tests/tools/vendored.py` laid it, compressed.
_FILES: Final = {
    "swagger-ui-bundle.js": _FOLDER / "swagger-ui/swagger-ui-bundle.js.gz",
    "swagger-ui.css": _FOLDER / "swagger-ui/swagger-ui.css.gz",
    "reference.js": _FOLDER / "reference.js",
    "docs.css": _FOLDER / "docs.css",
}
NAMES: Final = tuple(_FILES)
_MEDIA_TYPES: Final = {".js": b"text/javascript; charset=utf-8", ".css": b"text/css; charset=utf-8"}
_FOREVER: Final = (b"cache-control", b"public, max-age=31536000, immutable")
_DIGITS: Final = 16


def address(name: str) -> str:
    """Return the path of an asset as it is now."""
    return f"{PATH}/{_digest(name)}/{name}"


def find(digest: str, name: str) -> Packed | None:
    """Return the asset of an address; None for one that does not exist, or is another by now."""
    if name not in _FILES or digest != _digest(name):
        return None
    file = _FILES[name]
    content = file.read_bytes()
    if file.suffix != ".gz":
        content = gzip.compress(content, mtime=0)
    return Packed(_MEDIA_TYPES[Path(name).suffix], content, digest, (_FOREVER,))


@cache
def _digest(name: str) -> str:
    return hashlib.sha256(_FILES[name].read_bytes()).hexdigest()[:_DIGITS]
