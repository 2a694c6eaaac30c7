"""The SDKs under test: for each the command that a person types, and what is done with its output."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parent.parent
DIALECTS: Final = ("misar", "topmail")
# What is from npm is named with its version; what is from PyPI has it in the extra `sdks` of pyproject.toml.
TYPESCRIPT: Final = "typescript@6.0.3"
NODE_TYPES: Final = "@types/node@20.17.58"
HEY_API: Final = "@hey-api/openapi-ts@0.95.0"


@dataclass(frozen=True)
class Sdk:
    """An SDK. Commands run in a folder with its stories and `openapi/`; DIALECT is the name of one, Dialect its title."""

    name: str  # of the folder with the stories
    language: str
    generate: str  # as README.md and docs/sdks.md have it
    story: str  # the file
    run: str  # what tells the story, once it is checked
    checks: tuple[str, ...]  # what looks at the types, or compiles
    prepare: tuple[str, ...] = ()  # what brings the libraries that the output needs
    environment: Mapping[str, str] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()  # patterns of what the generator says; nothing else may be said


_UNSUPPORTED_BODY: Final = (
    r"^Warning\(s\) encountered while generating\. .*\n\n"
    r"WARNING parsing POST /mail/v1/contacts/import within contacts\.\n\n"
    r"Unsupported content type text/csv\n\n"
    r"\{\n(?: .*\n)*\}\n\n"
    r"If you believe this was a mistake .*$"
)

_WARNINGS: Final = "-Dlog.level=warn"
_OPENAPI_GENERATOR: Final = (
    r"^#{92}\n(#.*#\n)*#{92}$",
)

SDKS: Final = (
    Sdk(
        name="openapi-python-client",
        language="Python",
        generate="openapi-python-client generate --path ./openapi/DIALECT.json --output-path DIALECT-python",
        story="DIALECT.py",
        checks=("mypy --strict DIALECT.py DIALECT-python/diglot_DIALECT_client",),
        run="python DIALECT.py",
        environment={"PYTHONPATH": "DIALECT-python", "MYPYPATH": "DIALECT-python"},
        remarks=(r"^Generating DIALECT-python$", _UNSUPPORTED_BODY),
    ),
    Sdk(
        name="go",
        language="Go",
        generate=(
            "openapi-generator-cli generate -g go -i openapi/DIALECT.json -o DIALECT-go "
            "--git-host example.com --git-user-id acme --git-repo-id DIALECT "
            "--additional-properties packageName=DIALECT,enumClassPrefix=true,disallowAdditionalPropertiesIfNotPresent=false"
        ),
        story="DIALECT.go",
        prepare=(
            "cp -r /usr/share/gocode/src/gopkg.in/validator.v2 validator",
            "go mod init story",
            "sh -c 'cd validator && go mod init gopkg.in/validator.v2'",
            "go work init . ./DIALECT-go ./validator",
        ),
        checks=("sh -c 'cd DIALECT-go && go build . && go vet .'", "go vet DIALECT.go"),
        run="go run DIALECT.go",
        environment={"GOPROXY": "off", "GOTOOLCHAIN": "local", "JAVA_OPTS": _WARNINGS},
        remarks=_OPENAPI_GENERATOR,
    ),
    Sdk(
        name="php",
        language="PHP",
        generate=(
            "openapi-generator-cli generate -g php -i openapi/DIALECT.json -o DIALECT-php "
            "--additional-properties 'invokerPackage=Acme\\Dialect' "
            "--type-mappings FilterCriteriaItem=mixed,PlatformFilterCriteriaItem=mixed"
        ),
        story="DIALECT.php",
        checks=(
            "sh -c 'find DIALECT-php/lib -name \"*.php\" -print0 | xargs -0 -n 1 php -l'",
            "php -l DIALECT.php",
        ),
        run="php DIALECT.php",
        environment={"JAVA_OPTS": _WARNINGS},
        remarks=_OPENAPI_GENERATOR,
    ),
    Sdk(
        name="java",
        language="Java",
        generate=(
            "openapi-generator-cli generate -g java --library apache-httpclient -i openapi/DIALECT.json "
            "-o DIALECT-java --global-property skipFormModel=false --additional-properties "
            "invokerPackage=com.acme.DIALECT,apiPackage=com.acme.DIALECT.api,modelPackage=com.acme.DIALECT.model,"
            "useJakartaEe=true,openApiNullable=false,containerDefaultToNull=true,supportUrlQuery=false,"
            "useOneOfInterfaces=true,useDeductionForOneOfInterfaces=true"
        ),
        story="DIALECT.java",
        prepare=("python jars.py",),
        checks=(
            "sh -c 'javac -proc:none -d classes -cp \"jars/*\" $(find DIALECT-java/src/main -name \"*.java\")'",
            "javac -proc:none -Xlint -Werror -d classes -cp classes:jars/* DIALECT.java",
        ),
        run="java -cp classes:jars/* Story",
        environment={"JAVA_OPTS": _WARNINGS},
        remarks=_OPENAPI_GENERATOR,
    ),
)


def filled(text: str, dialect: str) -> str:
    """Return a text of the table for a dialect."""
    return text.replace("DIALECT", dialect).replace("Dialect", dialect.capitalize())


def pinned() -> dict[str, str]:
    """Return the versions that the extra `sdks` of pyproject.toml has of the generators, by name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    found = (re.fullmatch(r"([a-z-]+)==([\w.]+)", one) for one in project["optional-dependencies"]["sdks"])
    return {one[1]: one[2] for one in found if one is not None}
