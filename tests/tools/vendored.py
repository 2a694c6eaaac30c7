"""Files from npm: updated with `python -m tools.vendored VERSION`, compared with `--check`.

The package contains the served files compressed, and the licenses as npm has them; the manifest next to them
has their version, npm's integrity of it, and the digest of each file.
"""

import gzip
import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any, Final

from support.paths import ROOT

FOLDER: Final = ROOT / "src/diglot/server/console/static/swagger-ui"
MANIFEST: Final = FOLDER / "manifest.json"
PACKAGE: Final = "swagger-ui-dist"
SERVED: Final = ("swagger-ui-bundle.js", "swagger-ui.css")
# The licenses that have to be included.
LICENCES: Final = ("LICENSE", "NOTICE", "swagger-ui-bundle.js.LICENSE.txt")


def manifest() -> dict[str, Any]:
    """Return the content of the manifest for the files."""
    result: dict[str, Any] = json.loads(MANIFEST.read_bytes())
    return result


def files() -> dict[str, bytes]:
    """Return the stored files, by their names in the package, decompressed."""
    results = {path.name: path.read_bytes() for path in FOLDER.iterdir() if path != MANIFEST}
    return {
        name.removesuffix(".gz"): gzip.decompress(data) if name.endswith(".gz") else data
        for name, data in sorted(results.items())
    }


def digests(contents: dict[str, bytes]) -> dict[str, str]:
    """Return the SHA-256 of each file."""
    return {name: hashlib.sha256(data).hexdigest() for name, data in sorted(contents.items())}


def fetch(version: str) -> tuple[str, dict[str, bytes]]:
    """Return npm's integrity of a version, and the files of that version."""
    with tempfile.TemporaryDirectory() as folder:
        command = ("npm", "pack", f"{PACKAGE}@{version}", "--json", "--silent", "--pack-destination", folder)
        (told,) = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        with tarfile.open(next(Path(folder).iterdir())) as archive:
            contents = {name: _member(archive, f"package/{name}") for name in (*SERVED, *LICENCES)}
    return told["integrity"], contents


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    result = archive.extractfile(name)
    assert result is not None
    return result.read()


def _written(version: str, integrity: str, contents: dict[str, bytes]) -> dict[str, Any]:
    return {
        "package": PACKAGE,
        "version": version,
        "integrity": integrity,
        "files": digests(contents),
    }


def replace_files(version: str) -> None:
    """Replace the stored files by those of a version."""
    integrity, contents = fetch(version)
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, data in contents.items():
        if name in SERVED:
            (FOLDER / f"{name}.gz").write_bytes(gzip.compress(data, 9, mtime=0))
        else:
            (FOLDER / name).write_bytes(data)
    MANIFEST.write_text(json.dumps(_written(version, integrity, contents), indent=2) + "\n")


def differs() -> bool:
    """Return whether the files differ from npm's."""
    version = manifest()["version"]
    integrity, contents = fetch(version)
    return manifest() != _written(version, integrity, contents) or files() != contents


if __name__ == "__main__":
    if sys.argv[1:] != ["--check"]:
        replace_files(sys.argv[1])
    elif differs():
        sys.exit(f"{FOLDER} is not what npm has of {PACKAGE} {manifest()['version']}")
    else:
        print(f"{PACKAGE} {manifest()['version']} is as npm has it")
