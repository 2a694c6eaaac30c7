"""Lay the libraries that the SDK is compiled with in the folder `jars`, as Maven would."""

from importlib.resources import files
from pathlib import Path

DEBIAN = ("httpclient5", "httpcore5", "httpcore5-h2", "jakarta-annotation-api")

jars = Path("jars")
jars.mkdir()
for name in DEBIAN:
    (jars / f"{name}.jar").symlink_to(f"/usr/share/java/{name}.jar")
# Debian has Jackson without its module for java.time; the generator has it with that.
(jars / "jackson.jar").symlink_to(str(files("openapi_generator_cli") / "openapi-generator.jar"))
