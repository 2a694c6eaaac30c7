"""Static files of pages. The path of each file contains its digest.

Files are read on request, so a server whose pages are not used keeps none of them in memory.
"""

import gzip
import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

import msgspec

from diglot.server.console.compressed_files import CompressedContent

_FOLDER: Final = Path(__file__).with_name("static")
# Copies blocks of code, in the pages of the console, too.
COPY_SCRIPT: Final = _FOLDER / "copy.js"
_MEDIA_TYPES: Final = {".js": b"text/javascript; charset=utf-8", ".css": b"text/css; charset=utf-8"}
_IMMUTABLE: Final = (b"cache-control", b"public, max-age=31536000, immutable")
_DIGEST_LENGTH: Final = 16


class FileSet(msgspec.Struct, frozen=True):
    """The files under a path, by name; those that are stored compressed end in `.gz`."""

    path: str
    files: Mapping[str, Path]

    def path_of(self, name: str) -> str:
        """Return the path of a file in this version."""
        return f"{self.path}/{_digest_file(self.files[name])}/{name}"

    def find(self, digest: str, name: str) -> CompressedContent | None:
        """Return the file at a path; None if it does not exist or the digest is that of another version."""
        file = self.files.get(name)
        if file is None or digest != _digest_file(file):
            return None
        content = file.read_bytes()
        if file.suffix != ".gz":
            content = gzip.compress(content, mtime=0)
        return CompressedContent(_MEDIA_TYPES[Path(name).suffix], content, digest, (_IMMUTABLE,))


# `tests/tools/vendored.py` installs and compresses Swagger UI.
DOCS: Final = FileSet(
    "/docs/assets",
    {
        "swagger-ui-bundle.js": _FOLDER / "swagger-ui/swagger-ui-bundle.js.gz",
        "swagger-ui.css": _FOLDER / "swagger-ui/swagger-ui.css.gz",
        "reference.js": _FOLDER / "reference.js",
        "docs.css": _FOLDER / "docs.css",
        "manual.css": _FOLDER / "manual.css",
        "copy.js": COPY_SCRIPT,
    },
)
ASSETS_PATH: Final = DOCS.path
ASSET_NAMES: Final = tuple(DOCS.files)
asset_path: Final = DOCS.path_of
find_asset: Final = DOCS.find


@cache
def _digest_file(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()[:_DIGEST_LENGTH]
