"""Lay the libraries of an SDK into `libraries`, as Maven would, and the names of its files into `sources`."""

import sys
from importlib.resources import files
from pathlib import Path

DEBIAN = ("httpclient5", "httpcore5", "httpcore5-h2", "jakarta-annotation-api")

libraries = Path("libraries")
libraries.mkdir()
for name in DEBIAN:
    (libraries / f"{name}.jar").symlink_to(f"/usr/share/java/{name}.jar")
# Debian has Jackson, but not its module for java.time. The generator has both in it.
(libraries / "jackson.jar").symlink_to(str(files("openapi_generator_cli") / "openapi-generator.jar"))
Path("sources").write_text("\n".join(map(str, Path(sys.argv[1], "src/main").rglob("*.java"))), "utf-8")
