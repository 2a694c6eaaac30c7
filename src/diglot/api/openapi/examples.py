"""Examples of calls from real exchanges, which `tests/spec/http` marks and `openapi_examples` writes."""

from importlib.resources import files
from typing import Any, Final

import msgspec

from diglot.api.dialect import Dialect


class CallExample(msgspec.Struct, frozen=True, omit_defaults=True):
    """A call that was answered: `told` says which, ids and secrets are made up, the rest is as it was."""

    told: str
    answer: Any
    parameters: dict[str, Any] = {}
    media_type: str | None = None
    body: Any = None


EXAMPLES_FILE: Final = "openapi_examples.json"
Examples = dict[str, list[CallExample]]
_decode = msgspec.json.Decoder(Examples).decode


def load_examples(dialect: Dialect) -> Examples:
    """Return the examples of a dialect's calls, by the id of the operation; none before any is written."""
    file = files(dialect.package).joinpath(EXAMPLES_FILE)
    return _decode(file.read_bytes()) if file.is_file() else {}
