"""The SDKs under test: for each the command of the documentation, and the treatment of its output."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parent.parent
DIALECTS: Final = ("misar", "topmail")
# npm packages are named with their version; those from PyPI are in the extra `sdks` of pyproject.toml.
TYPESCRIPT: Final = "typescript@6.0.3"
NODE_TYPES: Final = "@types/node@20.17.58"
OPENAPI_TYPESCRIPT: Final = "openapi-typescript@7.13.0"
# The generator takes no newer version of TypeScript; the programs are checked with the one above.
OPENAPI_TYPESCRIPT_NEEDS: Final = "typescript@5.9.3"
OPENAPI_FETCH: Final = "openapi-fetch@0.17.0"
HEY_API: Final = "@hey-api/openapi-ts@0.95.0"


@dataclass(frozen=True)
class Sdk:
    """An SDK.

    Commands run in a folder with its examples and `openapi/`; DIALECT or Dialect stands for one.
    """

    name: str  # of the folder with the example programs
    language: str
    generate: str  # as in README.md and docs/sdks.md
    story: str  # the file
    run: str  # runs the example program, after the checks
    checks: tuple[str, ...]  # checks the types, or compiles
    packages: tuple[str, ...] = ()  # Debian packages that the commands need, in addition to Java and node
    prepare: tuple[str, ...] = ()  # installs the libraries that the output needs
    environment: Mapping[str, str] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()  # patterns of the generator's expected messages; any other fails the test


# A file of contacts in a body: its media type, and that of the job of an import.
_UNSUPPORTED_BODIES: Final = (
    r"^Warning\(s\) encountered while generating\. .*$",
    r"^WARNING parsing POST (?:/mail/v1/contacts/import|/mail/v1/imports|/imports) within contacts\.$",
    r"^Unsupported content type text/csv$",
    r"^\{\n(?: .*\n)*\}$",
    r"^If you believe this was a mistake .*$",
)

# OpenAPI Generator prints each file, a notice about OpenAPI 3.1, and each schema that it cannot name.
_OPENAPI_GENERATOR: Final = (
    r"^\[main\] INFO .*$",
    r"^\[main\] WARN  o\.o\.codegen\.DefaultCodegen - OpenAPI 3\.1 support is still in beta\. .*$",
    r"^\[main\] WARN  o\.o\.codegen\.utils\.ModelUtils - Failed to get the schema name: null$",
    r"^#.*$",
)
# The vendor's query has a `type`, and that of an import a `map`.
_GO_WORD: Final = (
    r"^\[main\] WARN  o\.o\.c\.languages\.AbstractGoCodegen - (?:type|map) \(reserved word\) cannot be .*$"
)
# The query of an import has a `map`.
_TYPESCRIPT_WORD: Final = (
    r"^\[main\] WARN  o\.o\.c\.l\.AbstractTypeScriptClientCodegen - Map \(model name matches existing .*$"
)
_JAVA_EXAMPLE: Final = (
    r"^\[main\] WARN  o\.o\.c\.languages\.AbstractJavaCodegen - Ignoring complex example on .*$"
)
_TSC: Final = "npx tsc --strict --target es2022 --module nodenext --types node --outDir made DIALECT.ts"
_TYPESCRIPT: Final = f"npm install --no-save --no-package-lock --no-audit --no-fund {TYPESCRIPT} {NODE_TYPES}"

SDKS: Final = (
    Sdk(
        name="openapi-python-client",
        language="Python",
        generate="openapi-python-client generate --path ./openapi/DIALECT.json --output-path DIALECT-python",
        story="DIALECT.py",
        checks=("mypy --strict DIALECT.py DIALECT-python/diglot_DIALECT_client",),
        run="python DIALECT.py",
        environment={"PYTHONPATH": "DIALECT-python", "MYPYPATH": "DIALECT-python"},
        remarks=(r"^Generating DIALECT-python$", *_UNSUPPORTED_BODIES),
    ),
    Sdk(
        name="openapi-generator-python",
        language="Python",
        generate="openapi-generator-cli generate -g python -i ./openapi/DIALECT.json -o DIALECT-python "
        "--package-name diglot_DIALECT --reserved-words-mappings field=field",
        story="DIALECT.py",
        # The generated code has its own rules for mypy, which are not quite the strict ones.
        checks=(
            "mypy --strict --follow-imports=silent DIALECT.py",
            "mypy --config-file DIALECT-python/pyproject.toml DIALECT-python/diglot_DIALECT",
        ),
        run="python DIALECT.py",
        environment={"PYTHONPATH": "DIALECT-python", "MYPYPATH": "DIALECT-python"},
        remarks=_OPENAPI_GENERATOR,
    ),
    Sdk(
        name="openapi-typescript",
        language="TypeScript",
        generate=f"npx --yes -p {OPENAPI_TYPESCRIPT_NEEDS} -p {OPENAPI_TYPESCRIPT} "
        "openapi-typescript ./openapi/DIALECT.json -o DIALECT-typescript.d.ts",
        story="DIALECT.ts",
        prepare=(f"{_TYPESCRIPT} {OPENAPI_FETCH}",),
        checks=(_TSC,),
        run="node made/DIALECT.js",
        remarks=(
            r"^. openapi-typescript [\d.]+$",
            r"^. \./openapi/DIALECT\.json . DIALECT-typescript\.d\.ts \[[\d.]+m?s\]$",
        ),
    ),
    Sdk(
        name="hey-api",
        language="TypeScript",
        generate=f"npx --yes -p {TYPESCRIPT} -p {HEY_API} openapi-ts -i ./openapi/DIALECT.json "
        "-o DIALECT-typescript -c @hey-api/client-fetch",
        story="DIALECT.ts",
        prepare=(_TYPESCRIPT,),
        checks=(_TSC,),
        run="node made/DIALECT.js",
        remarks=(
            r"^@hey-api/openapi-ts v[\d.]+$",
            r"^\[Job 1\] . Generating from 1 input:$",
            r"^\[Job 1\]   \[1\] \./openapi/DIALECT\.json$",
            r"^\[Job 1\] . Done! Your output is in \./DIALECT-typescript$",
        ),
    ),
    Sdk(
        name="typescript-fetch",
        language="TypeScript",
        generate="openapi-generator-cli generate -g typescript-fetch -i ./openapi/DIALECT.json "
        "-o DIALECT-typescript --global-property skipFormModel=false",
        story="DIALECT.ts",
        prepare=(_TYPESCRIPT,),
        checks=(_TSC,),
        run="node made/DIALECT.js",
        remarks=(*_OPENAPI_GENERATOR, _TYPESCRIPT_WORD),
    ),
    Sdk(
        name="openapi-generator-go",
        language="Go",
        generate="openapi-generator-cli generate -g go -i ./openapi/DIALECT.json -o DIALECT-go "
        "--git-host example.com --git-user-id acme --git-repo-id DIALECT --additional-properties "
        "packageName=DIALECT,enumClassPrefix=true,disallowAdditionalPropertiesIfNotPresent=false",
        story="DIALECT.go",
        packages=("golang-go", "golang-gopkg-validator.v2-dev"),
        # The one library that the output needs, and the output, as if they had been downloaded.
        prepare=(
            "cp -r /usr/share/gocode/src/gopkg.in/validator.v2 validator",
            "sh -c 'cd validator && go mod init gopkg.in/validator.v2'",
            "go mod init story",
            "go work init . ./DIALECT-go ./validator",
        ),
        checks=("go vet ./DIALECT-go", "go vet DIALECT.go"),
        run="go run DIALECT.go",
        environment={"GOPROXY": "off", "GOTOOLCHAIN": "local"},
        remarks=(*_OPENAPI_GENERATOR, _GO_WORD),
    ),
    Sdk(
        name="openapi-generator-java",
        language="Java",
        generate="openapi-generator-cli generate -g java -i ./openapi/DIALECT.json -o DIALECT-java "
        "--library apache-httpclient --global-property skipFormModel=false --additional-properties "
        "invokerPackage=com.acme.DIALECT,apiPackage=com.acme.DIALECT.api,"
        "modelPackage=com.acme.DIALECT.model,"
        "useOneOfInterfaces=true,useDeductionForOneOfInterfaces=true,containerDefaultToNull=true,"
        "openApiNullable=false,supportUrlQuery=false,useJakartaEe=true",
        story="DIALECT.java",
        packages=("default-jdk-headless", "libhttpclient5-java", "libjakarta-annotation-api-java"),
        prepare=("python libraries.py DIALECT-java",),
        checks=(
            "javac -proc:none -d classes -cp libraries/* @sources",
            "javac -proc:none -Xlint -Werror -d classes -cp classes:libraries/* DIALECT.java",
        ),
        run="java -cp classes:libraries/* Story",
        remarks=(*_OPENAPI_GENERATOR, _JAVA_EXAMPLE),
    ),
    Sdk(
        name="openapi-generator-php",
        language="PHP",
        generate="openapi-generator-cli generate -g php -i ./openapi/DIALECT.json -o DIALECT-php "
        "--additional-properties 'invokerPackage=Acme\\Dialect' "
        "--type-mappings FilterCriteriaItem=mixed,PlatformFilterCriteriaItem=mixed",
        story="DIALECT.php",
        packages=("php-cli", "php-curl", "php-mbstring", "php-guzzlehttp-guzzle", "php-guzzlehttp-psr7"),
        checks=("php load.php DIALECT-php", "php -l DIALECT.php"),
        run="php DIALECT.php",
        remarks=_OPENAPI_GENERATOR,
    ),
    Sdk(
        name="openapi-generator-ruby",
        language="Ruby",
        generate="openapi-generator-cli generate -g ruby -i ./openapi/DIALECT.json -o DIALECT-ruby "
        "--openapi-normalizer SECURITY_SCHEMES_FILTER=type:http "
        "--additional-properties gemName=diglot_DIALECT,moduleName=DiglotDialect",
        story="DIALECT.rb",
        packages=("ruby", "ruby-typhoeus"),
        # Ruby has no types to check: loading everything that was generated is what the language allows.
        checks=("ruby -I DIALECT-ruby/lib -r diglot_DIALECT -c DIALECT.rb",),
        run="ruby DIALECT.rb",
        remarks=_OPENAPI_GENERATOR,
    ),
)


def filled(text: str, dialect: str) -> str:
    """Return a text of the table for a dialect."""
    return text.replace("DIALECT", dialect).replace("Dialect", dialect.capitalize())


def pinned() -> dict[str, str]:
    """Return the versions of the generators in the extra `sdks` of pyproject.toml, by name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    match = (re.fullmatch(r"([a-z-]+)==([\w.]+)", item) for item in project["optional-dependencies"]["sdks"])
    return {item[1]: item[2] for item in match if item is not None}
