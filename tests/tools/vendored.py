"""Files from npm: updated with `python -m tools.vendored PACKAGE VERSION`, compared with `--check`.

The source contains the served files compressed, and the licenses as npm has them; the manifest next to them
has their version, npm's integrity of it, and the digest of each file.
"""

import gzip
import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from support.paths import ROOT

_SOURCE: Final = ROOT / "src/diglot"


def digests(contents: dict[str, bytes]) -> dict[str, str]:
    """Return the SHA-256 of each file."""
    return {name: hashlib.sha256(data).hexdigest() for name, data in sorted(contents.items())}


@dataclass(frozen=True)
class Package:
    """A package of npm: where its files are kept, which are served, and the licenses that go with them.

    `parent` is the folder of the served files within the package.
    """

    name: str
    folder: Path
    served: tuple[str, ...]
    licences: tuple[str, ...]
    parent: str = ""

    @property
    def manifest_file(self) -> Path:
        """The manifest for the files."""
        return self.folder / "manifest.json"

    def manifest(self) -> dict[str, Any]:
        """Return the content of the manifest."""
        result: dict[str, Any] = json.loads(self.manifest_file.read_bytes())
        return result

    def files(self) -> dict[str, bytes]:
        """Return the stored files, by their names in the package, decompressed."""
        kept = [path for path in self.folder.iterdir() if path != self.manifest_file]
        results = {path.name: path.read_bytes() for path in kept}
        return {
            name.removesuffix(".gz"): gzip.decompress(data) if name.endswith(".gz") else data
            for name, data in sorted(results.items())
        }

    def fetch(self, version: str) -> tuple[str, dict[str, bytes]]:
        """Return npm's integrity of a version, and the files of that version."""
        paths = {name: f"package/{self.parent}{name}" for name in self.served}
        paths |= {name: f"package/{name}" for name in self.licences}
        with tempfile.TemporaryDirectory() as folder:
            wanted = f"{self.name}@{version}"
            command = ("npm", "pack", wanted, "--json", "--silent", "--pack-destination", folder)
            (told,) = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
            with tarfile.open(next(Path(folder).iterdir())) as archive:
                contents = {name: _member(archive, path) for name, path in paths.items()}
        return told["integrity"], contents

    def replace_files(self, version: str) -> None:
        """Replace the stored files by those of a version."""
        integrity, contents = self.fetch(version)
        self.folder.mkdir(parents=True, exist_ok=True)
        for name, data in contents.items():
            if name in self.served:
                (self.folder / f"{name}.gz").write_bytes(gzip.compress(data, 9, mtime=0))
            else:
                (self.folder / name).write_bytes(data)
        self.manifest_file.write_text(
            json.dumps(self._written(version, integrity, contents), indent=2) + "\n"
        )

    def differs(self) -> bool:
        """Return whether the files differ from npm's."""
        version = self.manifest()["version"]
        integrity, contents = self.fetch(version)
        return self.manifest() != self._written(version, integrity, contents) or self.files() != contents

    def _written(self, version: str, integrity: str, contents: dict[str, bytes]) -> dict[str, Any]:
        files = digests(contents)
        return {"package": self.name, "version": version, "integrity": integrity, "files": files}


SWAGGER_UI: Final = Package(
    "swagger-ui-dist",
    _SOURCE / "server/console/static/swagger-ui",
    ("swagger-ui-bundle.js", "swagger-ui.css"),
    ("LICENSE", "NOTICE", "swagger-ui-bundle.js.LICENSE.txt"),
)
HTMX: Final = Package(
    "htmx.org", _SOURCE / "console/static/htmx", ("htmx.min.js",), ("LICENSE",), parent="dist/"
)
PACKAGES: Final = {package.name: package for package in (SWAGGER_UI, HTMX)}


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    result = archive.extractfile(name)
    assert result is not None
    return result.read()


def _check(package: Package) -> None:
    if package.differs():
        sys.exit(f"{package.folder} is not what npm has of {package.name} {package.manifest()['version']}")
    print(f"{package.name} {package.manifest()['version']} is as npm has it")


if __name__ == "__main__":
    if sys.argv[1:] != ["--check"]:
        PACKAGES[sys.argv[1]].replace_files(sys.argv[2])
    else:
        for each in PACKAGES.values():
            _check(each)
