"""Static files of the documentation pages. The path of each file contains its digest.

Files are read on request, so a server whose documentation is not used keeps none of them in memory.
"""

import gzip
import hashlib
from functools import cache
from pathlib import Path
from typing import Final

from diglot.server.console.compressed_files import CompressedContent

ASSETS_PATH: Final = "/docs/assets"
_FOLDER: Final = Path(__file__).with_name("static")
# `tests/tools/vendored.py` installs and compresses Swagger UI.
_FILES: Final = {
    "swagger-ui-bundle.js": _FOLDER / "swagger-ui/swagger-ui-bundle.js.gz",
    "swagger-ui.css": _FOLDER / "swagger-ui/swagger-ui.css.gz",
    "reference.js": _FOLDER / "reference.js",
    "docs.css": _FOLDER / "docs.css",
}
ASSET_NAMES: Final = tuple(_FILES)
_MEDIA_TYPES: Final = {".js": b"text/javascript; charset=utf-8", ".css": b"text/css; charset=utf-8"}
_IMMUTABLE: Final = (b"cache-control", b"public, max-age=31536000, immutable")
_DIGEST_LENGTH: Final = 16


def asset_path(name: str) -> str:
    """Return the path of an asset in this version."""
    return f"{ASSETS_PATH}/{_digest_file(name)}/{name}"


def find_asset(digest: str, name: str) -> CompressedContent | None:
    """Return the asset at a path; None if it does not exist or the digest is that of another version."""
    if name not in _FILES or digest != _digest_file(name):
        return None
    file = _FILES[name]
    content = file.read_bytes()
    if file.suffix != ".gz":
        content = gzip.compress(content, mtime=0)
    return CompressedContent(_MEDIA_TYPES[Path(name).suffix], content, digest, (_IMMUTABLE,))


@cache
def _digest_file(name: str) -> str:
    return hashlib.sha256(_FILES[name].read_bytes()).hexdigest()[:_DIGEST_LENGTH]
