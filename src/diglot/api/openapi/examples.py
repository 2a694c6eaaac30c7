"""Examples of calls from real exchanges, which `tests/spec/http` marks and `openapi_examples` writes."""

from importlib.resources import files
from typing import Any, Final

import msgspec

from diglot.api.dialect import Dialect


class CallExample(msgspec.Struct, frozen=True, omit_defaults=True):
    """A recorded call and its response: `told` is the title; ids and secrets are replaced by made-up ones."""

    told: str
    answer: Any
    parameters: dict[str, Any] = {}
    media_type: str | None = None
    body: Any = None


EXAMPLES_FILE: Final = "openapi_examples.json"
Examples = dict[str, list[CallExample]]
_decode = msgspec.json.Decoder(Examples).decode


def load_examples(dialect: Dialect) -> Examples:
    """Return the examples of a dialect's calls by operation id, or none if the file does not exist yet."""
    file = files(dialect.package).joinpath(EXAMPLES_FILE)
    return _decode(file.read_bytes()) if file.is_file() else {}
