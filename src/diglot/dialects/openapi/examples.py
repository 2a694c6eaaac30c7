"""Examples of calls: `tests/spec/http` marks exchanges as examples, `tools.openapi_examples` writes them."""

from importlib.resources import files
from typing import Any

import msgspec


class Example(msgspec.Struct, frozen=True, omit_defaults=True):
    """A call that was answered: `told` says which, ids and secrets are made up, the rest is as it was."""

    told: str
    answer: Any
    parameters: dict[str, Any] = {}
    media_type: str | None = None
    body: Any = None


Examples = dict[str, list[Example]]
_decode = msgspec.json.Decoder(Examples).decode


def examples_of(dialect: str) -> Examples:
    """Return the examples of a dialect's calls, by the id of the operation."""
    return _decode((files(__package__) / "examples" / f"{dialect}.json").read_bytes())
