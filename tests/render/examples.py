"""Render each condition of spec/examples.json in the words of both dialects."""

import json
from typing import Any, Final

from diglot.api.rules.reading import read_condition
from diglot.api.rules.words import Words
from diglot.api.rules.writing import write_condition
from diglot.conditions.check import check_condition
from diglot.dialects.misar.words import WORDS as MISAR
from diglot.dialects.topmail.words import WORDS as TOPMAIL
from diglot.errors import InvalidInput
from support.canonical import written
from support.paths import SPEC
from support.spec_data import read as decoded

_WIDTH: Final = 72


def examples() -> str:
    """Return every example under its title, with both dialects side by side."""
    return "\n".join(map(_example, decoded(SPEC / "examples.json")["examples"]))


def _example(example: dict[str, Any]) -> str:
    node = check_condition(written(example["condition"]))
    wires = {title: (json.loads(write_condition(node, words)), words) for title, words in _DIALECTS.items()}
    heads = "".join(f"<th>{title}{_note(wire, words)}</th>" for title, (wire, words) in wires.items())
    cells = "".join(f"<td>\n\n```json\n{_laid_out(wire)}\n```\n\n</td>" for wire, _ in wires.values())
    table = f"<table>\n<tr>{heads}</tr>\n<tr>{cells}</tr>\n</table>\n"
    return f"### {example['title']}\n\n{example['about']}\n\n{table}"


_DIALECTS: Final = {"Misar: <code>filter_criteria</code>": MISAR, "Topmail: <code>conditions</code>": TOPMAIL}


def _note(wire: Any, words: Words) -> str:
    """Return a note if strict emulation rejects the condition."""
    try:
        check_condition(read_condition(wire, words, strict=True))
    except InvalidInput:
        return " (extension)"
    return ""


def _laid_out(value: Any, indent: int = 0) -> str:
    """Return JSON as people write it, with an object on one line if it fits."""
    short = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict | list) or len(short) + indent <= _WIDTH:
        return short
    inner = " " * (indent + 2)
    if isinstance(value, dict):
        parts = [f"{json.dumps(key)}: {_laid_out(part, indent + 2)}" for key, part in value.items()]
        opening, closing = "{}"
    else:
        parts = [_laid_out(part, indent + 2) for part in value]
        opening, closing = "[]"
    lines = ",\n".join(f"{inner}{part}" for part in parts)
    return f"{opening}\n{lines}\n{' ' * indent}{closing}"
