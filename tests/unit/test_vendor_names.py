"""Nobody outside a dialect's folder names a vendor, so that a third dialect changes no other module."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Final

import diglot
from diglot.api.openapi.examples import load_examples
from diglot.dialects.registry import DIALECTS

SOURCES: Final = Path(diglot.__file__).parent
VENDORS: Final = re.compile("|".join(dialect.name for dialect in DIALECTS), re.IGNORECASE)
REGISTRY: Final = "dialects/registry.py"
# What a person reads first says which APIs the program serves.
EXCEPTIONS: Final = {"cli/__init__.py": ["Diglot serves the audience APIs of Misar and Topmail"]}


def _outside() -> list[Path]:
    folders = [SOURCES / "dialects" / dialect.name for dialect in DIALECTS]
    return [
        file
        for file in SOURCES.rglob("*")
        if file.suffix in (".py", ".json", ".html", ".toml")
        and not any(file.is_relative_to(folder) for folder in folders)
        and "swagger-ui" not in file.parts
    ]


def _text_of(name: str) -> str:
    """Return the text of a file without the sentences that may name vendors, each of which it needs."""
    text = (SOURCES / name).read_text(encoding="utf-8")
    for sentence in EXCEPTIONS.get(name, ()):
        assert sentence in text, f"{name}: the exception is no longer needed"
        text = text.replace(sentence, "")
    return text


def test_only_the_folder_of_a_dialect_names_its_vendor() -> None:
    """Identifiers, strings and comments: the registry, and the exceptions, apart."""
    names = {file.relative_to(SOURCES).as_posix() for file in _outside()}
    assert names >= {REGISTRY, *EXCEPTIONS}
    assert [name for name in sorted(names - {REGISTRY}) if VENDORS.search(_text_of(name))] == []


def test_the_registry_has_two_lines_for_each_dialect() -> None:
    """An import, and a place in the list."""
    lines = [line for line in (SOURCES / REGISTRY).read_text().splitlines() if VENDORS.search(line)]
    assert len(lines) == len(DIALECTS) + 1


def test_a_new_dialect_has_no_examples_yet() -> None:
    """Its document can be made before the stories of its calls are told."""
    assert load_examples(replace(DIALECTS[0], package="diglot.dialects")) == {}
